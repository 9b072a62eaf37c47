//! What becomes known of words while executions are explored.
//!
//! In RMW mode a load is a read-modify-write, so two CPUs that read a word nobody writes look as if
//! the order of their reads mattered, and the explorer tries both. A word that no execution stores
//! to is therefore read by plain loads, which are exact for it. Which words those are is learnt: the
//! first exploration takes every word for written, later ones take those for constants that none so
//! far has stored to. An exploration that stores to such a constant does not count: it is done again,
//! and if it breaks a property, the process starts over and takes every word for written. So it is
//! with the words that LOCKed operations are done on, which as-written mode has to store to in a way
//! of their own.
//!
//! So it is, last, with who writes a word: an interrupt that reads no more than one word that other CPUs write
//! need not be tried again while that is unchanged; and with words that a CPU can store to without
//! giving its own next interrupt something to do. A wrong belief of this kind hides executions and
//! invents none, so the first explorations, too, go by what the ones before have shown.
//!
//! Who writes a word also tells which loads find the same whenever they come: those by the only CPU
//! that does. In RMW mode they take no step of the interleaving. Such a load orders nothing, so a wrong
//! belief could invent a race: this is gone by as the constants are.
//!
//! Who loads a word, on the other hand, only tells how few steps conflict: no belief of it is wrong. Nor is one of
//! whose stray ticks look at it: a tick that has read another word is not remembered.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::{LazyLock, Mutex, MutexGuard};

use mmu386::arch::WordName;

/// What can become known of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::engine) enum Learnt {
    /// Some execution stores to it.
    Written,
    /// Some execution does a LOCKed operation on it.
    Locked,
    /// In some execution this CPU writes it.
    WrittenBy(u8),
    /// In some execution a CPU's own store to it gives its next interrupt something to do.
    StirsItself,
    /// In some execution this CPU loads it.
    LoadedBy(u8),
}

impl Learnt {
    /// A bit of its own.
    pub(super) fn bit(self) -> u32 {
        match self {
            Self::Written => 1,
            Self::Locked => 2,
            Self::StirsItself => 4,
            Self::WrittenBy(cpu) => 8 << cpu,
            Self::LoadedBy(cpu) => 8 << (MOST_CPUS + cpu),
        }
    }
}

/// What is known, and what the current exploration goes by: it must not change its mind between
/// executions. Without anything to go by, it takes everything for true.
#[derive(Default)]
struct Known {
    all: HashSet<(WordName, Learnt)>,
    applied: Option<HashSet<(WordName, Learnt)>>,
    /// What it goes by where a wrong belief hides executions and invents none.
    believed: HashSet<(WordName, Learnt)>,
    /// Nothing is to be believed.
    wary: bool,
}

impl Known {
    fn may_be(&self, fact: (WordName, Learnt)) -> bool {
        self.wary || self.believed.contains(&fact)
    }
}

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// Who loads a word, and whose stray ticks look at it, a bit for each CPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Readers {
    load: u32,
    ticks: u32,
}

// The executions of an exploration share one thread of the host.
thread_local! {
    static EXPLORED: Cell<bool> = const { Cell::new(false) };
    /// What the current exploration goes by, and what is known.
    static READERS: RefCell<(HashMap<WordName, Readers>, HashMap<WordName, Readers>)> = RefCell::default();
}

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().expect("no panic while it is held")
}

/// Set-up begins: its stores come before all that is explored.
pub fn set_up_from_here() {
    EXPLORED.set(false);
    super::steps::rewind();
}

/// Set-up is over.
pub(super) fn explored_from_here() {
    EXPLORED.set(true);
    super::steps::begin();
}

/// An exploration begins.
pub fn begin() {
    let mut known = known();
    known.believed = known.all.clone();
    READERS.with_borrow_mut(|(applied, known)| applied.clone_from(known));
}

/// The next exploration goes by all that is known now.
pub fn apply() {
    let mut known = known();
    known.applied = Some(known.all.clone());
}

/// Explorations go by nothing from here on.
pub fn believe_nothing() {
    known().wary = true;
}

/// Whether the current exploration has met nothing that contradicts what it goes by.
pub fn sound() -> bool {
    let known = known();
    known.applied.as_ref().is_none_or(|applied| applied.len() == known.all.len())
}

/// Whether another exploration would go by nothing that this one has not: this one has met nothing that it
/// did not believe.
pub fn settled() -> bool {
    let known = known();
    let read = READERS.with_borrow(|(applied, known)| applied == known);
    known.wary || known.believed.len() == known.all.len() && read
}

/// Whether the current exploration is to go by this.
pub(super) fn is(name: WordName, what: Learnt) -> bool {
    known().applied.as_ref().is_none_or(|applied| applied.contains(&(name, what)))
}

/// Whether the current exploration is to go by nobody else storing to the word than this CPU, if that.
pub(super) fn written_by_it_alone(name: WordName, cpu: usize) -> bool {
    let known = known();
    let others = (0..MOST_CPUS).filter(|n| usize::from(*n) != cpu);
    known.applied.as_ref().is_some_and(|applied| {
        others.map(Learnt::WrittenBy).all(|fact| !applied.contains(&(name, fact)))
    })
}

/// Whether some other CPU than this one writes the word.
pub(super) fn written_by_others(name: WordName, cpu: usize) -> bool {
    let others = (0..MOST_CPUS).filter(|n| usize::from(*n) != cpu);
    let known = known();
    others.map(Learnt::WrittenBy).any(|fact| known.may_be((name, fact)))
}

/// Whether a CPU's own store to the word may give its next interrupt something to do.
pub(super) fn stirs_itself(name: WordName) -> bool {
    known().may_be((name, Learnt::StirsItself))
}

/// loom runs five threads, one of which sets up.
const MOST_CPUS: u8 = 4;

/// Whether set-up is over: only then is something learnt.
pub(super) fn explored() -> bool {
    EXPLORED.get()
}

/// CPUs that load the word, a bit each, as far as the current exploration knows.
pub(super) fn readers(name: WordName) -> u32 {
    READERS.with_borrow(|(applied, _)| applied.get(&name).copied().unwrap_or_default().load)
}

/// CPUs whose stray ticks look at the word, a bit each, as far as the current exploration knows.
pub(super) fn lookers(name: WordName) -> u32 {
    READERS.with_borrow(|(applied, _)| applied.get(&name).copied().unwrap_or_default().ticks)
}

/// Makes known that they do.
pub fn looks(name: WordName, cpu: usize) {
    READERS.with_borrow_mut(|(_, known)| known.entry(name).or_default().ticks |= 1 << cpu);
}

/// Makes this known of the word.
pub(super) fn note(name: WordName, what: Learnt) {
    if let Learnt::LoadedBy(cpu) = what {
        READERS.with_borrow_mut(|(_, known)| known.entry(name).or_default().load |= 1 << cpu);
    } else {
        known().all.insert((name, what));
    }
}
