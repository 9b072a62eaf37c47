//! Mappings that are touched with no LOCKed instruction near, and none that serialises.
//!
//! All else that looks at a mapping enters it in the auditor's ledger first, under a lock, or is asked to
//! look by an interrupt. A LOCKed instruction drains the store buffer, so whatever the MMU code leaves in
//! there would be drained just before anybody looks, in every boot. Here the ledger hears of a mapping only
//! after its first accesses, and of its end long before the last; processes tell each other by plain stores,
//! which x86 keeps in order; and what was counted goes into plain words of each CPU.
//!
//! `qemu-smp/tests/guest_bare.rs` reads the machine code of the two functions below and of what they call.

use core::sync::atomic::{AtomicU32, Ordering};

use mmu386::error::{VmapError, VunmapError};
use mmu386::vmap as vmapping;
use mmu386_wire::soak::window;

use crate::arch_impl::PC;
use crate::finding::{Finding, Judge};
use crate::layout::{BY2PG, MAXMACH};
use crate::mach::{bump, machno};
use crate::oracle::{TAGS, tag};
use crate::probe::{probe_load, probe_store};
use crate::rng::Rng;
use crate::tests::device::Pages;
use crate::{book, mmu};

/// How it stands with a place, in the low bits of its epoch: nobody reaches the page any more; everybody
/// does; it is being mapped or unmapped.
const GONE: u32 = 0;
const LIVE: u32 = 1;
const GOING: u32 = 2;
const STATES: u32 = 4;

/// Looks of one call of a watcher.
const TURNS: u32 = 64;

/// A mapping that its owner shows to all. The owner alone writes, the epoch last.
#[derive(Default)]
#[repr(C)]
pub struct Place {
    epoch: AtomicU32,
    va: AtomicU32,
    tag: AtomicU32,
}

/// What was seen: a count, and the last thing that was wrong.
#[derive(Default)]
#[repr(C)]
pub struct Seen {
    /// Looks while the state did not change, which were judged.
    judged: u32,
    wrong: u32,
    state: u32,
    va: u32,
    expected: u32,
    word: u32,
}

/// Looks of each CPU's.
static LOOKS: [AtomicU32; MAXMACH] = [const { AtomicU32::new(0) }; MAXMACH];

/// Looks with no LOCKed instruction near, since boot.
pub fn looks() -> u32 {
    LOOKS.iter().fold(0, |sum, looks| sum.wrapping_add(looks.load(Ordering::Relaxed)))
}

// Sums in the two functions below wrap: a check for overflow would call a panic, and so everything.

/// Right after vmap or right before vunmap: a load and a store through the mapping; then all are told.
///
/// # Safety
/// The page is the caller's, and `seen` is writable.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn bare_touch(
    place: *const Place,
    va: u32,
    state: u32,
    stamp: u32,
    seen: *mut Seen,
) {
    // SAFETY: the caller's, as above; an access that faults is told as such, and the words of a place are
    // its owner's to write.
    unsafe {
        let expected = (*place).tag.load(Ordering::Relaxed);
        let mut word = 0;
        let mapped = probe_load(va as usize, &raw mut word) != 0;
        probe_store((va as usize).wrapping_add(window::STAMP), stamp);
        (*seen).judged = 1;
        if !mapped || word != expected {
            (*seen).wrong = 1;
            (*seen).state = LIVE;
            (*seen).va = va;
            (*seen).expected = expected;
            (*seen).word = word;
        }
        (*place).va.store(va, Ordering::Relaxed);
        let epoch = (*place).epoch.load(Ordering::Relaxed);
        (*place).epoch.store(epoch & !(STATES - 1) | state, Ordering::Release);
    }
}

/// Looks at somebody's place again and again. While it is live its page must show, and when it is gone it must
/// not; the state is read before and after, and a look during which it changed says nothing.
///
/// # Safety
/// `seen` is writable.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn bare_watch(place: *const Place, offset: u32, turns: u32, seen: *mut Seen) {
    let mut left = turns;
    while left != 0 {
        left = left.wrapping_sub(1);
        // SAFETY: the caller's, as above; the word may be mapped or not.
        unsafe {
            let before = (*place).epoch.load(Ordering::Acquire);
            let va = (*place).va.load(Ordering::Relaxed);
            let expected = (*place).tag.load(Ordering::Relaxed);
            if va == 0 {
                continue;
            }
            let mut word = 0;
            let mapped = probe_load(va.wrapping_add(offset) as usize, &raw mut word) != 0;
            let state = before & (STATES - 1);
            if (*place).epoch.load(Ordering::Acquire) != before || state == GOING {
                continue;
            }
            (*seen).judged = (*seen).judged.wrapping_add(1);
            let right = mapped && word == expected;
            if right != (state == LIVE) && (state == LIVE || right) {
                (*seen).wrong = (*seen).wrong.wrapping_add(1);
                (*seen).state = state;
                (*seen).va = va.wrapping_add(offset);
                (*seen).expected = expected;
                (*seen).word = word;
            }
        }
    }
}

const STALE: &str = "after vunmap returned, a plain load still reaches the old memory";
const LOST: &str = "a plain load does not show what was mapped";

/// Counts, without a LOCKed instruction, and tells what was wrong.
fn account(judge: &impl Judge, seen: &Seen) {
    (0..seen.judged).for_each(|_| bump(&LOOKS[machno()]));
    if seen.wrong > 0 {
        let (hazard, why) = if seen.state == LIVE { ("A3", LOST) } else { ("V1", STALE) };
        let (va, expected) = (seen.va as usize, seen.expected);
        judge.finding(&Finding { hazard, cpu: machno(), va, expected, seen: seen.word, why });
    }
}

/// As [`mmu::vmap`], for a caller that uses the mapping before the ledger hears of it: `first` is called when the
/// MMU code has returned. The ledger only knows that the call goes on.
fn vmap_first(pa: usize, size: usize, first: impl FnOnce(u32)) -> Result<usize, VmapError> {
    mmu::start_wait();
    let (pa, size) = (pa as u32, size as u32);
    book::with(|ledger| ledger.mapping(pa, size));
    let result = vmapping::vmap(&PC, pa, size).inspect(|va| first(*va));
    book::with(|ledger| match result {
        // What it overlaps is left to the next audit.
        Ok(va) => _ = ledger.mapped(va, pa, size),
        Err(_) => ledger.refused(pa, size),
    });
    result.map(|va| va as usize)
}

/// As [`mmu::vunmap`], for a caller that uses the mapping to the last: `last` is called just before the MMU code, and
/// `then` when it has returned.
fn vunmap_last(
    va: usize,
    size: usize,
    last: impl FnOnce(),
    then: impl FnOnce(),
) -> Result<(), VunmapError> {
    mmu::start_wait();
    let (va, size) = (va as u32, size as u32);
    let call = book::with(|ledger| ledger.unmapping(va, size));
    last();
    let result = vmapping::vunmap(&PC, va, size);
    then();
    book::with(|ledger| match result {
        Ok(()) => ledger.gone(call),
        Err(_) => ledger.kept(call),
    });
    result
}

/// One mapping of the owner's: touched as soon as vmap has given it, shown, and touched until vunmap takes it.
pub fn own(judge: &impl Judge, place: &Place, pages: Pages, rng: &mut Rng) {
    let pa = pages.page(rng.below(pages.count));
    let stamp = window::stamp(pa);
    // Whoever sees any of what is stored from here on sees that it is not to be judged.
    let epoch = place.epoch.load(Ordering::Relaxed) & !(STATES - 1);
    place.epoch.store(epoch.wrapping_add(STATES) + GOING, Ordering::Release);
    place.tag.store(tag(pa), Ordering::Release);
    let mut seen = [Seen::default(), Seen::default()];
    let mut touch = |va: u32, state, n: usize| {
        // SAFETY: the page is this process's, and so are the counts.
        unsafe { bare_touch(place, va, state, stamp, &raw mut seen[n]) };
    };
    let va = match vmap_first(pa, BY2PG, |va| touch(va, LIVE, 0)) {
        Ok(va) => va,
        Err(error) => panic!("{error}"),
    };
    for _ in 0..rng.below(3) {
        crate::sched::sched();
    }
    let gone = || {
        let epoch = place.epoch.load(Ordering::Relaxed) & !(STATES - 1);
        place.epoch.store(epoch.wrapping_add(STATES) + GONE, Ordering::Release);
    };
    if let Err(error) = vunmap_last(va, BY2PG, || touch(va as u32, GOING, 1), gone) {
        panic!("{error}");
    }
    seen.iter().for_each(|seen| account(judge, seen));
}

/// Some looks at somebody's place.
pub fn watch(judge: &impl Judge, place: &Place, rng: &mut Rng) {
    let mut seen = Seen::default();
    let offset = TAGS[rng.below(TAGS.len())] as u32;
    // SAFETY: the counts are this process's.
    unsafe { bare_watch(place, offset, TURNS, &raw mut seen) };
    account(judge, &seen);
}

/// The control: places that lie, by one that is gone and shows, and one that is live and does not.
pub fn misled(judge: &impl Judge, va: usize, pa: usize, gone: bool) {
    let (epoch, tag) = if gone { (GONE, tag(pa)) } else { (LIVE, !tag(pa)) };
    let word = AtomicU32::new;
    let place = Place { epoch: word(epoch), va: word(va as u32), tag: word(tag) };
    watch(judge, &place, &mut Rng::new(1));
}
