//! Processes in ring 3 that live, fork, start programs, share memory and free it, while pages run short.

use core::sync::atomic::{AtomicU32, Ordering};

use alloc::vec::Vec;

use super::account::{all_well, settle, spare};
use super::context::{Context, Outcome};
use crate::user::{COPIES, EXECS, FAULTS, FORKS, Group, HIGH, REFUSED};
use crate::{clock, pages, sched};

/// Rounds of each process that the test starts; its children have half of that.
const ROUNDS: u32 = 40;
/// From one audit to the next.
const PAUSE_US: u64 = 100_000;
/// How long pages are kept from everybody.
const HOARD: u32 = 3;

/// What the processes did, in the order in which it is told.
const COUNTERS: [&AtomicU32; 6] = [&FAULTS, &REFUSED, &COPIES, &HIGH, &FORKS, &EXECS];

/// Takes all pages for a moment, so that whoever needs one sleeps in the middle of its fault.
pub fn hoard() {
    let taken: Vec<_> = (0..pages::free()).map_while(|_| pages::hold()).collect();
    let slept = pages::slept();
    for _ in 0..HOARD {
        if pages::slept() != slept {
            break;
        }
        sched::relax();
    }
    taken.into_iter().for_each(pages::release);
}

/// Some processes and all that come from them, until the last is gone.
pub fn run(context: &Context) -> Outcome {
    let (before, slept) = (spare(), pages::slept());
    let counted = COUNTERS.map(|counter| counter.load(Ordering::Relaxed));
    let group = Group::new((2 * context.ncpu as u32 + 4).min(12));
    let mut rng = context.rng(0);
    let mut limit = context.limit(3, 1500);
    while limit.next() {
        for _ in 0..(context.ncpu as u32 + 1).min(6) {
            // Those that came before may have filled the group; then they live instead.
            let words = [rng.below(1 << 24) as u32, ROUNDS, 0];
            if let Err(error) = crate::user::spawn("life", &words, &group) {
                assert!(error == kernel_abi::Error::NoProcess, "life: {error:?}");
            }
        }
        let mut last = clock::tsc();
        while group.live() > 0 {
            hoard();
            sched::relax();
            if clock::since(last) > PAUSE_US {
                context.audit();
                last = clock::tsc();
            }
        }
        group.wait();
    }
    settle(context, &group, before);
    all_well(context, &group);
    let mut done = COUNTERS.map(|counter| counter.load(Ordering::Relaxed));
    done.iter_mut().zip(counted).for_each(|(now, then)| *now -= then);
    let [faults, refused, copies, high, forks, execs] = done;
    let slept = pages::slept() - slept;
    let mut outcome = context.outcome(format_args!(
        "{} lives, {faults} faults ({high} above the window, {refused} refused, {copies} copied), \
         {forks} forks, {execs} programs, slept {slept} times",
        group.lives()
    ));
    // What did not happen was not tried.
    let tried = [faults, copies, high, forks, execs, slept as u32];
    outcome.failures += tried.iter().filter(|count| **count == 0).count() as u32;
    outcome
}
