//! C1: a fault finds a page, sleeps for a page table, and maps what was freed meanwhile.
//!
//! There is no page left, so the fault sleeps in putmmu for certain; the page that it found is taken
//! away then, and kept as it was freed. Whoever sees its poison has a mapping of a page that is
//! nobody's.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use mmu386::segment::Segment;

use super::context::{Context, Finding, Outcome};
use super::crew::{Barrier, crew};
use crate::arch_impl::Pc;
use crate::mach::machno;
use crate::{mmu, pages, probe, sched};

const VA: usize = 0x5000_0000;
const NAME: &str = "install-after-free";
const FREED: &str = "a fault mapped a page that was freed before it ended";
const STALE: &str = "a page can be reached after it was freed";
const LOST: &str = "a fault ended, and there is no page";

type One = Segment<Pc, 1>;

fn judge(context: &Context, seen: Option<u32>, why: &'static str) {
    if let Some(seen) = seen.filter(|word| word >> 24 == 0x6E) {
        let (hazard, cpu, va, expected) = ("C1", machno(), VA, 0);
        context.finding(&Finding { hazard, cpu, va, expected, seen, why });
    }
}

/// Takes the page away while the other process sleeps in its fault.
/// Returns whether it did sleep.
fn free(context: &Context, segment: &One, barrier: &Barrier, ended: &AtomicBool) -> bool {
    if let Err(error) = mmu::fault(segment, VA) {
        panic!("{error}");
    }
    barrier.wait();
    let mut hoard = Vec::with_capacity(pages::npage());
    while let Some(page) = pages::hold() {
        hoard.push(page);
    }
    let before = pages::slept();
    barrier.wait();
    // Should somebody have given a page back meanwhile, the fault ends without having slept.
    while pages::slept() == before && !ended.load(Ordering::SeqCst) {
        sched::relax();
    }
    let slept = !ended.load(Ordering::SeqCst);
    let freed = pages::keep_freed(|| {
        if let Err(error) = mmu::free(segment, VA, 1, |p| p.name() == NAME) {
            panic!("{error}");
        }
    });
    judge(context, probe::read(VA), STALE);
    hoard.into_iter().for_each(pages::release);
    barrier.wait();
    barrier.wait();
    freed.into_iter().for_each(pages::release);
    if let Err(error) = mmu::free(segment, VA, 1, |p| p.name() == NAME) {
        panic!("{error}");
    }
    slept
}

/// Faults.
fn fault(context: &Context, segment: &One, barrier: &Barrier, ended: &AtomicBool) {
    mmu::upallocpdb();
    barrier.wait();
    barrier.wait();
    if let Err(error) = mmu::fault(segment, VA) {
        panic!("{error}");
    }
    ended.store(true, Ordering::SeqCst);
    let seen = probe::read(VA);
    judge(context, seen, FREED);
    if seen.is_none() {
        let (hazard, cpu, va, why) = ("U1", machno(), VA, LOST);
        context.finding(&Finding { hazard, cpu, va, expected: 0, seen: 0, why });
    }
    barrier.wait();
    // Looked at as it is, then dropped: what is mapped may be nobody's.
    context.audit();
    mmu::flushmmu();
    barrier.wait();
}

/// Both, several times.
pub fn run(context: &Context) -> Outcome {
    let rounds = Arc::new(AtomicU32::new(0));
    let mut limit = context.limit(8, 2000);
    while limit.next() {
        let (shared, done) = (context.clone(), rounds.clone());
        let segment = One::new(VA as u32);
        let barrier = Barrier::new(2);
        let ended = AtomicBool::new(false);
        crew(
            &NAME,
            2,
            |_| None,
            move |who| {
                if who == 0 {
                    let slept = free(&shared, &segment, &barrier, &ended);
                    done.fetch_add(u32::from(slept), Ordering::Relaxed);
                } else {
                    fault(&shared, &segment, &barrier, &ended);
                }
            },
        );
    }
    let rounds = rounds.load(Ordering::Relaxed);
    let mut outcome =
        context.outcome(format_args!("{rounds} pages freed while a fault slept in putmmu"));
    outcome.failures += u32::from(rounds == 0);
    outcome
}
