//! What becomes known of words while executions are explored.
//!
//! In RMW mode a load is a read-modify-write, so two CPUs that read a word nobody writes look as if
//! the order of their reads mattered, and the explorer tries both. A word that no execution stores
//! to holds what set-up has left there, and loads of it conflict with nothing. Which words those are is learnt: the
//! first exploration takes every word for written, later ones take those for constants that none so
//! far has stored to. An exploration that stores to such a constant does not count: it is done again,
//! and if it breaks a property, the process starts over and takes every word for written. So it is
//! with the words that LOCKed operations are done on, which as-written mode has to store to in a way
//! of their own.
//!
//! So it is, last, with the CPUs that write a word: an interrupt that reads no more than one word that other CPUs write
//! need not be tried again while that is unchanged; and with words that a CPU can store to without
//! giving its own next interrupt something to do. A wrong belief of this kind hides executions and
//! invents none, so the first explorations, too, go by what the ones before have shown.
//!
//! The CPUs that write a word also tell which loads find the same whenever they come: those by the only CPU
//! that does. In RMW mode they take no step of the interleaving. Such a load orders nothing, so a wrong
//! belief could invent a race: this is gone by as the constants are.
//!
//! The CPUs that load a word, on the other hand, only tell how few steps conflict: no belief of it is wrong. Nor is one
//! of whose stray ticks look at it: a tick that has read another word is not remembered.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use foldhash::fast::FixedState;
use mmu386::arch::WordName;

/// What can become known of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Learnt {
    /// Some execution stores to it.
    Written,
    /// Some execution does a LOCKed operation on it.
    Locked,
    /// In some execution a CPU's own store to it gives its next interrupt something to do.
    StirsItself,
    /// In some execution this CPU writes it.
    WrittenBy(u8),
    /// In some execution this CPU loads it.
    LoadedBy(u8),
    /// In some execution stray ticks of this CPU look at it.
    TicksOf(u8),
}

/// loom runs five threads, one of which sets up.
const MOST_CPUS: u8 = 4;

/// What is known of a word, a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Facts(u32);

impl Facts {
    const ALL: Self = Self(u32::MAX);

    /// With this. Returns whether it was known.
    pub(super) fn include(&mut self, what: Learnt) -> bool {
        let before = *self;
        self.0 |= what.bit();
        *self == before
    }

    pub(super) fn has(self, what: Learnt) -> bool {
        self.0 & what.bit() != 0
    }

    /// Whether some other CPU than this one writes the word.
    pub(super) fn written_by_others(self, cpu: usize) -> bool {
        let mut others = (0..MOST_CPUS).filter(|n| usize::from(*n) != cpu);
        others.any(|n| self.has(Learnt::WrittenBy(n)))
    }

    /// CPUs that load it, a bit each.
    pub(super) fn loaders(self) -> u32 {
        self.0 >> Learnt::LoadedBy(0).bit().trailing_zeros() & ((1 << MOST_CPUS) - 1)
    }
}

impl Learnt {
    /// A bit of its own.
    fn bit(self) -> u32 {
        match self {
            Self::Written => 1,
            Self::Locked => 2,
            Self::StirsItself => 4,
            Self::WrittenBy(cpu) => 8 << cpu,
            Self::LoadedBy(cpu) => 8 << (MOST_CPUS + cpu),
            Self::TicksOf(cpu) => 8 << (2 * MOST_CPUS + cpu),
        }
    }

    /// Whether an exploration that has not known it counts.
    fn is_harmless(self) -> bool {
        matches!(self, Self::LoadedBy(_) | Self::TicksOf(_))
    }
}

/// What an exploration goes by for a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beliefs {
    /// Where a wrong belief invents executions.
    pub(super) applied: Facts,
    /// Where it hides some.
    pub(super) believed: Facts,
    /// Where none is wrong.
    pub(super) readers: Facts,
}

type Words = HashMap<WordName, Facts, FixedState>;

/// What is known, and what the current exploration goes by: it must not change its mind between
/// executions. Without anything to go by, it takes everything for true.
#[derive(Default)]
struct Known {
    all: Words,
    applied: Option<Words>,
    believed: Words,
    /// Nothing is to be believed.
    wary: bool,
    /// More has become known since the current exploration began.
    more: bool,
    /// More than harmless things have become known since `applied` was fixed.
    contradicted: bool,
}

// The executions of an exploration share one thread of the host, and so do all explorations that learn from each
// other.
thread_local! {
    static EXPLORED: Cell<bool> = const { Cell::new(false) };
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// Set-up begins: its stores come before all that is explored.
pub fn set_up_from_here() {
    EXPLORED.set(false);
    super::copies::rewind();
    super::steps::rewind();
}

/// Set-up is over.
pub(super) fn explored_from_here() {
    EXPLORED.set(true);
    super::steps::begin();
}

/// Whether set-up is over: only then are there steps, and is something learnt of them.
pub(super) fn explored() -> bool {
    EXPLORED.get()
}

/// An exploration begins.
pub fn begin() {
    KNOWN.with_borrow_mut(|known| {
        known.believed = known.all.clone();
        known.more = false;
    });
}

/// The next exploration goes by all that is known now.
pub fn apply() {
    KNOWN.with_borrow_mut(|known| {
        known.applied = Some(known.all.clone());
        known.contradicted = false;
    });
}

/// Explorations go by nothing from here on.
pub fn believe_nothing() {
    KNOWN.with_borrow_mut(|known| known.wary = true);
}

/// Whether the current exploration has met nothing that contradicts what it goes by.
pub fn sound() -> bool {
    KNOWN.with_borrow(|known| known.applied.is_none() || !known.contradicted)
}

/// Whether another exploration would go by nothing that this one has not: this one has met nothing that it
/// did not believe.
pub fn settled() -> bool {
    KNOWN.with_borrow(|known| known.wary || !known.more)
}

/// What the current exploration goes by for this word.
pub(super) fn of(name: WordName) -> Beliefs {
    KNOWN.with_borrow(|known| {
        let readers = known.believed.get(&name).copied().unwrap_or_default();
        let applied = known.applied.as_ref();
        Beliefs {
            applied: applied.map_or(Facts::ALL, |all| all.get(&name).copied().unwrap_or_default()),
            believed: if known.wary { Facts::ALL } else { readers },
            readers,
        }
    })
}

/// Makes this known of the word.
pub(super) fn note(name: WordName, what: Learnt) {
    KNOWN.with_borrow_mut(|known| {
        if !known.all.entry(name).or_default().include(what) {
            known.more = true;
            known.contradicted |= !what.is_harmless();
        }
    });
}
