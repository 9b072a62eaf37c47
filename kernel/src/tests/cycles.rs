//! vmap, use, vunmap, by one process or by one per CPU, with every CPU looking after each step.

use core::sync::atomic::{AtomicU32, Ordering};

use alloc::sync::Arc;

use super::context::{Context, Outcome};
use super::crew::crew;
use super::device::{Mapping, pages_for};
use crate::layout::BY2PG;
use crate::mmu;

/// Most pages of a mapping.
const MOST: usize = 4;

fn work(context: &Context, who: usize, of: usize, ms: u64) -> u32 {
    let Some(pages) = pages_for(context, who, of) else {
        return 0;
    };
    let mut rng = context.rng(who);
    mmu::upallocpdb();
    let mut limit = context.limit(u32::MAX, ms);
    let mut cycles = 0;
    while limit.next() {
        let count = 1 + rng.below(MOST);
        let first = rng.below(pages.count - MOST);
        let mapping = Mapping::new(context, pages.page(first), count * BY2PG);
        mapping.check_here(context);
        mapping.check_everywhere(context, rng.below(count) * BY2PG);
        mapping.unmap(context);
        cycles += 1;
    }
    cycles
}

fn many(context: &Context, workers: usize, ms: u64) -> Outcome {
    let cycles = Arc::new(AtomicU32::new(0));
    let (sum, shared) = (cycles.clone(), context.clone());
    let ncpu = context.ncpu;
    // One per CPU stays there, the others migrate.
    crew(
        &"cycles",
        workers,
        |who| (workers > 1 && who < ncpu).then_some(who),
        move |who| {
            sum.fetch_add(work(&shared, who, workers, ms), Ordering::Relaxed);
        },
    );
    let cycles = cycles.load(Ordering::Relaxed);
    let mut outcome = context.outcome(format_args!("{cycles} cycles by {workers} processes"));
    outcome.failures += u32::from(cycles == 0);
    outcome
}

/// One process on every CPU and two that migrate.
pub fn run(context: &Context) -> Outcome {
    many(context, context.ncpu + 2, 2000)
}

/// One process alone: all other CPUs are idle, and keep their translations (A2).
pub fn idle(context: &Context) -> Outcome {
    many(context, 1, 700)
}
