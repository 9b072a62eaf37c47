//! The part of a process of ring 3 that others may ask about. It lies in the process table, whose entries
//! are born again and again.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use alloc::boxed::Box;

use super::family::Family;
use super::life::User;
use super::space::{NSHARED, Space};
use crate::lock::Ilock;

/// What an entry of the process table is to ring 3.
pub struct Slot {
    /// The process and its children. Held, too, by whoever begins a life here or ends one from outside,
    /// so that nobody ends a stranger.
    pub family: Ilock<Family>,
    /// Lives that began here.
    births: AtomicU32,
    group: AtomicU32,
    /// It goes to ring 3, or did.
    ring3: AtomicBool,
    killed: AtomicBool,
    /// It is to make room for others.
    starved: AtomicBool,
    /// Pages that it had when it last went to sleep for one, or for a child.
    size: AtomicU32,
    /// Numbers of the shared segments that it has or may have mapped; 0 for none.
    shared: [AtomicU32; NSHARED],
    /// The process's own.
    pub own: UnsafeCell<Option<Box<User>>>,
}

// SAFETY: `own` is touched by the process alone, wherever it runs; all else may be shared.
unsafe impl Sync for Slot {}

impl Default for Slot {
    /// Of a process of the kernel.
    fn default() -> Slot {
        Slot {
            family: Ilock::default(),
            births: AtomicU32::new(0),
            group: AtomicU32::new(0),
            ring3: AtomicBool::new(false),
            killed: AtomicBool::new(false),
            starved: AtomicBool::new(false),
            size: AtomicU32::new(0),
            shared: [const { AtomicU32::new(0) }; NSHARED],
            own: UnsafeCell::new(None),
        }
    }
}

impl Slot {
    /// A new process has this slot; nothing of the one before is left. Called by the CPU that claimed it.
    pub fn born(&self, goes_to_ring3: bool) {
        // Whoever adds a field has to say here what a new life makes of it.
        let Slot { family, births, group, ring3, killed, starved, size, shared, own } = self;
        let mut family = family.lock();
        *family = Family::default();
        births.fetch_add(1, Ordering::SeqCst);
        group.store(0, Ordering::SeqCst);
        ring3.store(goes_to_ring3, Ordering::SeqCst);
        killed.store(false, Ordering::SeqCst);
        starved.store(false, Ordering::SeqCst);
        size.store(0, Ordering::SeqCst);
        shared.iter().for_each(|id| id.store(0, Ordering::SeqCst));
        // SAFETY: the slot is claimed, and its process does not run yet.
        assert!(unsafe { (*own.get()).is_none() }, "born: somebody lives here");
    }

    /// The process that has this slot says who it is.
    pub fn named(&self, pid: u32, group: u32) {
        let mut family = self.family.lock();
        family.pid = pid;
        self.group.store(group, Ordering::SeqCst);
    }

    /// Whether the process goes to ring 3, or did.
    pub fn ring3(&self) -> bool {
        self.ring3.load(Ordering::SeqCst)
    }

    /// Whether somebody has ended the process already, for whatever reason.
    pub fn doomed(&self) -> bool {
        self.killed() || self.starved()
    }

    /// Whether somebody has ended the process, not to make room.
    pub fn killed(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }

    /// Whether the process is to make room for others.
    pub fn starved(&self) -> bool {
        self.starved.load(Ordering::SeqCst)
    }

    /// Lives that began here: tells one from the next.
    pub fn births(&self) -> u32 {
        self.births.load(Ordering::SeqCst)
    }

    /// Ends the process if it is of this group; whether it is.
    pub fn kill_of(&self, group: u32) -> bool {
        let _nobody_is_born = self.family.lock();
        let ours = self.group() == group;
        if ours {
            self.killed.store(true, Ordering::SeqCst);
        }
        ours
    }

    /// Ends the process, to make room, if it is still the one of that birth; whether it is.
    pub fn starve(&self, birth: u32) -> bool {
        let _nobody_is_born = self.family.lock();
        let still = self.births() == birth;
        if still {
            self.starved.store(true, Ordering::SeqCst);
        }
        still
    }

    /// Pages that it had when it last went to sleep for one, or for a child.
    pub fn size(&self) -> u32 {
        self.size.load(Ordering::SeqCst)
    }

    /// Notes how many pages it has.
    pub fn note_size(&self, pages: usize) {
        self.size.store(pages as u32, Ordering::SeqCst);
    }

    /// Number of the group that the process is or was in; 0 for a process of the kernel.
    pub fn group(&self) -> u32 {
        self.group.load(Ordering::SeqCst)
    }

    /// Whether the process has, or may have mapped, a shared segment.
    pub fn shares(&self, id: u32) -> bool {
        self.shared.iter().any(|known| known.load(Ordering::SeqCst) == id)
    }

    /// Says which shared segments the process has: before it maps any, and after it has dropped them.
    pub fn publish(&self, space: &Space) {
        let ids = space.shared().map(Some).chain(core::iter::repeat(None));
        for (known, id) in self.shared.iter().zip(ids) {
            known.store(id.unwrap_or(0), Ordering::SeqCst);
        }
    }
}
