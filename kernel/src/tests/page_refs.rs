//! D2: what the MMU code says that it holds is what the page allocator misses.

use core::sync::atomic::{AtomicU32, Ordering};

use alloc::vec;
use alloc::vec::Vec;

use mmu386::arch::Owned;
use mmu386::pagerefs::{Pass, Said, countpagerefs};

use super::context::{Context, Finding, Outcome};
use crate::arch_impl::PC;
use crate::layout::PTEWRITE;
use crate::mach::machno;
use crate::mmu::Fixes;
use crate::proc::proctab;
use crate::{book, mmu, pages, println, still};

const VA: usize = 0x6000_0000;
const UNTOLD: &str = "countpagerefs does not tell of every page that is held";

/// A page as the allocator knows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Allocator,
    Test,
    MmuCode,
}

/// Times that a count was compared while others ran.
pub static COUNTED: AtomicU32 = AtomicU32::new(0);

/// A count by the MMU code, and what the allocator knows. The room for both is made before the world stops.
pub struct Counting {
    refs: Vec<u32>,
    owners: Vec<Owner>,
    said: Vec<Said>,
}

impl Counting {
    /// Room for every page.
    pub fn of_all_pages() -> Counting {
        Counting {
            refs: vec![0; pages::npage()],
            owners: vec![Owner::MmuCode; pages::npage()],
            said: Vec::with_capacity(2 * pages::npage()),
        }
    }

    /// Counts, and prints. The world stands still.
    fn count(&mut self) {
        self.said.clear();
        self.refs.fill(0);
        self.owners.fill(Owner::MmuCode);
        countpagerefs(&PC, &mut self.refs, Pass::Count, |line| self.said.push(line));
        countpagerefs(&PC, &mut self.refs, Pass::Print, |line| self.said.push(line));
        pages::free_frames().for_each(|frame| self.owners[pages::number(frame)] = Owner::Allocator);
        book::held_frames().for_each(|frame| self.owners[pages::number(frame)] = Owner::Test);
    }

    /// Pages that the MMU code holds, those of them that it told of, and pages that it counts and should not,
    /// or the other way round.
    fn judge(&self) -> (usize, usize, usize) {
        let held = self.owners.iter().filter(|owner| **owner == Owner::MmuCode).count();
        let told = self.said.iter().filter(|line| matches!(line, Said::Holds(..))).count();
        let pages = self.owners.iter().zip(&self.refs);
        let wrong = pages.filter(|(owner, refs)| **refs != u32::from(**owner == Owner::MmuCode));
        (held, told, wrong.count())
    }

    /// Counts in the middle of whatever the machine does, and compares if no process is within the MMU
    /// code, where it may have a page in hand.
    ///
    /// Called by a process with interrupts on and no lock held.
    pub fn compare(&mut self, context: &Context) {
        let quiet = still::stand_still(|| {
            self.count();
            !mmu::in_segments() && proctab().iter().all(|p| p.busy.load(Ordering::SeqCst) == 0)
        });
        if !quiet {
            return;
        }
        COUNTED.fetch_add(1, Ordering::Relaxed);
        let (held, told, wrong) = self.judge();
        if wrong > 0 || (mmu::has(Fixes::D2) && told != held) {
            untold(context, held, told);
        }
    }
}

fn untold(context: &Context, held: usize, told: usize) {
    let (hazard, cpu, va, why) = ("D2", machno(), 0, UNTOLD);
    let (expected, seen) = (held as u32, told as u32);
    context.finding(&Finding { hazard, cpu, va, expected, seen, why });
}

/// Counts with the world stopped, then prints, and compares both with the allocator's own records.
pub fn run(context: &Context) -> Outcome {
    // This process has a page of each kind.
    let page = pages::hold();
    let Some(page) = page else { return Outcome::new(1, format_args!("no page")) };
    if let Ok((va, _)) = mmu::kmap(page) {
        mmu::kunmap(va);
    }
    let ticket = mmu::fault_begins();
    let put = mmu::putmmu(VA, (page.pa() | PTEWRITE) as usize, ticket);
    let mut counting = Counting::of_all_pages();
    let wrong_refs = still::stand_still(|| {
        counting.count();
        (0..pages::npage())
            .filter(|n| {
                let wanted = u32::from(counting.owners[*n] != Owner::Allocator);
                pages::page(pages::frame(*n)).refs.get() != wanted
            })
            .count()
    });
    let (held, told, wrong) = counting.judge();
    for line in counting.said.iter().filter(|line| !matches!(line, Said::Holds(..))) {
        println!("{line}");
    }
    if told != held {
        untold(context, held, told);
    }
    mmu::flushmmu();
    pages::release(page);
    let mut outcome = context.outcome(format_args!(
        "{held} pages held, {told} told of; {wrong} miscounted, {wrong_refs} with other references"
    ));
    outcome.failures += (wrong + wrong_refs) as u32 + u32::from(put.is_err());
    outcome
}
