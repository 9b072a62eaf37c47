//! The page allocator, as far as the MMU code uses it: `newpage`, which sleeps when there is none,
//! and `pagechainhead`.

use core::ops::Range;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use alloc::vec::Vec;
use mmu386::arch::Owned;
use mmu386::layout::{BY2PG, Frame};
use mmu386::state::Page;

use crate::arch_impl::Pc;
use crate::lock::Ilock;
use crate::{frames, sched};

/// Frames for processes, and for each CPU's pool and the processes on it. Few, so that page
/// pressure is real.
const NPAGE: usize = 128;
const NPAGE_PER_CPU: usize = 24;

struct Palloc {
    head: Option<Frame>,
    free: usize,
}

static PALLOC: Ilock<Palloc> = Ilock::new(Palloc { head: None, free: 0 });
static RECORDS: AtomicPtr<Page<Pc>> = AtomicPtr::new(core::ptr::null_mut());
static NPAGES: AtomicUsize = AtomicUsize::new(0);
/// Frames below the top of the window, and where they and the others begin.
static NLOW: AtomicUsize = AtomicUsize::new(0);
static LOW: AtomicUsize = AtomicUsize::new(0);
static HIGH: AtomicUsize = AtomicUsize::new(0);
/// Times that `newpage` had to sleep.
static SLEPT: AtomicUsize = AtomicUsize::new(0);

/// Takes the frames: half of them from memory `above` the window, as far as there is any, which the
/// kernel reaches through kmap and tmpmap alone. CPU 0, once.
pub fn init(ncpu: usize, above: Range<usize>) {
    let npage = NPAGE + NPAGE_PER_CPU * ncpu;
    NPAGES.store(npage, Ordering::Release);
    let records: Vec<Page<Pc>> = (0..npage).map(|_| Page::new()).collect();
    RECORDS.store(Vec::leak(records).as_mut_ptr(), Ordering::Release);
    let high = (npage / 2).min((above.end - above.start) / BY2PG as usize);
    NLOW.store(npage - high, Ordering::Release);
    HIGH.store(above.start.next_multiple_of(BY2PG as usize), Ordering::Release);
    // `frames` gives out one after the other at boot.
    let low = frames::must();
    LOW.store(low, Ordering::Release);
    for n in 1..npage - high {
        assert!(frames::must() == low + n * BY2PG as usize, "frames are not in one piece");
    }
    // Taken in turn, so that every list has some of both.
    for n in 0..npage.div_ceil(2) {
        freepage(frame(n));
        if npage - 1 - n > n {
            freepage(frame(npage - 1 - n));
        }
    }
}

/// Frames that the allocator has or gave out.
pub fn npage() -> usize {
    NPAGES.load(Ordering::Acquire)
}

/// How many of them the window shows: those with the lowest numbers.
pub fn nlow() -> usize {
    NLOW.load(Ordering::Acquire)
}

/// The frame with a number.
pub fn frame(number: usize) -> Frame {
    assert!(number < npage(), "frame: no number {number}");
    let pa = match number.checked_sub(nlow()) {
        None => LOW.load(Ordering::Acquire) + number * BY2PG as usize,
        Some(above) => HIGH.load(Ordering::Acquire) + above * BY2PG as usize,
    };
    Frame::containing(pa as u32)
}

/// The number of a frame that `newpage` gives, if it is one.
fn find(frame: Frame) -> Option<usize> {
    let number = |base: usize| (frame.pa() as usize).checked_sub(base).map(|n| n / BY2PG as usize);
    let low = number(LOW.load(Ordering::Acquire)).filter(|n| *n < nlow());
    low.or_else(|| {
        let above = number(HIGH.load(Ordering::Acquire))?;
        Some(nlow() + above).filter(|n| *n < npage())
    })
}

/// The number of a frame that `newpage` gives.
pub fn number(frame: Frame) -> usize {
    match find(frame) {
        Some(number) => number,
        None => panic!("page: no record for {:#x}", frame.pa()),
    }
}

/// The record of a frame that `newpage` gives.
pub fn page(frame: Frame) -> &'static Page<Pc> {
    // SAFETY: `init` leaked NPAGES records; who may touch which field is the MMU code's discipline.
    unsafe { &*RECORDS.load(Ordering::Acquire).add(number(frame)) }
}

/// A frame, if there is one. Its reference count is the caller's to set.
pub fn take() -> Option<Frame> {
    let mut palloc = PALLOC.lock();
    let frame = palloc.head?;
    palloc.head = page(frame).next.get();
    palloc.free -= 1;
    Some(frame)
}

/// A frame with one reference, contents as they were. Sleeps until there is one, and may wake on
/// another CPU.
pub fn newpage() -> Frame {
    loop {
        if let Some(frame) = take() {
            page(frame).refs.set(1);
            return frame;
        }
        SLEPT.fetch_add(1, Ordering::Relaxed);
        sched::sleep(chan(), || free() > 0);
    }
}

fn chan() -> usize {
    &raw const PALLOC as usize
}

/// Gives a frame back. The wakeup comes after the lock is released: it takes the scheduler's.
pub fn freepage(frame: Frame) {
    {
        let mut palloc = PALLOC.lock();
        page(frame).next.set(palloc.head);
        palloc.head = Some(frame);
        palloc.free += 1;
    }
    sched::wakeup(chan());
}

/// Free frames.
pub fn free() -> usize {
    PALLOC.lock().free
}

/// Times that `newpage` had to sleep since boot.
pub fn slept() -> usize {
    SLEPT.load(Ordering::Relaxed)
}
