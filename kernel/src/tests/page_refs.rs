//! D2: what the MMU code says that it holds is what the page allocator misses.

use alloc::vec;
use alloc::vec::Vec;

use mmu386::arch::Owned;
use mmu386::pagerefs::{Pass, Said, countpagerefs};

use super::context::{Context, Finding, Outcome};
use crate::arch_impl::PC;
use crate::layout::PTEWRITE;
use crate::mach::machno;
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
    let mut refs = vec![0; pages::npage()];
    let mut owners = vec![Owner::MmuCode; pages::npage()];
    let mut said: Vec<Said> = Vec::with_capacity(2 * pages::npage());
    let wrong_refs = still::stand_still(|| {
        countpagerefs(&PC, &mut refs, Pass::Count, |line| said.push(line));
        countpagerefs(&PC, &mut refs, Pass::Print, |line| said.push(line));
        pages::free_frames().for_each(|frame| owners[pages::number(frame)] = Owner::Allocator);
        book::held_frames().for_each(|frame| owners[pages::number(frame)] = Owner::Test);
        (0..pages::npage())
            .filter(|n| {
                let wanted = u32::from(owners[*n] != Owner::Allocator);
                pages::page(pages::frame(*n)).refs.get() != wanted
            })
            .count()
    });
    let wrong = owners
        .iter()
        .zip(&refs)
        .filter(|(owner, refs)| **refs != u32::from(**owner == Owner::MmuCode))
        .count();
    let held = owners.iter().filter(|owner| **owner == Owner::MmuCode).count();
    let mut told = 0;
    for line in &said {
        match line {
            Said::Holds(..) => told += 1,
            line => println!("{line}"),
        }
    }
    if told != held {
        let (hazard, cpu, va, why) = ("D2", machno(), 0, UNTOLD);
        let (expected, seen) = (held as u32, told as u32);
        context.finding(&Finding { hazard, cpu, va, expected, seen, why });
    }
    mmu::flushmmu();
    pages::release(page);
    let mut outcome = context.outcome(format_args!(
        "{held} pages held, {told} told of; {wrong} miscounted, {wrong_refs} with other references"
    ));
    outcome.failures += (wrong + wrong_refs) as u32 + u32::from(put.is_err());
    outcome
}
