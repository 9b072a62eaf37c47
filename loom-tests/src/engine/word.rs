//! Words of the model's memory.

use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32 as StdAtomicU32, Ordering::Relaxed};

use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use loom::thread::{Thread, current};
use mmu386::arch::WordName;

use super::learnt::{self, Learnt};
use super::owned::Watched;
use super::{Mode, fence, mode};

/// Who may access a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Every CPU: each access is a step of the interleaving.
    Shared,
    /// One CPU at a time: two accesses that nothing orders are a race.
    Owned,
}

enum Cell {
    Shared(AtomicU32),
    Owned(Watched),
}

struct Inner {
    name: WordName,
    cell: Cell,
    /// No execution so far has stored to the word: see [`learnt`].
    constant: bool,
    /// Some execution has done a LOCKed operation on the word.
    locked: bool,
    /// What this execution has made known: that the word is stored to, and by LOCKed operations.
    noted: [AtomicBool; 2],
    /// What the word holds now, in the order of the execution. Walkers of other CPUs and oracles
    /// read it; it is no access of the machine.
    now: StdAtomicU32,
    waiters: Mutex<Vec<(Thread, u32)>>,
}

/// A 32-bit word of memory.
#[derive(Clone)]
pub struct Word(Rc<Inner>);

impl Word {
    /// A word that holds `value`.
    pub fn new(name: WordName, value: u32, sharing: Sharing) -> Self {
        let cell = match sharing {
            Sharing::Shared => Cell::Shared(AtomicU32::new(value)),
            Sharing::Owned => Cell::Owned(Watched::default()),
        };
        Self(Rc::new(Inner {
            name,
            cell,
            constant: !learnt::is(name, Learnt::Written),
            locked: learnt::is(name, Learnt::Locked),
            noted: [const { AtomicBool::new(false) }; 2],
            now: StdAtomicU32::new(value),
            waiters: Mutex::new(Vec::new()),
        }))
    }

    /// Which word it is.
    pub fn name(&self) -> WordName {
        self.0.name
    }

    /// What it holds now, for walkers of other CPUs and oracles.
    pub fn now(&self) -> u32 {
        self.0.now.load(Relaxed)
    }

    /// A plain load.
    ///
    /// # Panics
    /// If the engine returns an old value in RMW mode, which promises the latest.
    pub fn load(&self) -> u32 {
        let value = self.read();
        if mode() == Mode::Rmw && value != self.now() && learnt::sound() {
            panic!(
                "RMW mode read {value:#x} from {:?}, which holds {:#x}",
                self.0.name,
                self.now()
            );
        }
        value
    }

    fn read(&self) -> u32 {
        match (&self.0.cell, mode()) {
            (Cell::Shared(atom), Mode::Rmw) if !self.0.constant => atom.fetch_add(0, AcqRel),
            (Cell::Shared(atom), Mode::Rmw) => atom.load(Acquire),
            (Cell::Shared(atom), Mode::AsWritten) => atom.load(Acquire),
            (Cell::Owned(watched), _) => {
                watched.read();
                self.now()
            }
        }
    }

    /// A plain store. Returns what the word held before, in the order of the execution.
    pub fn store(&self, value: u32) -> u32 {
        match (&self.0.cell, mode()) {
            (Cell::Shared(atom), Mode::Rmw) => {
                atom.swap(value, AcqRel);
            }
            // loom lets a store land between the halves of a read-modify-write (#254), as if a lock
            // could be released in the midst of being taken. Stored by an exchange, it cannot.
            (Cell::Shared(atom), Mode::AsWritten) if self.0.locked => {
                atom.swap(value, Release);
            }
            (Cell::Shared(atom), Mode::AsWritten) => atom.store(value, Release),
            (Cell::Owned(watched), _) => watched.write(),
        }
        self.became(value)
    }

    /// A LOCKed exchange. Returns the old value.
    pub fn swap(&self, value: u32) -> u32 {
        self.locked(|atom| atom.swap(value, AcqRel), |_| value)
    }

    /// A LOCKed add. Returns the old value.
    pub fn fetch_add(&self, value: u32) -> u32 {
        self.locked(|atom| atom.fetch_add(value, AcqRel), |old| old.wrapping_add(value))
    }

    fn locked(&self, op: impl FnOnce(&AtomicU32) -> u32, new: impl FnOnce(u32) -> u32) -> u32 {
        match &self.0.cell {
            Cell::Shared(atom) => {
                self.note(Learnt::Locked);
                // A LOCKed instruction drains the store buffer and orders both ways.
                fence();
                let old = op(atom);
                self.became(new(old));
                fence();
                old
            }
            Cell::Owned(watched) => {
                watched.write();
                self.became(new(self.now()))
            }
        }
    }

    fn note(&self, what: Learnt) {
        let noted = &self.0.noted[what as usize];
        if learnt::explored()
            && matches!(self.0.cell, Cell::Shared(_))
            && !noted.swap(true, Relaxed)
        {
            learnt::note(self.0.name, what);
        }
    }

    /// Notes the new value and wakes who waits for a change.
    fn became(&self, value: u32) -> u32 {
        self.note(Learnt::Written);
        let old = self.0.now.swap(value, Relaxed);
        if value != old {
            let mut waiters = self.0.waiters.lock().expect("no panic while it is held");
            waiters.retain(|(thread, seen)| {
                let wakes = *seen != value;
                if wakes {
                    thread.unpark();
                }
                !wakes
            });
        }
        old
    }

    /// From now on, wakes the calling thread once the word no longer holds `seen`.
    pub fn watch(&self, seen: u32) {
        let mut waiters = self.0.waiters.lock().expect("no panic while it is held");
        waiters.push((current(), seen));
    }

    /// Undoes [`watch`](Self::watch) for the calling thread.
    pub fn unwatch(&self) {
        let me = current().id();
        let mut waiters = self.0.waiters.lock().expect("no panic while it is held");
        waiters.retain(|(thread, _)| thread.id() != me);
    }
}
