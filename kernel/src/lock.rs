//! Plan 9's `ilock` in the shape of [`lock_api`]: interrupts are off while it is held, and at the
//! caller's level while it spins, so that a CPU that waits still answers a shootdown.
//!
//! For the kernel's own data, much of which is static. mmu386's locks guard what mmu386 shares; they
//! are made at run time, where a [`RawMutex`] starts from a constant.

use core::sync::atomic::{AtomicBool, Ordering};

use lock_api::{GuardNoSend, RawMutex};

use crate::spl::{Spin, Spl, splhi, splx};

/// The lock word.
pub struct RawIlock {
    held: AtomicBool,
    /// Whether the holder had interrupts on; written by the holder alone.
    low: AtomicBool,
}

// SAFETY: `held` is a test-and-set lock, acquire on entry and release on exit, so at most one
// holder exists at a time.
unsafe impl RawMutex for RawIlock {
    const INIT: Self = RawIlock { held: AtomicBool::new(false), low: AtomicBool::new(false) };
    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        let mut spin = Spin::default();
        while !self.try_lock() {
            while self.held.load(Ordering::Relaxed) {
                spin.turn();
            }
        }
    }

    fn try_lock(&self) -> bool {
        let level = splhi();
        if self.held.swap(true, Ordering::Acquire) {
            splx(level);
            return false;
        }
        self.low.store(level.is_low(), Ordering::Relaxed);
        true
    }

    unsafe fn unlock(&self) {
        // Read before the release: the next holder overwrites it.
        let low = self.low.load(Ordering::Relaxed);
        self.held.store(false, Ordering::Release);
        splx(if low { Spl::LOW } else { Spl::HIGH });
    }
}

/// Data guarded by an ilock. Never held across a sleep.
pub type Ilock<T> = lock_api::Mutex<RawIlock, T>;
