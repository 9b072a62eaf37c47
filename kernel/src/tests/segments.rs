//! A segment that processes on all CPUs share: they fault pages in, write their tag, and take them
//! away from each other.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use alloc::sync::Arc;
use mmu386::error::SegmentError;
use mmu386::segment::Segment;

use super::context::{Context, Finding, Outcome, Rng};
use super::crew::{Barrier, audited_crew, crew};
use crate::arch_impl::Pc;
use crate::layout::BY2PG;
use crate::mach::machno;
use crate::{mmu, probe};

/// Pages of the segment.
const PAGES: usize = 8;
const BASE: usize = 0x4000_0000;
/// Steps from one moment of quiet to the next.
const STEPS: usize = 48;
/// Name of the processes that share one.
pub const NAME: &str = "segments";

const OTHER: &str = "a page of a segment shows what was never written there";
const POISON: &str = "a page of a segment can be reached after it was freed";
const OUTSIDE: &str = "a fault outside of the segment is no error";

/// The segment.
pub type Shared = Segment<Pc, PAGES>;

/// One without pages.
pub fn new() -> Shared {
    Shared::new(BASE as u32)
}

/// Frees all of its pages, which no process has mapped any more.
///
/// # Errors
/// None that there could be.
pub fn empty(segment: &Shared) -> Result<(), SegmentError> {
    mmu::free(segment, BASE, PAGES, |p| p.name() == NAME)
}

/// One look at a page, or a page or three freed.
pub fn step(context: &Context, segment: &Shared, rng: &mut Rng) {
    if rng.below(STEPS / 3) == 0 {
        free(segment, rng);
    } else {
        touch(context, segment, rng.below(PAGES));
    }
}

/// The tag of a page of the segment: all processes write the same.
fn tag(index: usize) -> u32 {
    0x5E00_0000 | index as u32
}

/// Looks at a page, faults it in if need be, and writes its tag if it is new.
fn touch(context: &Context, segment: &Shared, index: usize) {
    let va = BASE + index * BY2PG;
    let Some(seen) = probe::read(va) else {
        if let Err(error) = mmu::fault(segment, va) {
            panic!("{error}");
        }
        return;
    };
    match seen {
        // SAFETY: the page is the segment's, which these processes share, or is gone and faults.
        0 => _ = unsafe { probe::write(va, tag(index)) },
        _ if seen == tag(index) => {}
        _ => {
            let poison = seen >> 24 == 0x6E;
            let (hazard, why) = if poison { ("C1", POISON) } else { ("U1", OTHER) };
            let (cpu, expected) = (machno(), tag(index));
            context.finding(&Finding { hazard, cpu, va, expected, seen, why });
        }
    }
}

/// The control: a page that has a word which none of those who share it writes.
pub fn misled(context: &Context) {
    let shared = context.clone();
    crew(
        &NAME,
        1,
        |_| None,
        move |_| {
            mmu::upallocpdb();
            let segment = new();
            // Faulted in, tagged, spoilt, and seen.
            for _ in 0..2 {
                touch(&shared, &segment, 0);
            }
            // SAFETY: the page is the segment's, which only this process has.
            unsafe { probe::write(BASE, 1) };
            touch(&shared, &segment, 0);
            if let Err(error) = empty(&segment) {
                panic!("{error}");
            }
        },
    );
}

fn free(segment: &Shared, rng: &mut Rng) {
    let first = rng.below(PAGES);
    let count = 1 + rng.below((PAGES - first).min(3));
    let shares = |p: &crate::proc::Proc| p.name() == NAME;
    if let Err(error) = mmu::free(segment, BASE + first * BY2PG, count, shares) {
        panic!("{error}");
    }
}

/// Two processes for each CPU. Now and then all wait while one of them audits, as nobody is in a fault
/// then.
pub fn run(context: &Context) -> Outcome {
    let workers = context.ncpu * 2;
    let frees = Arc::new(AtomicU32::new(0));
    let quiet = Arc::new(AtomicU32::new(0));
    let (sum, rounds, shared) = (frees.clone(), quiet.clone(), context.clone());
    let segment = new();
    let barrier = Barrier::new(workers);
    let over = AtomicBool::new(false);
    audited_crew(
        context,
        &NAME,
        workers,
        |_| None,
        move |who| {
            let context = &shared;
            let mut rng = context.rng(who);
            let mut limit = context.limit(40, 1500);
            if mmu::fault(&segment, BASE + PAGES * BY2PG)
                != Err(SegmentError::Outside { va: (BASE + PAGES * BY2PG) as u32 })
            {
                let (hazard, cpu, va) = ("U1", machno(), BASE + PAGES * BY2PG);
                let (expected, seen, why) = (0, 0, OUTSIDE);
                context.finding(&Finding { hazard, cpu, va, expected, seen, why });
            }
            while !over.load(Ordering::SeqCst) {
                for _ in 0..STEPS {
                    if rng.below(STEPS / 3) == 0 {
                        free(&segment, &mut rng);
                        sum.fetch_add(1, Ordering::Relaxed);
                    } else {
                        touch(context, &segment, rng.below(PAGES));
                    }
                }
                barrier.wait();
                if who == 0 {
                    context.audit();
                    rounds.fetch_add(1, Ordering::Relaxed);
                    over.store(!limit.next(), Ordering::SeqCst);
                }
                barrier.wait();
            }
            // The last one out leaves no page behind.
            barrier.wait();
            if who == 0
                && let Err(error) = empty(&segment)
            {
                panic!("{error}");
            }
            barrier.wait();
        },
    );
    let (frees, quiet) = (frees.load(Ordering::Relaxed), quiet.load(Ordering::Relaxed));
    let mut outcome = context.outcome(format_args!(
        "{frees} frees among faults of {workers} processes, {quiet} moments of quiet"
    ));
    outcome.failures += u32::from(frees == 0);
    outcome
}
