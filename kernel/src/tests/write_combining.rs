//! patwc on video memory: entries choose write combining on every CPU, and at once (A10).

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use alloc::sync::Arc;

use super::context::{Context, Finding, Outcome};
use super::crew::{Barrier, crew};
use super::device::Mapping;
use crate::layout::{BY2LARGE, BY2PG, VPT};
use crate::mach::machno;
pub use crate::mapping::check_combining as judge;
use crate::mmu;
use crate::oracle::large_pages;
use crate::probe;

/// What chooses entry 7 of the attribute table in a page table entry (Intel SDM vol. 3, 11.12.3).
const SMALL: u32 = 0x98;

const WRONG: &str = "patwc did not change the entries that it was asked to, or changed others";

/// Pages of a small mapping, and how many of them are made write combining.
const PAGES: usize = 4;
const COMBINING: usize = 2;

/// A mapping by page tables.
pub fn small(context: &Context) -> Outcome {
    let Some(video) = context.devices.framebuffer.clone() else {
        return Outcome::new(1, format_args!("no framebuffer"));
    };
    mmu::upallocpdb();
    let mapping = Mapping::new(context, video.start, PAGES * BY2PG);
    mapping.check_here(context);
    // From the middle of the first page on: whole pages are changed.
    let can = mmu::patwc(mapping.va + 12, COMBINING * BY2PG - 12);
    for page in 0..PAGES {
        let va = mapping.va + page * BY2PG;
        let wanted = if page < COMBINING { SMALL } else { SMALL & 0x10 };
        let seen = probe::read(VPT + (va >> 12) * 4).map(|entry| entry & SMALL);
        if seen != Some(wanted) {
            let (hazard, cpu, seen, why) = ("W1", machno(), seen.unwrap_or(0), WRONG);
            context.finding(&Finding { hazard, cpu, va, expected: wanted, seen, why });
        }
        mapping.check_everywhere(context, page * BY2PG);
    }
    mapping.unmap(context);
    let mut outcome = context.outcome(format_args!("{COMBINING} of {PAGES} pages"));
    outcome.failures += u32::from(!can);
    outcome
}

/// Large pages, which every CPU's process has copied into its directory before.
pub fn large(context: &Context) -> Outcome {
    let video = context.devices.framebuffer.as_ref();
    let Some(pa) = video.and_then(|video| large_pages(video).next()) else {
        return Outcome::new(1, format_args!("no 4 MB of video memory in one piece"));
    };
    let refused = Arc::new(AtomicU32::new(0));
    let rounds = Arc::new(AtomicU32::new(0));
    let (no, done, shared) = (refused.clone(), rounds.clone(), context.clone());
    let ncpu = context.ncpu;
    let barrier = Barrier::new(ncpu + 1);
    let address = AtomicUsize::new(0);
    let wired = |who: usize| (who < ncpu).then_some(who);
    crew(&"write-combining", ncpu + 1, wired, move |who| {
        let context = &shared;
        mmu::upallocpdb();
        if who < ncpu {
            loop {
                barrier.wait();
                let va = address.load(Ordering::SeqCst);
                if va == 0 {
                    return;
                }
                probe::here(va);
                barrier.wait();
                barrier.wait();
                judge(context, va, &probe::here(va));
                barrier.wait();
            }
        }
        let mut limit = context.limit(8, 1500);
        while limit.next() {
            let mapping = Mapping::new(context, pa, BY2LARGE);
            address.store(mapping.va, Ordering::SeqCst);
            mapping.check_everywhere(context, 0);
            barrier.wait();
            barrier.wait();
            no.fetch_add(u32::from(!mmu::patwc(mapping.va, BY2LARGE)), Ordering::Relaxed);
            for sight in probe::everywhere(mapping.va) {
                judge(context, mapping.va, &sight);
            }
            barrier.wait();
            barrier.wait();
            mapping.check_everywhere(context, BY2LARGE / 2);
            mapping.unmap(context);
            done.fetch_add(1, Ordering::Relaxed);
        }
        address.store(0, Ordering::SeqCst);
        barrier.wait();
    });
    let rounds = rounds.load(Ordering::Relaxed);
    let mut outcome = context.outcome(format_args!("{rounds} times 4 MB, on {ncpu} CPUs"));
    outcome.failures += refused.load(Ordering::Relaxed) + u32::from(rounds == 0);
    outcome
}
