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

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex, MutexGuard};

use mmu386::arch::WordName;

/// What can become known of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::engine) enum Learnt {
    /// Some execution stores to it.
    Written,
    /// Some execution does a LOCKed operation on it.
    Locked,
}

/// What is known, and what the current exploration goes by: it must not change its mind between
/// executions. Without anything to go by, it takes everything for true.
#[derive(Default)]
struct Known {
    all: HashSet<(WordName, Learnt)>,
    applied: Option<HashSet<(WordName, Learnt)>>,
}

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
static EXPLORED: AtomicBool = AtomicBool::new(false);

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().expect("no panic while it is held")
}

/// Set-up begins: its stores come before all that is explored.
pub fn set_up_from_here() {
    EXPLORED.store(false, Relaxed);
}

/// Set-up is over.
pub fn explored_from_here() {
    EXPLORED.store(true, Relaxed);
}

/// Starts an exploration that goes by all that is known now.
pub fn apply() {
    let mut known = known();
    known.applied = Some(known.all.clone());
}

/// Whether the current exploration has met nothing that contradicts what it goes by.
pub fn sound() -> bool {
    let known = known();
    known.applied.as_ref().is_none_or(|applied| applied.len() == known.all.len())
}

/// Whether the current exploration is to go by this.
pub(super) fn is(name: WordName, what: Learnt) -> bool {
    known().applied.as_ref().is_none_or(|applied| applied.contains(&(name, what)))
}

/// Whether set-up is over: only then is something learnt.
pub(super) fn explored() -> bool {
    EXPLORED.load(Relaxed)
}

/// Makes this known of the word.
pub(super) fn note(name: WordName, what: Learnt) {
    known().all.insert((name, what));
}
