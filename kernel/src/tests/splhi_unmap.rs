//! vunmap with interrupts off: by one process (B1), and by one on every CPU at once (B2).
//!
//! Without the repair this does not end, and the deadline of the wait says which CPU did not
//! answer; so these are left out of `tests=all` for variants that lack it, and run by name.

use core::sync::atomic::{AtomicU32, Ordering};

use alloc::sync::Arc;

use super::context::{Context, Outcome};
use super::crew::crew;
use super::device::pages_for;
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
