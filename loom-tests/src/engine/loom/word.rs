//! Words of memory as loom's atomics.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32 as Bits, Ordering::Relaxed};

use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use loom::thread::{Thread, current};
use mmu386::arch::WordName;

use super::Watched;
use super::copies::Copies;
use super::learnt::{self, Learnt};
use super::steps::{self, Access};
use crate::engine::{Mode, Sharing, fence, mode};

enum Cell {
    Shared(Copies),
    Owned(Watched),
}

/// A word's atomic, and what is known of it.
pub(in crate::engine) struct Atom {
    /// Names it in this execution, and in all.
    id: usize,
    key: u64,
    name: WordName,
    cell: Cell,
    /// No execution so far has stored to the word: see [`learnt`].
    constant: bool,
    /// CPUs whose stray ticks look at it, a bit each, as far as the current exploration knows.
    lookers: u32,
    /// Some execution has done a LOCKed operation on the word.
    locked: bool,
    /// What this execution has made known of the word, a bit each.
    noted: Bits,
    waiters: Mutex<Vec<(Thread, u32)>>,
}

impl Atom {
    pub(in crate::engine) fn new(name: WordName, value: u32, sharing: Sharing) -> Self {
        let constant = !learnt::is(name, Learnt::Written);
        let cell = match sharing {
            Sharing::Owned => Cell::Owned(Watched::default()),
            _ if mode() == Mode::Rmw && !constant => Cell::Shared(Copies::new(name, value)),
            _ => Cell::Shared(Copies::single(value)),
        };
        let (id, key) =
            if mode() == Mode::Rmw && steps::seen() { steps::word(name) } else { (0, 0) };
        Self {
            id,
            key,
            name,
            cell,
            constant,
            lookers: learnt::lookers(name),
            locked: learnt::is(name, Learnt::Locked),
            noted: Bits::new(0),
            waiters: Mutex::new(Vec::new()),
        }
    }

    /// Names it in this execution.
    pub(in crate::engine) fn id(&self) -> usize {
        self.id
    }

    fn accessed(&self, update: bool) {
        if mode() == Mode::Rmw {
            steps::accessed(Access { id: self.id, key: self.key, update });
        }
    }

    /// A plain load by `cpu` of a word that holds `now`, asked for when the load has had its turn.
    ///
    /// # Panics
    /// If loom returns an old value in RMW mode, which promises the latest.
    pub(in crate::engine) fn load(&self, cpu: usize, now: impl Fn() -> u32) -> u32 {
        let value = self.read(cpu, &now);
        let now = now();
        if mode() == Mode::Rmw && value != now && learnt::sound() {
            panic!("RMW mode read {value:#x} from {:?}, which holds {now:#x}", self.name);
        }
        value
    }

    fn read(&self, cpu: usize, now: impl Fn() -> u32) -> u32 {
        match &self.cell {
            Cell::Shared(copies) if mode() == Mode::Rmw && !self.constant => {
                self.note(Learnt::LoadedBy(cpu as u8));
                let value = copies.load(cpu);
                self.accessed(false);
                value
            }
            Cell::Shared(copies) => {
                let value = copies.first().load(Acquire);
                steps::alone();
                value
            }
            Cell::Owned(watched) => {
                watched.read();
                now()
            }
        }
    }

    /// A plain store.
    pub(in crate::engine) fn store(&self, value: u32) {
        match (&self.cell, mode()) {
            (Cell::Shared(copies), Mode::Rmw) => {
                copies.update(|atom| atom.swap(value, AcqRel));
                self.accessed(true);
            }
            // loom lets a store land within a read-modify-write (#254), as if a lock could be released
            // in the midst of being taken. Stored by an exchange, it cannot.
            (Cell::Shared(copies), _) if self.locked => {
                copies.first().swap(value, Release);
            }
            (Cell::Shared(copies), _) => copies.first().store(value, Release),
            (Cell::Owned(watched), _) => watched.write(),
        }
        self.note(Learnt::Written);
    }

    /// A LOCKed exchange of a word that holds `now`. Returns the old value.
    pub(in crate::engine) fn swap(&self, now: u32, value: u32) -> u32 {
        self.locked(now, |atom| atom.swap(value, AcqRel))
    }

    /// A LOCKed add to a word that holds `now`. Returns the old value.
    pub(in crate::engine) fn fetch_add(&self, now: u32, value: u32) -> u32 {
        self.locked(now, |atom| atom.fetch_add(value, AcqRel))
    }

    fn locked(&self, now: u32, op: impl Fn(&AtomicU32) -> u32) -> u32 {
        let old = match &self.cell {
            Cell::Shared(copies) => {
                self.note(Learnt::Locked);
                // A LOCKed instruction drains the store buffer and orders both ways.
                fence();
                let old = copies.update(op);
                self.accessed(true);
                fence();
                old
            }
            Cell::Owned(watched) => {
                watched.write();
                now
            }
        };
        self.note(Learnt::Written);
        old
    }

    /// Whether a load by this CPU is the same whenever it comes, as far as is known: nobody else stores to
    /// the word. In RMW mode such a load needs no step.
    pub(in crate::engine) fn settled_for(&self, cpu: usize) -> bool {
        matches!(self.cell, Cell::Shared(_))
            && mode() == Mode::Rmw
            && learnt::explored()
            && learnt::written_by_it_alone(self.name, cpu)
    }

    /// Whether a CPU's own store to the word may give its next interrupt something to do.
    pub(in crate::engine) fn stirs_itself(&self) -> bool {
        learnt::stirs_itself(self.name)
    }

    /// It did.
    pub(in crate::engine) fn has_stirred(&self) {
        self.note(Learnt::StirsItself);
    }

    /// Whether others than its owner may access it.
    pub(in crate::engine) fn is_shared(&self) -> bool {
        matches!(self.cell, Cell::Shared(_))
    }

    /// CPUs whose stray ticks look at it, a bit each, as far as the current exploration knows.
    pub(in crate::engine) fn lookers(&self) -> u32 {
        self.lookers
    }

    /// A CPU has written the word.
    pub(in crate::engine) fn written_by(&self, cpu: usize) {
        self.note(Learnt::WrittenBy(cpu as u8));
    }

    /// Whether some other CPU than this one writes the word, as far as is known.
    pub(in crate::engine) fn contended(&self, cpu: usize) -> bool {
        learnt::written_by_others(self.name, cpu)
    }

    fn note(&self, what: Learnt) {
        if learnt::explored()
            && matches!(self.cell, Cell::Shared(_))
            && self.noted.fetch_or(what.bit(), Relaxed) & what.bit() == 0
        {
            learnt::note(self.name, what);
        }
    }
}

/// Wakes who waits for the word to change, now that it holds `value`.
pub(in crate::engine) fn wake(atom: &Atom, value: u32) {
    let mut waiters = atom.waiters.lock().expect("no panic while it is held");
    waiters.retain(|(thread, seen)| {
        let wakes = *seen != value;
        if wakes {
            thread.unpark();
        }
        !wakes
    });
}

/// From now on, wakes the calling thread once the word no longer holds `seen`; or, without one, no
/// more.
pub(in crate::engine) fn watch(atom: &Atom, seen: Option<u32>) {
    let mut waiters = atom.waiters.lock().expect("no panic while it is held");
    let me = current();
    match seen {
        Some(seen) => waiters.push((me, seen)),
        None => waiters.retain(|(thread, _)| thread.id() != me.id()),
    }
}
