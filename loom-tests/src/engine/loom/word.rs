//! Words of memory as loom's atomics.

use std::cell::{OnceCell, RefCell};

use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use loom::thread::{Thread, current};
use mmu386::arch::WordName;

use super::Watched;
use super::copies::{self, Copies};
use super::learnt::{self, Beliefs, Facts, Learnt};
use super::steps::{self, Access};
use crate::engine::{Mode, Sharing, fence, mode};

enum Atomics {
    /// In RMW mode.
    Copied(Copies),
    /// As written.
    Single(AtomicU32),
}

enum Cell {
    /// Made when set-up is over: what comes before costs nothing then.
    Shared(OnceCell<Atomics>),
    /// No execution so far has stored to the word once set-up was over: see [`learnt`].
    Constant,
    Owned(Watched),
}

/// A word's atomics, and what is known of it.
pub(in crate::engine) struct Atom {
    /// Names it in this execution, and in all.
    id: usize,
    key: u64,
    name: WordName,
    cell: Cell,
    /// What the current exploration goes by.
    known: Beliefs,
    /// What this execution has made known of the word.
    noted: std::cell::Cell<Facts>,
    waiters: RefCell<Vec<(Thread, u32)>>,
}

impl Atom {
    pub(in crate::engine) fn new(name: WordName, sharing: Sharing) -> Self {
        let known = learnt::of(name);
        let cell = match sharing {
            Sharing::Owned => Cell::Owned(Watched::default()),
            _ if !known.applied.has(Learnt::Written) => Cell::Constant,
            _ => Cell::Shared(OnceCell::new()),
        };
        let (id, key) =
            if mode() == Mode::Rmw && steps::seen() { steps::word(name) } else { (0, 0) };
        let (noted, waiters) = Default::default();
        Self { id, key, name, cell, known, noted, waiters }
    }

    /// Set-up is over, and the word holds `value`.
    pub(in crate::engine) fn make(&self, value: u32) {
        if let Cell::Shared(atomics) = &self.cell {
            atomics.get_or_init(|| match mode() {
                Mode::Rmw => Atomics::Copied(Copies::new(self.known.readers.loaders(), value)),
                _ => Atomics::Single(AtomicU32::new(value)),
            });
        }
    }

    /// Its atomics, if it has any and set-up is over.
    fn atomics(&self) -> Option<&Atomics> {
        match &self.cell {
            Cell::Shared(atomics) => atomics.get(),
            Cell::Owned(_) | Cell::Constant => None,
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

    /// A plain load by `cpu`. `now` says what the word holds, and is asked when the load has had its turn.
    ///
    /// # Panics
    /// If loom returns an old value in RMW mode, which promises the latest.
    pub(in crate::engine) fn load(&self, cpu: usize, now: impl Fn() -> u32) -> u32 {
        match self.atomics() {
            Some(Atomics::Copied(copies)) => {
                self.note(Learnt::LoadedBy(cpu as u8));
                let value = copies.load(cpu);
                self.accessed(false);
                let now = now();
                if value != now && learnt::sound() {
                    panic!("RMW mode read {value:#x} from {:?}, which holds {now:#x}", self.name);
                }
                value
            }
            Some(Atomics::Single(atomic)) => atomic.load(Acquire),
            None => {
                match &self.cell {
                    Cell::Owned(watched) => watched.read(),
                    Cell::Constant if mode() == Mode::Rmw && learnt::explored() => copies::alone(),
                    Cell::Constant | Cell::Shared(_) => {}
                }
                now()
            }
        }
    }

    /// A plain store.
    pub(in crate::engine) fn store(&self, value: u32) {
        match self.atomics() {
            Some(Atomics::Copied(copies)) => {
                copies.update(|atomic| atomic.swap(value, AcqRel));
                self.accessed(true);
            }
            // loom lets a store land within a read-modify-write (#254), as if a lock could be released
            // in the midst of being taken. Stored by an exchange, it cannot.
            Some(Atomics::Single(atomic)) if self.known.applied.has(Learnt::Locked) => {
                atomic.swap(value, Release);
            }
            Some(Atomics::Single(atomic)) => atomic.store(value, Release),
            None => self.own(),
        }
        self.note(Learnt::Written);
    }

    fn own(&self) {
        if let Cell::Owned(watched) = &self.cell {
            watched.write();
        }
    }

    /// A LOCKed exchange of a word that holds `now`. Returns the old value.
    pub(in crate::engine) fn swap(&self, now: impl Fn() -> u32, value: u32) -> u32 {
        self.locked(now, |atomic| atomic.swap(value, AcqRel))
    }

    /// A LOCKed add to a word that holds `now`. Returns the old value.
    pub(in crate::engine) fn fetch_add(&self, now: impl Fn() -> u32, value: u32) -> u32 {
        self.locked(now, |atomic| atomic.fetch_add(value, AcqRel))
    }

    fn locked(&self, now: impl Fn() -> u32, op: impl Fn(&AtomicU32) -> u32) -> u32 {
        // A LOCKed instruction drains the store buffer and orders both ways.
        let old = match self.atomics() {
            Some(atomics) => {
                fence();
                let old = match atomics {
                    Atomics::Copied(copies) => copies.update(op),
                    Atomics::Single(atomic) => op(atomic),
                };
                self.accessed(true);
                fence();
                old
            }
            None => {
                self.own();
                now()
            }
        };
        self.note(Learnt::Locked);
        self.note(Learnt::Written);
        old
    }

    /// Whether a load by this CPU is the same whenever it comes, as far as is known: nobody else stores to
    /// the word. In RMW mode such a load needs no step.
    pub(in crate::engine) fn settled_for(&self, cpu: usize) -> bool {
        self.is_shared()
            && mode() == Mode::Rmw
            && learnt::explored()
            && !self.known.applied.written_by_others(cpu)
    }

    /// Whether a CPU's own store to the word may give its next interrupt something to do.
    pub(in crate::engine) fn stirs_itself(&self) -> bool {
        self.known.believed.has(Learnt::StirsItself)
    }

    /// It did.
    pub(in crate::engine) fn has_stirred(&self) {
        self.note(Learnt::StirsItself);
    }

    /// Whether others than its owner may access it.
    pub(in crate::engine) fn is_shared(&self) -> bool {
        !matches!(self.cell, Cell::Owned(_))
    }

    /// Whether stray ticks of `cpu` look at it, as far as stores go by that: in RMW mode those do that the
    /// explorations before have shown, else those that this execution has shown so far.
    pub(in crate::engine) fn is_looked_at(&self, cpu: usize) -> bool {
        let so_far = if mode() == Mode::Rmw { self.known.readers } else { self.noted.get() };
        so_far.has(Learnt::TicksOf(cpu as u8))
    }

    /// They do.
    pub(in crate::engine) fn ticks_look(&self, cpu: usize) {
        self.include(Learnt::TicksOf(cpu as u8));
    }

    /// A CPU has written the word.
    pub(in crate::engine) fn written_by(&self, cpu: usize) {
        self.note(Learnt::WrittenBy(cpu as u8));
    }

    /// Whether some other CPU than this one writes the word, as far as is known.
    pub(in crate::engine) fn contended(&self, cpu: usize) -> bool {
        self.known.believed.written_by_others(cpu)
    }

    fn note(&self, what: Learnt) {
        if learnt::explored() && self.is_shared() {
            self.include(what);
        }
    }

    fn include(&self, what: Learnt) {
        let mut noted = self.noted.get();
        if !noted.include(what) {
            self.noted.set(noted);
            learnt::note(self.name, what);
        }
    }
}

/// Wakes the threads that wait for the word to change, now that it holds `value`.
pub(in crate::engine) fn wake(atom: &Atom, value: u32) {
    atom.waiters.borrow_mut().retain(|(thread, seen)| {
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
    let mut waiters = atom.waiters.borrow_mut();
    let me = current();
    match seen {
        Some(seen) => waiters.push((me, seen)),
        None => waiters.retain(|(thread, _)| thread.id() != me.id()),
    }
}
