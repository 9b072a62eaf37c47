//! Physical frames that the kernel gives out for its own tables, never to come back.
//!
//! What processes use comes from the page allocator, which takes its frames here once.

use core::ops::Range;

use crate::layout::BY2PG;
use crate::lock::Ilock;
use crate::mmu::kaddr;

static FREE: Ilock<Range<usize>> = Ilock::new(0..0);

/// Takes over a region of physical memory.
pub fn init(region: Range<usize>) {
    let start = region.start.next_multiple_of(BY2PG);
    *FREE.lock() = start..region.end & !(BY2PG - 1);
}

/// A cleared frame, by physical address; `None` when memory is out. Never sleeps.
pub fn span() -> Option<usize> {
    let pa = {
        let mut free = FREE.lock();
        if free.is_empty() {
            return None;
        }
        let pa = free.start;
        free.start += BY2PG;
        pa
    };
    // SAFETY: the frame was free, so it is ours alone; the window maps it.
    unsafe { core::ptr::write_bytes(kaddr(pa) as *mut u8, 0, BY2PG) };
    Some(pa)
}

/// `span` at boot, where nothing works without it.
pub fn must() -> usize {
    span().expect("no memory for kernel tables")
}

/// Frames left.
pub fn left() -> usize {
    let free = FREE.lock();
    (free.end - free.start) / BY2PG
}
