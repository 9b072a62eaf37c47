//! The kernel heap: one region of the one-to-one window behind an ilock.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};

use linked_list_allocator::Heap;

use crate::lock::Ilock;

/// Bytes of heap.
pub const HEAPSIZE: usize = 4 << 20;

/// Bytes that processes in ring 3 leave to the kernel: below that, what they ask for is refused.
pub const RESERVE: usize = 1 << 20;
/// Bytes that they leave to it even where refusing means to end them, as in a fault.
pub const LAST_RESERVE: usize = RESERVE / 2;

struct KernelHeap(Ilock<Heap>);

#[global_allocator]
static HEAP: KernelHeap = KernelHeap(Ilock::new(Heap::empty()));

// SAFETY: `Heap` hands out disjoint blocks of the region given to `init`; the ilock makes its calls
// exclusive, on this CPU by keeping handlers out and on others by spinning.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.lock().allocate_first_fit(layout).map_or(null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(block) = NonNull::new(block) else {
            return;
        };
        // SAFETY: the caller returns a block that `alloc` gave out with this layout.
        unsafe { self.0.lock().deallocate(block, layout) };
    }
}

/// Gives the heap its memory.
///
/// # Safety
/// `[start, start + HEAPSIZE)` is mapped, and nobody else's.
pub unsafe fn init(start: usize) {
    // SAFETY: the caller's promise is the allocator's.
    unsafe { HEAP.0.lock().init(start as *mut u8, HEAPSIZE) };
}

/// Bytes in use.
pub fn used() -> usize {
    HEAP.0.lock().used()
}

/// Bytes that nobody uses.
pub fn free() -> usize {
    HEAP.0.lock().free()
}

/// Whether a process in ring 3 may have what it asks for. What each one can make the kernel keep is bounded
/// by itself; this bounds all of it together.
pub fn has_room() -> bool {
    free() > RESERVE
}
