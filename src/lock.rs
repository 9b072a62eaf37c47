//! Spin locks that are taken with interrupts off (`ilock`, `iunlock` of taslock.c).

use crate::arch::{Arch, Spl, WordName};
use crate::shootdown;

/// A test-and-set lock whose holder runs with interrupts off.
///
/// Not to be held across anything that sleeps. May be held across vunmap if all who want it come by
/// ilock; vmaplock never is.
pub struct Lock<A: Arch> {
    key: A::Word,
}

/// The interrupt level to go back to; goes to [`Lock::iunlock`].
#[must_use = "a lock that is not released stops every other CPU; pass this to iunlock"]
pub struct Held(Spl);

impl<A: Arch> Lock<A> {
    /// A free lock.
    pub fn new(name: WordName) -> Self {
        Self { key: A::word(name, 0) }
    }

    /// Takes the lock, at any interrupt level. Goes back to the caller's level while it spins, so
    /// that a CPU which came with interrupts on still takes them; one which came with interrupts
    /// off serves shootdowns itself (fix B2).
    pub fn ilock(&self, arch: &A) -> Held {
        loop {
            let level = arch.splhi();
            if arch.swap(&self.key, 1) == 0 {
                return Held(level);
            }
            arch.splx(level);
            while arch.load(&self.key) != 0 {
                shootdown::wait_turn(arch, &[(&self.key, 1)]);
            }
        }
    }

    /// Releases the lock. The store is the last of the critical section to become visible: x86
    /// keeps stores in order.
    pub fn iunlock(&self, arch: &A, held: Held) {
        arch.store(&self.key, 0);
        arch.splx(held.0);
    }
}
