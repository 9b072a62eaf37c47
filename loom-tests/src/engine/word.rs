//! Words of the model's memory.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use mmu386::arch::WordName;

use super::explorer::{self, WordState};
use super::loom::{self, Atom, How, Which, touch};
use super::{Mode, mode};

/// Which threads may access a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Every CPU: each access is a step of the interleaving.
    Shared,
    /// One CPU at a time: two accesses that nothing orders are a race.
    Owned,
    /// No word of the machine: what makes steps conflict in the eyes of loom, which does not see the
    /// whole state. The explorer does, and leaves it out.
    Hint,
}

/// What is about to be done with a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A plain load.
    Load,
    /// A plain store.
    Store,
    /// A LOCKed operation.
    Locked,
    /// What a walker does with an entry, for which no CPU's own stores are in the way.
    Walk,
}

enum Engine {
    Loom(Atom),
    Explorer(WordState),
}

struct Inner {
    name: WordName,
    engine: Engine,
    /// What the word holds now, in the order of the execution. Walkers of other CPUs and oracles
    /// read it; it is no access of the machine.
    now: AtomicU32,
    /// Under loom: the CPU that has written it last.
    writer: Cell<Option<usize>>,
}

/// A 32-bit word of memory.
#[derive(Clone)]
pub struct Word(Rc<Inner>);

impl Word {
    /// A word that holds `value`.
    pub fn new(name: WordName, value: u32, sharing: Sharing) -> Self {
        let engine = if mode().explorer() {
            Engine::Explorer(WordState::new(name, value, sharing))
        } else {
            Engine::Loom(Atom::new(name, sharing))
        };
        let word = Self(Rc::new(Inner {
            name,
            engine,
            now: AtomicU32::new(value),
            writer: Cell::new(None),
        }));
        if !mode().explorer() {
            loom::made(&word);
        }
        word
    }

    /// Under loom, once set-up is over: what has come so far is before all that is explored.
    pub(super) fn make(&self) {
        if let Engine::Loom(atom) = &self.0.engine {
            atom.make(self.peek());
        }
    }

    /// Which word it is.
    pub fn name(&self) -> WordName {
        self.0.name
    }

    /// What it holds now, for walkers of other CPUs and oracles.
    #[track_caller]
    pub fn now(&self) -> u32 {
        self.touch(How::Look);
        self.peek()
    }

    /// The same, where loom need not know.
    pub fn peek(&self) -> u32 {
        if let Engine::Explorer(state) = &self.0.engine {
            explorer::looked_at(state);
        }
        self.raw()
    }

    /// The same, for engines.
    pub(super) fn raw(&self) -> u32 {
        self.0.now.load(Relaxed)
    }

    #[track_caller]
    fn touch(&self, how: How) {
        if let Engine::Loom(atom) = &self.0.engine
            && mode() == Mode::Rmw
        {
            touch(Which::Word(atom.id()), how);
        }
    }

    #[track_caller]
    pub(super) fn set_now(&self, value: u32) -> u32 {
        self.touch(How::Change);
        self.0.now.swap(value, Relaxed)
    }

    pub(super) fn explored(&self) -> Option<&WordState> {
        match &self.0.engine {
            Engine::Explorer(state) => Some(state),
            Engine::Loom(_) => None,
        }
    }

    /// Whether it is this very word.
    pub fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// Waits until it is this access's turn. Under loom the access itself does that. Returns whether
    /// it matters if an interrupt comes before it, which it may if the access is `interruptible`.
    pub fn request(&self, access: Access, interruptible: bool) -> bool {
        match &self.0.engine {
            Engine::Explorer(state) => explorer::request(state, access, interruptible),
            Engine::Loom(_) => true,
        }
    }

    /// A plain load by `cpu`.
    pub fn load(&self, cpu: usize) -> u32 {
        match &self.0.engine {
            Engine::Loom(atom) => atom.load(cpu, || self.peek()),
            Engine::Explorer(state) => explorer::load(self, state),
        }
    }

    /// A plain load by `cpu`, of a word whose writers [`written_by`](Self::written_by) notes.
    pub fn load_on(&self, cpu: usize) -> u32 {
        match &self.0.engine {
            Engine::Loom(atom) if atom.settled_for(cpu) => self.now(),
            _ => self.load(cpu),
        }
    }

    /// A plain store. Returns what the word held before, in the order of the execution, unless the
    /// store is still on its way to memory.
    #[track_caller]
    pub fn store(&self, value: u32) -> Option<u32> {
        match &self.0.engine {
            Engine::Loom(atom) => {
                atom.store(value);
                Some(self.became(atom, value))
            }
            Engine::Explorer(state) => explorer::store(self, state, value),
        }
    }

    /// A LOCKed exchange. Returns the old value.
    #[track_caller]
    pub fn swap(&self, value: u32) -> u32 {
        match &self.0.engine {
            Engine::Loom(atom) => {
                let old = atom.swap(|| self.peek(), value);
                self.became(atom, value);
                old
            }
            Engine::Explorer(state) => explorer::locked(self, state, |_| value),
        }
    }

    /// A LOCKed add. Returns the old value.
    #[track_caller]
    pub fn fetch_add(&self, value: u32) -> u32 {
        match &self.0.engine {
            Engine::Loom(atom) => {
                let old = atom.fetch_add(|| self.peek(), value);
                self.became(atom, old.wrapping_add(value));
                old
            }
            Engine::Explorer(state) => explorer::locked(self, state, |old| old.wrapping_add(value)),
        }
    }

    /// A step that all threads that take it take in some order, with memory ordered as by a LOCKed
    /// operation.
    pub fn pass(&self) {
        match &self.0.engine {
            Engine::Loom(_) => {
                self.fetch_add(1);
            }
            Engine::Explorer(state) => {
                explorer::locked(self, state, |old| old);
            }
        }
    }

    /// Under the explorer: a walker changes the word in one step with its look at it, if `new` says so.
    /// The thread that runs does not know.
    pub fn walk(&self, new: impl FnOnce(u32) -> u32) {
        if let Engine::Explorer(state) = &self.0.engine {
            explorer::walk(self, state, new);
        }
    }

    /// Notes the new value and wakes the threads that wait for a change.
    #[track_caller]
    fn became(&self, atom: &Atom, value: u32) -> u32 {
        let old = self.set_now(value);
        if value != old {
            loom::wake(atom, value);
        }
        old
    }

    /// Under loom: from now on, wakes the calling thread once the word no longer holds `seen`.
    pub fn watch(&self, seen: u32) {
        if let Engine::Loom(atom) = &self.0.engine {
            loom::watch(atom, Some(seen));
        }
    }

    /// Undoes [`watch`](Self::watch) for the calling thread.
    pub fn unwatch(&self) {
        if let Engine::Loom(atom) = &self.0.engine {
            loom::watch(atom, None);
        }
    }

    /// What the calling thread would read.
    #[track_caller]
    pub fn seen(&self) -> u32 {
        match &self.0.engine {
            Engine::Loom(_) => self.now(),
            Engine::Explorer(_) => explorer::forwarded(self).unwrap_or_else(|| self.now()),
        }
    }

    /// Whether others than the calling thread, which runs on `cpu`, write it, as far as the engine
    /// knows.
    pub fn contended(&self, cpu: usize) -> bool {
        match &self.0.engine {
            Engine::Loom(atom) => atom.contended(cpu),
            Engine::Explorer(state) => explorer::contended(state),
        }
    }

    /// Under loom: whether accesses of it are steps.
    pub fn is_shared(&self) -> bool {
        match &self.0.engine {
            Engine::Loom(atom) => atom.is_shared(),
            Engine::Explorer(_) => false,
        }
    }

    /// Under loom: whether stray ticks of `cpu` look at it, as far as stores to it go by that.
    pub fn is_looked_at(&self, cpu: usize) -> bool {
        match &self.0.engine {
            Engine::Loom(atom) => atom.is_looked_at(cpu),
            Engine::Explorer(_) => false,
        }
    }

    /// Under loom: they do.
    pub fn ticks_look(&self, cpu: usize) {
        if let Engine::Loom(atom) = &self.0.engine {
            atom.ticks_look(cpu);
        }
    }

    /// Under loom, which does not know: `cpu` has written the word.
    pub fn written_by(&self, cpu: usize) {
        if let Engine::Loom(atom) = &self.0.engine {
            atom.written_by(cpu);
            self.0.writer.set(Some(cpu));
        }
    }

    /// Under loom: whether `cpu` has written it last, and such a store, as far as is known, gives the
    /// CPU's next interrupt nothing to do.
    pub fn quiet_for(&self, cpu: usize) -> bool {
        match &self.0.engine {
            Engine::Loom(atom) => self.0.writer.get() == Some(cpu) && !atom.stirs_itself(),
            Engine::Explorer(_) => false,
        }
    }

    /// Under loom, which believed otherwise: the interrupt had something to do.
    pub fn has_stirred(&self) {
        if let Engine::Loom(atom) = &self.0.engine {
            atom.has_stirred();
        }
    }
}
