//! What the model machine is made of: words, owned values, choices and waiting, on loom.
//!
//! Nothing outside this folder names loom. Another engine has to offer what is here.

mod choice;
pub mod learnt;
mod owned;
mod word;

pub use choice::Choice;
pub use loom::thread::{park, spawn, yield_now};
pub use owned::OwnedCell;
pub use word::{Sharing, Word};

use std::sync::OnceLock;

use serde::Serialize;

/// What loom makes of loads and stores. MODEL.md says what each mode can and cannot show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Every access is a read-modify-write: sound for interleavings, which are all that is explored.
    Rmw,
    /// Loads acquire, stores release: finds what weaker orderings break, and misses executions.
    AsWritten,
}

static MODE: OnceLock<Mode> = OnceLock::new();

/// Chooses the mode of this process.
///
/// # Panics
/// If another was chosen before.
pub fn set_mode(chosen: Mode) {
    assert_eq!(*MODE.get_or_init(|| chosen), chosen, "a process explores in one mode");
}

fn mode() -> Mode {
    *MODE.get().expect("set_mode comes before any model")
}

/// Ends the set-up of an execution: what follows is explored. Called by the first thread once, after
/// it has spawned the others.
pub fn explore_from_here() {
    loom::explore();
}

/// A full fence.
pub fn fence() {
    // In RMW mode every access reads the latest value, so there is nothing left to order.
    if mode() == Mode::AsWritten {
        loom::sync::atomic::fence(loom::sync::atomic::Ordering::SeqCst);
    }
}
