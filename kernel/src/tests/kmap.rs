//! K1: processes clear, fill and copy pages through kmap, and go from CPU to CPU meanwhile.

use core::sync::atomic::{AtomicU32, Ordering};

use alloc::sync::Arc;
use alloc::vec::Vec;
use mmu386::error::KmapError;
use mmu386::layout::Frame;

use super::context::{Context, Finding, Outcome};
use super::crew::{audited_crew, crew};
use crate::layout::BY2PG;
use crate::mach::machno;
use crate::{mmu, pages, paging, probe, sched};

/// Pages of a process.
const PAGES: usize = 3;
/// Slots of KMAP.
const SLOTS: usize = 1024;

const OTHER: &str = "a kmap does not show the page that it was made for";
const TWICE: &str = "kmap gave out an address that is in use";
const AFTER: &str = "a page can still be reached after kunmap";

struct Worker<'a> {
    context: &'a Context,
}

impl Worker<'_> {
    fn found(&self, va: usize, expected: u32, seen: Option<u32>, why: &'static str) {
        let (cpu, seen) = (machno(), seen.unwrap_or(0));
        self.context.finding(&Finding { hazard: "K1", cpu, va, expected, seen, why });
    }

    fn map(&self, page: Frame) -> usize {
        match mmu::kmap(page) {
            Ok((va, before)) => {
                if let Some(pa) = before {
                    self.found(va, page.pa(), Some(pa), TWICE);
                }
                va
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn unmap(&self, va: usize) {
        mmu::kunmap(va);
        let seen = probe::read(va);
        if seen.is_some() {
            self.found(va, 0, seen, AFTER);
        }
    }

    /// The word at an offset of a page, by a kmap and by the oracles' view.
    fn check(&self, va: usize, page: Frame, offset: usize, expected: u32) {
        for at in [va, paging::oracle_view(page.pa() as usize)] {
            let seen = probe::read(at + offset);
            if seen != Some(expected) {
                self.found(at + offset, expected, seen, OTHER);
            }
        }
    }

    fn fill(&self, va: usize, value: u32) {
        for offset in (0..BY2PG).step_by(4) {
            // SAFETY: the page is this process's own.
            if !unsafe { probe::write(va + offset, value) } {
                return self.found(va + offset, value, None, OTHER);
            }
        }
    }
}

fn work(context: &Context, who: usize) -> u32 {
    some(context, who, 400)
}

/// So many rounds of one process, or a second's; how many it did.
pub fn some(context: &Context, who: usize, rounds: u32) -> u32 {
    let worker = Worker { context };
    let own: Vec<Frame> = (0..PAGES).filter_map(|_| pages::hold()).collect();
    let mut rng = context.rng(who);
    let mut limit = context.limit(rounds, 1000);
    let mut round = 0;
    while !own.is_empty() && limit.next() {
        round += 1;
        let value = 0x4B00_0000 | (who as u32) << 16 | round & 0xFFFF;
        let (page, next) = (own[rng.below(own.len())], own[rng.below(own.len())]);
        let first = worker.map(page);
        worker.fill(first, value);
        if rng.below(3) == 0 {
            sched::sched();
        }
        let second = worker.map(page);
        let offset = rng.below(BY2PG / 4) * 4;
        worker.check(second, page, offset, value);
        worker.unmap(first);
        // A copy, word by word, from one kmap to another.
        let copy = worker.map(next);
        let word = probe::read(second + offset).unwrap_or(0);
        // SAFETY: the page is this process's own.
        unsafe { probe::write(copy + offset, word) };
        worker.check(copy, next, offset, value);
        worker.unmap(second);
        worker.unmap(copy);
    }
    own.into_iter().for_each(pages::release);
    round
}

/// The control: a page whose content is not what it is compared with.
pub fn misled(context: &Context) {
    let worker = Worker { context };
    let Some(page) = pages::hold() else { return };
    let va = worker.map(page);
    worker.fill(va, 1);
    worker.check(va, page, 0, 2);
    worker.unmap(va);
    pages::release(page);
}

/// One process takes every slot. Returns what was wrong.
fn exhaust(context: &Context) -> u32 {
    let worker = Worker { context };
    let Some(page) = pages::hold() else { return 1 };
    let mut taken = Vec::with_capacity(SLOTS);
    let error = loop {
        match mmu::kmap(page) {
            Ok((va, _)) if taken.len() < SLOTS => taken.push(va),
            Ok(_) => break None,
            Err(error) => break Some(error),
        }
    };
    let full = taken.len() == SLOTS && error == Some(KmapError::Full { slots: SLOTS });
    taken.into_iter().for_each(|va| worker.unmap(va));
    // There is room again.
    worker.unmap(worker.map(page));
    pages::release(page);
    u32::from(!full)
}

/// Many processes, and one that takes all it can.
pub fn run(context: &Context) -> Outcome {
    let rounds = Arc::new(AtomicU32::new(0));
    let (sum, shared) = (rounds.clone(), context.clone());
    let workers = context.ncpu * 2 + 1;
    let nobody = |_| None;
    audited_crew(context, &"kmap", workers, nobody, move |who| {
        sum.fetch_add(work(&shared, who), Ordering::Relaxed);
    });
    let wrong = Arc::new(AtomicU32::new(0));
    let (sum, shared) = (wrong.clone(), context.clone());
    crew(&"kmap-full", 1, nobody, move |_| {
        sum.fetch_add(exhaust(&shared), Ordering::Relaxed);
    });
    let rounds = rounds.load(Ordering::Relaxed);
    let mut outcome = context
        .outcome(format_args!("{rounds} rounds of 3 kmaps by {workers} processes, {SLOTS} slots"));
    outcome.failures += wrong.load(Ordering::Relaxed) + u32::from(rounds == 0);
    outcome
}
