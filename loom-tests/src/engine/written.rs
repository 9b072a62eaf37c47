//! Which words are ever written while executions are explored.
//!
//! In RMW mode a load is a read-modify-write, so two CPUs that read a word nobody writes look as if
//! the order of their reads mattered, and the explorer tries both. A word that no execution stores
//! to is therefore read by plain loads, which are exact for it. Which words those are is learnt: all
//! are taken for constants at first, a store to one takes it off the list, and an exploration during
//! which the list changed does not count and is done again.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use mmu386::arch::WordName;

static WRITTEN: Mutex<Option<HashSet<WordName>>> = Mutex::new(None);
static EXPLORED: AtomicBool = AtomicBool::new(false);

/// Set-up begins: its stores come before all that is explored.
pub fn set_up_from_here() {
    EXPLORED.store(false, Relaxed);
}

/// Set-up is over.
pub fn explored_from_here() {
    EXPLORED.store(true, Relaxed);
}

/// Whether some execution has stored to the word.
pub(super) fn is(name: WordName) -> bool {
    let written = WRITTEN.lock().expect("no panic while it is held");
    written.as_ref().is_some_and(|names| names.contains(&name))
}

/// A store to a word that was taken for a constant.
pub(super) fn note(name: WordName) {
    if EXPLORED.load(Relaxed) {
        let mut written = WRITTEN.lock().expect("no panic while it is held");
        written.get_or_insert_default().insert(name);
    }
}

/// How many words are known to be written.
pub fn count() -> usize {
    WRITTEN.lock().expect("no panic while it is held").as_ref().map_or(0, HashSet::len)
}
