//! vunmap with interrupts off: by one process, by one on every CPU (B1), and with a lock
//! held that the others spin on (B2).
//!
//! Without the repair this does not end, and the deadline of the wait says which CPU did not
//! answer; so these are left out of `tests=all` for variants that lack it, and run by name.

use core::sync::atomic::{AtomicU32, Ordering};

use alloc::sync::Arc;
use mmu386::arch::WordName;
use mmu386::lock::Lock;

use super::context::{Context, Outcome};
use super::crew::crew;
use super::device::pages_for;
use crate::arch_impl::{PC, Pc};
use crate::layout::BY2PG;
use crate::mmu;
use crate::spl::{splhi, splx};

fn work(context: &Context, who: usize, of: usize) -> u32 {
    let Some(pages) = pages_for(context, who, of) else {
        return 0;
    };
    mmu::upallocpdb();
    let mut limit = context.limit(200, 700);
    let mut count = 0;
    while limit.next() {
        let level = splhi();
        let size = BY2PG;
        let done = mmu::vmap(pages.page(count as usize), size)
            .map(|va| mmu::vunmap(va, size).expect("what vmap gave can be unmapped"));
        splx(level);
        if let Err(error) = done {
            panic!("{error}");
        }
        count += 1;
    }
    count
}

fn many(context: &Context, workers: usize) -> Outcome {
    let unmaps = Arc::new(AtomicU32::new(0));
    let (sum, shared) = (unmaps.clone(), context.clone());
    crew(&"splhi-unmap", workers, Some, move |who| {
        sum.fetch_add(work(&shared, who, workers), Ordering::Relaxed);
    });
    let unmaps = unmaps.load(Ordering::Relaxed);
    let what = format_args!("{unmaps} unmaps with interrupts off by {workers} processes");
    let mut outcome = context.outcome(what);
    outcome.failures += u32::from(unmaps == 0);
    outcome
}

/// One unmapper.
pub fn alone(context: &Context) -> Outcome {
    many(context, 1)
}

/// One unmapper per CPU.
pub fn together(context: &Context) -> Outcome {
    many(context, context.ncpu)
}

/// Every CPU unmaps with a lock held on which the others spin, interrupts off: who waits for the
/// lock must answer.
pub fn holding(context: &Context) -> Outcome {
    let Some(pages) = pages_for(context, 0, 1) else {
        return Outcome::new(1, format_args!("no device memory to map"));
    };
    let lock = Lock::<Pc>::new(WordName::Other("lock held over vunmap", 0));
    let unmaps = Arc::new(AtomicU32::new(0));
    let (sum, shared) = (unmaps.clone(), context.clone());
    crew(&"lock-holder", context.ncpu, Some, move |who| {
        mmu::upallocpdb();
        let mut limit = shared.limit(100, 700);
        while limit.next() {
            let level = splhi();
            mmu::start_wait();
            let held = lock.ilock(&PC);
            let va = mmu::vmap(pages.page(who), BY2PG).expect("VMAP is nearly empty");
            mmu::vunmap(va, BY2PG).expect("what vmap gave can be unmapped");
            drop(held);
            splx(level);
            sum.fetch_add(1, Ordering::Relaxed);
        }
    });
    let unmaps = unmaps.load(Ordering::Relaxed);
    let mut outcome = context.outcome(format_args!("{unmaps} unmaps with a lock held"));
    outcome.failures += u32::from(unmaps == 0);
    outcome
}
