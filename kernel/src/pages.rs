//! The page allocator, as far as the MMU code uses it: `newpage`, which sleeps when there is none,
//! and `pagechainhead`.

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
static BASE: AtomicUsize = AtomicUsize::new(0);
/// Times that `newpage` had to sleep.
static SLEPT: AtomicUsize = AtomicUsize::new(0);

/// Takes the frames. CPU 0, once.
pub fn init(ncpu: usize) {
    let npage = NPAGE + NPAGE_PER_CPU * ncpu;
    NPAGES.store(npage, Ordering::Release);
    let records: Vec<Page<Pc>> = (0..npage).map(|_| Page::new()).collect();
    RECORDS.store(Vec::leak(records).as_mut_ptr(), Ordering::Release);
    // `frames` gives out one after the other at boot.
    let first = frames::must();
    BASE.store(first, Ordering::Release);
    for n in 1..npage {
        assert!(frames::must() == first + n * BY2PG as usize, "frames are not in one piece");
    }
    for n in 0..npage {
        freepage(Frame::containing((first + n * BY2PG as usize) as u32));
    }
}

/// The record of a frame that `newpage` gives.
pub fn page(frame: Frame) -> &'static Page<Pc> {
    let base = BASE.load(Ordering::Acquire);
    let n = (frame.pa() as usize).wrapping_sub(base) / BY2PG as usize;
    assert!(n < NPAGES.load(Ordering::Acquire), "page: no record for {:#x}", frame.pa());
    // SAFETY: `init` leaked NPAGES records; who may touch which field is the MMU code's discipline.
    unsafe { &*RECORDS.load(Ordering::Acquire).add(n) }
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
