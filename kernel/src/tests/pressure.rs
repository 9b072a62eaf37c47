//! Page pressure: directories and page tables are asked for while there are no pages, so that
//! `newpage` sleeps in the middle of the MMU code and wakes on another CPU.

use core::sync::atomic::{AtomicU32, Ordering};

use alloc::sync::Arc;
use alloc::vec::Vec;
use mmu386::error::PutmmuError;

use super::context::{Context, Finding, Outcome};
use super::crew::{Barrier, crew};
use super::device::{Pages, pages_for};
use crate::layout::{BY2LARGE, PTEWRITE};
use crate::mach::{machno, up};
use crate::oracle::tag;
use crate::{mmu, pages, probe, sched};

/// Page tables that each process asks for.
const TABLES: usize = 6;

/// A process that maps pages of devices in page tables of its own, and drops them.
pub fn work(context: &Context, pages: Pages, who: usize) {
    let mut rng = context.rng(who);
    mmu::upallocpdb();
    for table in 0..TABLES {
        let pa = pages.page(rng.below(pages.count));
        let va = (table * 37 + who % 8 + 1) * BY2LARGE + 0x1000 * rng.below(1024);
        loop {
            let ticket = mmu::fault_begins();
            match mmu::putmmu(va, pa | PTEWRITE as usize, ticket) {
                Ok(()) => break,
                // Somebody asked this process to flush: the fault comes again.
                Err(PutmmuError::Flushed) => {}
                Err(error) => panic!("{error}"),
            }
        }
        // A flush by somebody else may have dropped it; then it faults, and no more.
        if let Some(seen) = probe::read(va)
            && seen != tag(pa)
        {
            let why = "a user page shows memory that is not its own";
            let (cpu, expected) = (machno(), tag(pa));
            context.finding(&Finding { hazard: "U1", cpu, va, expected, seen, why });
        }
        if rng.below(3) == 0 {
            mmu::flushmmu();
            if let Some(seen) = probe::read(va) {
                let why = "a user page is still mapped after flushmmu";
                let (cpu, expected) = (machno(), 0);
                context.finding(&Finding { hazard: "U1", cpu, va, expected, seen, why });
            }
        }
        sched::give_way();
    }
}

/// A hog takes every page and gives them back one at a time, while processes come, map and die.
pub fn run(context: &Context) -> Outcome {
    let Some(first) = pages_for(context, 0, 1) else {
        return Outcome::new(1, format_args!("no device memory to map"));
    };
    let slept = pages::slept();
    let free = pages::free();
    let moves = Arc::new(AtomicU32::new(0));
    let (shared, moved) = (context.clone(), moves.clone());
    let workers = context.ncpu * 2 + 2;
    let mut limit = context.limit(8, 1500);
    let mut rounds = 0;
    while limit.next() {
        rounds += 1;
        let (shared, moved) = (shared.clone(), moved.clone());
        let hoarded = Barrier::new(workers + 1);
        crew(
            &"pressure",
            workers + 1,
            |_| None,
            move |who| {
                if who == workers {
                    let hoard: Vec<_> = (0..pages::free()).filter_map(|_| pages::hold()).collect();
                    let before = pages::slept();
                    hoarded.wait();
                    // Every worker needs a page table, and there is none: some must go to sleep.
                    while pages::slept() == before {
                        sched::relax();
                    }
                    for frame in hoard {
                        pages::release(frame);
                        sched::sched();
                    }
                    return;
                }
                hoarded.wait();
                work(&shared, first, who);
                let up = up().expect("a process runs");
                moved.fetch_add(up.migrations.load(Ordering::Relaxed), Ordering::Relaxed);
            },
        );
    }
    let slept = pages::slept() - slept;
    // Dead processes' directories stay in the CPUs' pools, at most ten each.
    let lost = free.saturating_sub(pages::free() + 10 * context.ncpu);
    let mut outcome = context.outcome(format_args!(
        "{rounds} rounds of {workers} processes, newpage slept {slept} times, \
         {} migrations, {lost} pages lost",
        moves.load(Ordering::Relaxed)
    ));
    outcome.failures += lost as u32 + u32::from(slept == 0);
    outcome
}
