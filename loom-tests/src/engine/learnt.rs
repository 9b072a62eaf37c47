//! What becomes known of words while executions are explored.
//!
//! In RMW mode a load is a read-modify-write, so two CPUs that read a word nobody writes look as if
//! the order of their reads mattered, and the explorer tries both. A word that no execution stores
//! to is therefore read by plain loads, which are exact for it. Which words those are is learnt: all
//! are taken for constants at first, a store to one takes it off the list, and an exploration during
//! which the list changed does not count and is done again. So it is with the words that LOCKed
//! operations are done on, which as-written mode has to store to in a way of their own.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex, MutexGuard};

use mmu386::arch::WordName;

/// What can become known of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Learnt {
    /// Some execution stores to it.
    Written,
    /// Some execution does a LOCKed operation on it.
    Locked,
}

/// What is known, and how much of it the current exploration goes by: an exploration must not change
/// its mind between executions.
#[derive(Default)]
struct Known {
    all: HashSet<(WordName, Learnt)>,
    applied: HashSet<(WordName, Learnt)>,
}

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
static EXPLORED: AtomicBool = AtomicBool::new(false);

/// Set-up begins: its stores come before all that is explored.
pub fn set_up_from_here() {
    EXPLORED.store(false, Relaxed);
}

/// Set-up is over.
pub fn explored_from_here() {
    EXPLORED.store(true, Relaxed);
}

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().expect("no panic while it is held")
}

/// Starts an exploration, which goes by all that is known now.
pub fn apply() {
    let mut known = known();
    known.applied = known.all.clone();
}

/// Whether the last exploration went by all that is known now. If not, it does not count.
pub fn complete() -> bool {
    let known = known();
    known.applied.len() == known.all.len()
}

/// Whether the current exploration is to go by this.
pub(super) fn is(name: WordName, what: Learnt) -> bool {
    known().applied.contains(&(name, what))
}

/// Makes this known of the word, unless it happens in set-up.
pub(super) fn note(name: WordName, what: Learnt) {
    if EXPLORED.load(Relaxed) {
        known().all.insert((name, what));
    }
}
