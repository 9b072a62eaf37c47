//! Everything at once: processes in ring 3 and in the kernel that fault, share, fork, map devices and
//! run out of pages, on all CPUs, until it is time; audited now and then, and counted all the while.
//!
//! | module | what is in it |
//! |---|---|
//! | `jobs` | what the kernel's processes do, round after round |
//! | `board` | mappings that others may look at |
//! | `bare` | mappings that are touched with no LOCKed instruction near |
//! | `fuzz` | random programs in ring 3 |
//! | `image` | the kernel's own code, which nobody changes |
//! | `planted` | a defect for each oracle, which has to find it |
//! | `counters` | what happened since the soak began |
//!
//! What every access must show is known as in the tests, whose rooms this uses: [`crate::oracle`] for
//! device memory, the programs themselves for memory in ring 3, [`crate::audit`] for tables and pages.

mod bare;
mod board;
mod counters;
pub mod fuzz;
mod image;
mod jobs;
mod planted;

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use alloc::sync::Arc;
use alloc::vec::Vec;
use mmu386_wire::Line;

use crate::cmdline::Options;
use crate::tests::account::{accounted, found, spare};
use crate::tests::context::{Context, Outcome};
use crate::tests::crew;
use crate::tests::page_refs::Counting;
use crate::{chaos, clock, heap, mmu, report, sched};
use counters::Since;
use image::Image;
use jobs::{Ground, JOBS};
pub use planted::PLANTED;

/// From one line of counters to the next, in microseconds.
const REPORT_US: u64 = 1_000_000;
/// From one audit to the next.
const AUDIT_US: u64 = 250_000;
/// Length of a soak that was asked for neither time nor rounds.
const USUAL_MS: u32 = 10_000;

/// Bytes that tables may have grown by.
const HEAP_SLACK: usize = 64 << 10;
const LEAK: &str = "bytes of the kernel's heap did not come back";

/// When the processes end.
pub struct Pace {
    over: AtomicBool,
    /// Least rounds of each process; 0 for as many as there is time for.
    rounds: u32,
    /// Processes that have not done so many. The others go on until there are none.
    behind: AtomicU32,
    /// Rounds of all of them.
    done: AtomicU32,
}

impl Pace {
    /// Repeats a round until it is time.
    fn repeat(&self, mut round: impl FnMut()) {
        let mut done = 0;
        let enough = || self.rounds != 0 && self.behind.load(Ordering::Relaxed) == 0;
        while !self.over.load(Ordering::Relaxed) && !enough() {
            round();
            done += 1;
            self.done.fetch_add(1, Ordering::Relaxed);
            if done == self.rounds {
                self.behind.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

/// A soak, from the first process to the last page.
pub fn run(context: &Context, options: &Options) -> Outcome {
    let (before, heap) = (spare(), heap::used());
    let usual = if options.rounds == 0 { USUAL_MS } else { u32::MAX };
    let ms = if options.ms == 0 { usual } else { options.ms };
    if options.fuzz {
        fuzz::begin(options.from);
    }
    let of = |job: &jobs::Job| job.people(context.ncpu, options.fuzz);
    let people: usize = JOBS.iter().map(of).sum();
    let pace = Pace {
        over: AtomicBool::new(false),
        rounds: options.rounds,
        behind: AtomicU32::new(people as u32),
        done: AtomicU32::new(0),
    };
    let ground = Arc::new(Ground::new(context, pace, options));
    let since = Since::now();
    let begun = clock::tsc();
    let tell = || {
        let ms = (clock::since(begun) / 1000) as u32;
        let counters = since.count(&ground.pace.done, context.found());
        report::send(&Line::Soak { ms, counters });
        report::send(&Line::Latency { buckets: since.latencies().as_slice().into() });
        fuzz::tell();
        counters
    };
    chaos::set(options.chaos.then_some(options.seed));
    let crews: Vec<_> = JOBS.iter().filter_map(|job| job.start(&ground)).collect();
    let mut pages = Counting::of_all_pages();
    let image = Image::now();
    let (mut told, mut audited) = (begun, begun);
    while !crews.iter().all(crew::Crew::is_done) {
        sched::relax();
        if clock::since(begun) / 1000 >= u64::from(ms) {
            ground.pace.over.store(true, Ordering::Relaxed);
        }
        if clock::since(told) >= REPORT_US {
            told = clock::tsc();
            tell();
        }
        if clock::since(audited) >= AUDIT_US {
            context.audit();
            image.compare(context);
            pages.compare(context);
            audited = clock::tsc();
        }
    }
    crews.iter().for_each(crew::Crew::bury);
    chaos::set(None);
    ground.empty_segment();
    accounted(context, before);
    heap_accounted(context, heap);
    context.audit();
    image.compare(context);
    // Nobody is within the MMU code any more.
    pages.compare(context);
    let counters = tell();
    context.outcome(format_args!(
        "{} shootdowns, {} faults, {} lives, {} migrations, slept {} times, {} audits",
        counters.shootdowns,
        counters.faults,
        counters.lives,
        counters.migrations,
        counters.slept,
        counters.audits
    ))
}

/// Demands that no more than `before` bytes of the heap are in use, but for some.
fn heap_accounted(context: &Context, before: usize) {
    if heap::used().saturating_sub(before) > HEAP_SLACK {
        found(context, "heap", 0, before as u32, heap::used() as u32, LEAK);
    }
}

/// Whether the variant has what a job needs.
fn can(needs: &[mmu::Fixes]) -> bool {
    needs.iter().all(|fix| mmu::has(*fix))
}
