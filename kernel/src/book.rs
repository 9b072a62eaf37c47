//! The truth about who may reach which memory: the auditor's ledger, kept around every call of the
//! MMU code, and which pages are held by neither that code nor the page allocator.

use core::sync::atomic::{AtomicU32, Ordering};

use auditor::Ledger;
use mmu386::layout::Frame;

use crate::lock::Ilock;
use crate::pages;

static LEDGER: Ilock<Ledger> = Ilock::new(Ledger::new());

/// Most pages that the allocator can have.
const MOST: usize = 1024;
/// A bit per page, by number.
static HELD: [AtomicU32; MOST / 32] = [const { AtomicU32::new(0) }; MOST / 32];

/// Does something with the ledger.
pub fn with<R>(work: impl FnOnce(&mut Ledger) -> R) -> R {
    work(&mut LEDGER.lock())
}

fn bit(frame: Frame) -> (&'static AtomicU32, u32) {
    let number = pages::number(frame);
    (&HELD[number / 32], 1 << (number % 32))
}

/// A test or a segment has the page.
pub fn held(frame: Frame) {
    let (word, bit) = bit(frame);
    word.fetch_or(bit, Ordering::SeqCst);
}

/// The page is nobody's any more, and nobody may see it.
pub fn freed(frame: Frame) {
    let (word, bit) = bit(frame);
    word.fetch_and(!bit, Ordering::SeqCst);
    with(|ledger| ledger.freed(frame.pa()));
}

/// The pages that tests and segments have.
pub fn held_frames() -> impl Iterator<Item = Frame> {
    (0..pages::npage()).map(pages::frame).filter(|frame| {
        let (word, bit) = bit(*frame);
        word.load(Ordering::SeqCst) & bit != 0
    })
}
