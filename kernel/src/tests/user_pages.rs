//! User pages of one process each: put in, checked, replaced, dropped; and dropped by others while
//! they are put in.

use core::sync::atomic::{AtomicU32, Ordering};

use alloc::sync::Arc;
use mmu386::error::PutmmuError;
use mmu386::layout::Frame;

use super::context::{Context, Finding, Outcome};
use super::crew::audited_crew;
use crate::layout::{BY2LARGE, BY2PG, PTEWRITE, VMAP};
use crate::mach::{machno, up};
use crate::mmu::{self, Fixes};
use crate::spl::{splhi, splx};
use crate::{book, pages, paging, probe, sched};

const OTHER: &str = "a user address does not show the page that was put there";
const CHECK: &str = "checkmmu does not tell what a user address shows";
const DROPPED: &str = "a user page is still mapped after it was dropped";
const NOT_USER: &str = "putmmu accepts an address that is not a user's";

/// Looks by checkmmu for each page that is put in.
const LOOKS: u32 = 200;

/// Name of the processes, by which they ask each other to flush.
const NAME: &str = "user-pages";

fn found(context: &Context, va: usize, expected: u32, seen: Option<u32>, why: &'static str) {
    let (cpu, seen) = (machno(), seen.unwrap_or(0));
    context.finding(&Finding { hazard: "U1", cpu, va, expected, seen, why });
}

/// Maps `page` at `va`, with as many faults as that takes. Nobody else flushes this process, so it is
/// there afterwards.
fn put(va: usize, page: Frame) {
    loop {
        let ticket = mmu::fault_begins();
        match mmu::putmmu(va, (page.pa() | PTEWRITE) as usize, ticket) {
            Ok(()) => return,
            Err(PutmmuError::Flushed) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn tag(page: Frame) -> u32 {
    0x5500_0000 | page.number() as u32
}

/// Writes the tag of `page`, which must be what shows at `va`, there; the oracles look whether it came
/// to where it belongs.
fn write(context: &Context, va: usize, page: Frame) {
    // SAFETY: the page is this process's own.
    unsafe { probe::write(va, tag(page)) };
    for at in [va, paging::oracle_view(page.pa() as usize)] {
        let seen = probe::read(at);
        if seen != Some(tag(page)) {
            found(context, va, tag(page), seen, OTHER);
        }
    }
}

/// One address, undisturbed: two pages one after the other, then none.
fn alone(context: &Context, va: usize, [one, other]: [Frame; 2]) {
    let up = up().expect("a process runs").index();
    put(va, one);
    write(context, va, one);
    let told = mmu::checkmmu(va, other.pa() as usize);
    if mmu::checkmmu(va, one.pa() as usize).is_err()
        || !told.is_err_and(|mismatch| mismatch.pte & !0xFFF == one.pa())
    {
        found(context, va, one.pa(), None, CHECK);
    }
    // Another CPU must see the same, and so must this one when the process is back.
    sched::sched();
    let seen = probe::read(va);
    if seen != Some(tag(one)) {
        found(context, va, tag(one), seen, OTHER);
    }
    put(va, other);
    book::with(|ledger| ledger.may_not_show(up, va as u32, one.pa()));
    write(context, va, other);
    mmu::flushmmu();
    book::with(|ledger| ledger.may_not_show(up, va as u32, other.pa()));
    let seen = probe::read(va);
    if seen.is_some() || mmu::checkmmu(va, one.pa() as usize).is_err() {
        found(context, va, 0, seen, DROPPED);
    }
}

/// One address while others ask this process to flush: the page or nothing, never another.
fn disturbed(context: &Context, va: usize, page: Frame) {
    put(va, page);
    let level = splhi();
    let (seen, entry) = (probe::read(va), mmu::user_entry(va));
    splx(level);
    if seen.is_some() && entry.is_some_and(|entry| entry & !0xFFF != page.pa()) {
        found(context, va, page.pa(), entry, OTHER);
    }
}

/// Looks by checkmmu at an address whose page table others take away again and again.
fn look(context: &Context, va: usize, page: Frame) {
    put(va, page);
    for _ in 0..LOOKS {
        if mmu::checkmmu(va, page.pa() as usize).is_err() {
            found(context, va, page.pa(), None, CHECK);
        }
    }
}

/// What a process does at an address again and again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Alone,
    Disturbed,
    Looks,
}

fn work(context: &Context, who: usize, part: Part) -> u32 {
    let (Some(one), Some(other)) = (pages::hold(), pages::hold()) else { return 0 };
    mmu::upallocpdb();
    if mmu::has(Fixes::A9) {
        let ticket = mmu::fault_begins();
        if mmu::putmmu(VMAP, (one.pa() | PTEWRITE) as usize, ticket).is_ok() {
            found(context, VMAP, 0, None, NOT_USER);
        }
    }
    let mut rng = context.rng(who);
    let mut limit = context.limit(200, 500);
    let mut rounds = 0;
    while limit.next() {
        rounds += 1;
        let va = (1 + rng.below(3)) * 7 * BY2LARGE + rng.below(8) * BY2PG;
        match part {
            Part::Alone => {
                alone(context, va, [one, other]);
                continue;
            }
            Part::Disturbed => disturbed(context, va, one),
            Part::Looks => look(context, va, one),
        }
        if rng.below(8) == 0 {
            mmu::procflushmmu(|p| p.name() == NAME);
        }
    }
    mmu::flushmmu();
    pages::release(one);
    pages::release(other);
    rounds
}

/// All processes do the same. Returns their rounds.
fn all(context: &Context, workers: usize, part: Part) -> u32 {
    let rounds = Arc::new(AtomicU32::new(0));
    let (sum, shared) = (rounds.clone(), context.clone());
    let body = move |who| {
        sum.fetch_add(work(&shared, who, part), Ordering::Relaxed);
    };
    audited_crew(context, &NAME, workers, |_| None, body);
    rounds.load(Ordering::Relaxed)
}

/// C3: without the repair this ends in a page fault in the VPT, which is a panic.
pub fn checked(context: &Context) -> Outcome {
    let workers = context.ncpu * 2 + 1;
    let rounds = all(context, workers, Part::Looks);
    let mut outcome = context.outcome(format_args!(
        "{rounds} rounds of {LOOKS} looks by {workers} processes that flush each other"
    ));
    outcome.failures += u32::from(rounds == 0);
    outcome
}

/// First each by itself, then all against all.
pub fn run(context: &Context) -> Outcome {
    let workers = context.ncpu * 2 + 1;
    let alone = all(context, workers, Part::Alone);
    let disturbed = all(context, workers, Part::Disturbed);
    let mut outcome = context.outcome(format_args!(
        "{alone} rounds by {workers} processes alone, {disturbed} while they flush each other"
    ));
    outcome.failures += u32::from(alone == 0 || disturbed == 0);
    outcome
}
