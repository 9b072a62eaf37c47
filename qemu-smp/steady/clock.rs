//! The host's clock stands still.
//!
//! QEMU's translator sizes each CPU's TLB by what it held in the last 100 ms of the host's time
//! (`tlb_mmu_resize_locked` in accel/tcg/cputlb.c). The size decides which translations push each other
//! out, and so whether a stale one is still there to be seen: with the host's clock, a run that sees stale
//! memory does not come back. Nothing else in QEMU needs this clock where the guest's are virtual.

use std::ffi::{c_int, c_long, c_void};

/// `struct timeval`.
#[repr(C)]
pub struct Timeval {
    seconds: c_long,
    microseconds: c_long,
}

/// Says that it is 1970.
///
/// # Safety
/// As for C's: `time` is null or can be written.
// SAFETY: the name is libc's, and this has its type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(time: *mut Timeval, _zone: *mut c_void) -> c_int {
    if !time.is_null() {
        // SAFETY: the caller vouches for it.
        unsafe { time.write(Timeval { seconds: 0, microseconds: 0 }) }
    }
    0
}
