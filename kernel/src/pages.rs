//! The page allocator, as far as the MMU code uses it: `newpage`, which sleeps when there is none,
//! and `pagechainhead`.

use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use alloc::vec::Vec;
use mmu386::arch::Owned;
use mmu386::layout::{BY2PG, Frame};
use mmu386::state::Page;

use crate::arch_impl::Pc;
use crate::lock::Ilock;
use crate::mach::up;
use crate::spl::{splhi, splx};
use crate::{book, frames, paging, sched, user};

/// Frames for processes, and for each CPU's pool and the processes on it. Few, so that page
/// pressure is real.
const NPAGE: usize = 256;
const NPAGE_PER_CPU: usize = 24;

/// Frames that are left to processes which are ended: they may need one on their way.
pub const RESERVE: usize = 4;

struct Palloc {
    head: Option<Frame>,
    /// The last, if there is a first.
    tail: Frame,
    free: usize,
}

static PALLOC: Ilock<Palloc> =
    Ilock::new(Palloc { head: None, tail: Frame::containing(0), free: 0 });
static RECORDS: AtomicPtr<Page<Pc>> = AtomicPtr::new(core::ptr::null_mut());
static NPAGES: AtomicUsize = AtomicUsize::new(0);
/// Frames below the top of the window, and where they and the others begin.
static NLOW: AtomicUsize = AtomicUsize::new(0);
static LOW: AtomicUsize = AtomicUsize::new(0);
static HIGH: AtomicUsize = AtomicUsize::new(0);
/// Processes that sleep for a frame.
static WAITING: AtomicU32 = AtomicU32::new(0);
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
        put(frame(n));
        if npage - 1 - n > n {
            put(frame(npage - 1 - n));
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

/// The frame that has waited longest, if there are more than `least`.
fn take(least: usize) -> Option<Frame> {
    let mut palloc = PALLOC.lock();
    let frame = palloc.head.filter(|_| palloc.free > least)?;
    palloc.head = page(frame).next.get();
    palloc.free -= 1;
    Some(frame)
}

/// A frame with one reference, contents as they were. Sleeps until there is one, and may wake on
/// another CPU.
pub fn newpage() -> Frame {
    loop {
        if let Some(frame) = take(least()) {
            page(frame).refs.set(1);
            return frame;
        }
        wait();
    }
}

/// How many frames the process that calls has to leave.
fn least() -> usize {
    if user::ended() { 0 } else { RESERVE }
}

/// Sleeps until there may be a frame for the process that calls, or somebody has ended it.
fn wait() {
    SLEPT.fetch_add(1, Ordering::Relaxed);
    user::note_size();
    WAITING.fetch_add(1, Ordering::SeqCst);
    sched::sleep(chan(), || free() > least());
    WAITING.fetch_sub(1, Ordering::SeqCst);
}

/// Processes that sleep for a frame.
pub fn waiting() -> u32 {
    WAITING.load(Ordering::SeqCst)
}

/// Has those that sleep for a frame look whether somebody has ended them.
pub fn wake() {
    sched::wakeup(chan());
}

/// As `newpage`, for a segment of a process in ring 3: the book knows of the frame from the first
/// moment. `None` if somebody has ended the process.
pub fn newuserpage() -> Option<Frame> {
    while !user::ended() {
        if let Some(frame) = note(RESERVE) {
            return Some(frame);
        }
        wait();
    }
    None
}

/// As `newuserpage`, for a process of the kernel, if there is a frame. Until it has released all, others
/// wait for it rather than for `killbig`.
pub fn hold() -> Option<Frame> {
    // Before the frame is gone, so that nobody takes this for the end of memory.
    let lent = &up().expect("a process calls").lent;
    lent.fetch_add(1, Ordering::SeqCst);
    let frame = note(0);
    if frame.is_none() {
        lent.fetch_sub(1, Ordering::SeqCst);
    }
    frame
}

fn note(least: usize) -> Option<Frame> {
    // Nobody may look between the taking and the note.
    let level = splhi();
    let frame = take(least);
    if let Some(frame) = frame {
        page(frame).refs.set(1);
        book::held(frame);
    }
    splx(level);
    frame
}

/// Gives back what `hold` or `keep_freed` gave.
pub fn release(frame: Frame) {
    let less = |lent: u32| lent.checked_sub(1);
    // What `keep_freed` gave nobody held.
    let _ = up().map(|p| p.lent.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less));
    put_back(frame);
}

/// Gives back what `newuserpage` gave.
pub fn put_back(frame: Frame) {
    page(frame).refs.set(0);
    freepage(frame);
}

fn chan() -> usize {
    &raw const PALLOC as usize
}

/// What every word of a free frame is: a valid entry, should somebody walk it, of memory that is not
/// there. Names the frame.
pub fn poison(frame: Frame) -> u32 {
    0x6E00_0001 | (number(frame) as u32) << 12
}

/// Gives a frame back, from now on nobody's: fills it with poison, so that whoever still looks sees
/// that. It is taken again after all that are free now.
pub fn freepage(frame: Frame) {
    let words = paging::oracle_view(frame.pa() as usize) as *mut u32;
    for word in 0..BY2PG as usize / 4 {
        // SAFETY: the frame is the allocator's again, and in the oracles' view.
        unsafe { words.add(word).write_volatile(poison(frame)) };
    }
    if KEPT_BACK.load(Ordering::SeqCst) {
        keep_back(frame);
    } else {
        put(frame);
    }
}

/// The wakeup comes after the lock is released: it takes the scheduler's.
fn put(frame: Frame) {
    let level = splhi();
    book::freed(frame);
    {
        let mut palloc = PALLOC.lock();
        page(frame).next.set(None);
        match palloc.head {
            None => palloc.head = Some(frame),
            Some(_) => page(palloc.tail).next.set(Some(frame)),
        }
        palloc.tail = frame;
        palloc.free += 1;
    }
    splx(level);
    sched::wakeup(chan());
}

/// Whether freed frames are kept back rather than given out again.
static KEPT_BACK: AtomicBool = AtomicBool::new(false);
static BACK: Ilock<Vec<Frame>> = Ilock::new(Vec::new());

/// Does something; the frames that are freed meanwhile stay as they are, poisoned and nobody's. They
/// are returned, for `release`.
pub fn keep_freed(work: impl FnOnce()) -> Vec<Frame> {
    KEPT_BACK.store(true, Ordering::SeqCst);
    work();
    KEPT_BACK.store(false, Ordering::SeqCst);
    core::mem::take(&mut *BACK.lock())
}

fn keep_back(frame: Frame) {
    let level = splhi();
    book::freed(frame);
    book::held(frame);
    BACK.lock().push(frame);
    splx(level);
}

/// Free frames.
pub fn free() -> usize {
    PALLOC.lock().free
}

/// Times that `newpage` had to sleep since boot.
pub fn slept() -> usize {
    SLEPT.load(Ordering::Relaxed)
}

/// The free frames, for who looks while the world stands still.
pub fn free_frames() -> impl Iterator<Item = Frame> {
    let first = PALLOC.lock().head;
    core::iter::successors(first, |frame| page(*frame).next.get())
}

/// Whether a frame is one of the allocator's.
pub fn is_page(frame: Frame) -> bool {
    find(frame).is_some()
}
