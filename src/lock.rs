//! Spin locks (`pc/taslock.c`): `lock`, which leaves interrupts as they are, and `ilock`, which turns
//! them off. Both give a guard that releases as it goes.

use crate::arch::{Arch, Owned, Spl, WordName};
use crate::event::Event;
use crate::function::Function;
use crate::shootdown;

/// A test-and-set lock.
///
/// Not to be held across anything that sleeps. May be held across vunmap if all who want it come by
/// this module, whose spinning serves shootdowns; vmaplock never is. What interrupt handlers lock,
/// all others lock by [`ilock`](Self::ilock).
pub struct Lock<A: Arch> {
    key: A::Word,
}

impl<A: Arch> Lock<A> {
    /// A free lock.
    pub fn new(name: WordName) -> Self {
        Self { key: A::word(name, 0) }
    }

    /// Takes the lock. Interrupts stay as they are, but the process is not preempted until it holds
    /// no lock any more (`nlocks`): whoever spins for it might keep it from coming back.
    ///
    /// Callable at any level, with or without a process.
    pub fn lock<'a>(&'a self, arch: &'a A) -> Guard<'a, A> {
        arch.trace(Event::Call(Function::Lock));
        loop {
            if let Some(guard) = self.try_lock(arch) {
                return guard;
            }
            self.spin(arch);
        }
    }

    /// Takes the lock if it is free.
    ///
    /// Callable at any level, with or without a process.
    #[doc(alias = "canlock")]
    pub fn try_lock<'a>(&'a self, arch: &'a A) -> Option<Guard<'a, A>> {
        // Counted before it is taken: a tick in between must find the lock counted.
        count(arch, |n| n + 1);
        if arch.swap(&self.key, 1) == 0 {
            return Some(Guard { lock: self, arch });
        }
        count(arch, |n| n - 1);
        None
    }

    /// Takes the lock and turns interrupts off. Goes back to the caller's level while it spins, so
    /// that a CPU which came with interrupts on still takes them; one which came with interrupts
    /// off serves shootdowns itself (fix B2).
    ///
    /// Callable at any level, with or without a process.
    pub fn ilock<'a>(&'a self, arch: &'a A) -> IGuard<'a, A> {
        arch.trace(Event::Call(Function::Ilock));
        loop {
            let level = arch.splhi();
            if arch.swap(&self.key, 1) == 0 {
                return IGuard { lock: self, arch, level };
            }
            arch.splx(level);
            self.spin(arch);
        }
    }

    fn spin(&self, arch: &A) {
        while arch.load(&self.key) != 0 {
            shootdown::wait_turn(arch, &[(&self.key, 1)]);
        }
    }

    /// The store is the last of the critical section to become visible: x86 keeps stores in order.
    fn release(&self, arch: &A) {
        arch.store(&self.key, 0);
    }
}

/// Changes how many locks the current process holds, if there is one; returns how many it holds.
fn count<A: Arch>(arch: &A, change: impl FnOnce(u32) -> u32) -> Option<u32> {
    let up = arch.up()?;
    let held = change(up.nlocks.get());
    up.nlocks.set(held);
    Some(held)
}

/// Whether the current process may be preempted now. If it holds locks it may not, and gives way by
/// itself when it has released the last.
///
/// Called by the tick with interrupts off, before it gives the CPU to another process.
pub fn may_preempt<A: Arch>(arch: &A) -> bool {
    let Some(up) = arch.up() else { return false };
    let may = up.nlocks.get() == 0;
    if !may {
        up.delaysched.set(true);
    }
    may
}

/// A lock that is held; released when this goes.
#[doc(alias = "unlock")]
#[must_use = "the lock is released at once if this is not kept"]
pub struct Guard<'a, A: Arch> {
    lock: &'a Lock<A>,
    arch: &'a A,
}

impl<A: Arch> Drop for Guard<'_, A> {
    fn drop(&mut self) {
        let arch = self.arch;
        arch.trace(Event::Call(Function::Unlock));
        self.lock.release(arch);
        if count(arch, |n| n - 1) != Some(0) {
            return;
        }
        if let Some(up) = arch.up()
            && up.delaysched.get()
            && arch.islo()
        {
            up.delaysched.set(false);
            arch.sched(&[]);
        }
    }
}

/// A lock that is held with interrupts off; when this goes it is released, and the level is the
/// caller's again.
#[doc(alias = "iunlock")]
#[must_use = "the lock is released at once if this is not kept"]
pub struct IGuard<'a, A: Arch> {
    lock: &'a Lock<A>,
    arch: &'a A,
    level: Spl,
}

impl<A: Arch> Drop for IGuard<'_, A> {
    fn drop(&mut self) {
        self.arch.trace(Event::Call(Function::Iunlock));
        self.lock.release(self.arch);
        self.arch.splx(self.level);
    }
}
