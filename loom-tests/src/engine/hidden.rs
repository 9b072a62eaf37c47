//! State of the machine that no word holds.

use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::quality::FixedState;

use super::loom::{How, Which, seen, touch};
use super::{explored, explorer, joins};

/// A value, which engines do not see. Steps that conflict over it must conflict over a word, too; under
/// loom that is checked.
#[derive(Debug)]
pub struct Hidden<T> {
    what: &'static str,
    cpu: usize,
    value: T,
}

impl<T: Hash> Hash for Hidden<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl<T: Copy + Eq + Hash> Hidden<T> {
    /// `what` is its name in reports, `cpu` the CPU whose it is.
    pub const fn new(what: &'static str, cpu: usize, value: T) -> Self {
        Self { what, cpu, value }
    }

    /// Steps that change it from one value to another conflict with looks that ask for one of these.
    #[track_caller]
    fn touch(&self, value: T, how: How) {
        hidden(self.what, self.cpu, value, how);
    }

    /// What it is.
    #[track_caller]
    pub fn look(&self) -> T {
        self.touch(self.value, How::Look);
        self.value
    }

    /// Whether it is this.
    #[track_caller]
    pub fn is(&self, value: T) -> bool {
        self.touch(value, How::Look);
        self.value == value
    }

    /// What it is, for a report, or to judge by.
    pub fn peek(&self) -> T {
        self.value
    }

    /// It becomes this.
    #[track_caller]
    pub fn set(&mut self, value: T) {
        if self.value != value {
            self.touch(self.value, How::Change);
            self.touch(value, How::Change);
        }
        self.value = value;
    }
}

/// A part of the machine's state, which the explorer is told of: it is read wherever it is held, and changed wherever
/// it is held to be changed.
pub struct Part<T> {
    number: usize,
    value: Mutex<T>,
}

/// A part, held for a moment.
pub struct Held<'a, T> {
    number: usize,
    value: MutexGuard<'a, T>,
}

impl<T> Part<T> {
    /// `number` names the part to the explorer.
    pub const fn new(number: usize, value: T) -> Self {
        Self { number, value: Mutex::new(value) }
    }

    /// Holds it.
    pub fn hold(&self) -> Held<'_, T> {
        touches(self.number, false);
        // Held for a moment, but perhaps by a thread that unwinds.
        Held {
            number: self.number,
            value: self.value.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        touches(self.number, true);
        &mut self.value
    }
}

/// The current step reads a part of the machine's state that no [`Part`] holds, or changes it.
pub fn touches(number: usize, writes: bool) {
    if explored() {
        explorer::touches(number, writes);
    }
}

/// Whether what engines do not see is watched in this execution.
pub fn watched() -> bool {
    joins() && seen()
}

/// The calling thread touches something that engines do not see: this of `what`, of a CPU.
#[track_caller]
pub fn hidden(what: &'static str, cpu: usize, which: impl Hash, how: How) {
    if watched() {
        touch(Which::OfCpu(what, cpu, FixedState::default().hash_one(which)), how);
    }
}
