//! What the model machine is made of: words, owned values, choices and waiting, on two engines.
//!
//! | engine | modes | how it goes through the executions of a model |
//! |---|---|---|
//! | `loom` | rmw, as-written | each execution from its start, pruned by its own reduction |
//! | `explorer` | sc, tso | each state once, with store buffers; on shuttle's scheduler |
//!
//! Nothing outside this folder names loom or shuttle.

mod choice;
pub mod explorer;
mod hidden;
pub mod litmus;
pub mod loom;
mod owned;
mod word;

pub use choice::Choice;
pub use hidden::{Held, Hidden, Part, hidden, touches, watched};
pub use loom::How;
pub use owned::OwnedCell;
pub use word::{Access, Sharing, Word};

use std::cell::Cell;

use serde::Serialize;

/// What a machine's loads and stores are, and which engine explores. MODEL.md says what each mode can
/// and cannot show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// loom; every access is a read-modify-write: sound for interleavings, which are all that is
    /// explored.
    Rmw,
    /// loom; loads acquire, stores release: finds what weaker orderings break, and misses executions.
    AsWritten,
    /// The explorer; sequentially consistent: every interleaving.
    Sc,
    /// The explorer; x86-TSO: every interleaving of the CPUs and of their store buffers.
    Tso,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 4] = [Self::Rmw, Self::AsWritten, Self::Sc, Self::Tso];

    /// Whether the explorer does it.
    pub fn explorer(self) -> bool {
        matches!(self, Self::Sc | Self::Tso)
    }

    /// Name of the engine.
    pub fn engine(self) -> &'static str {
        if self.explorer() { "explorer" } else { "loom" }
    }

    /// Whether a load can overtake an earlier store of its CPU.
    pub fn overtakes(self) -> bool {
        matches!(self, Self::AsWritten | Self::Tso)
    }
}

thread_local! {
    /// All threads of an execution share one thread of the host.
    static MODE: Cell<Option<Mode>> = const { Cell::new(None) };
}

/// Chooses the mode of what this thread of the host explores. The explorer's workers know theirs.
///
/// # Panics
/// If another was chosen before.
pub fn set_mode(chosen: Mode) {
    let before = MODE.replace(Some(chosen)).unwrap_or(chosen);
    assert_eq!(before, chosen, "a thread explores in one mode");
}

fn mode() -> Mode {
    MODE.get().expect("set_mode comes before any model")
}

/// Whether the explorer is the engine.
pub fn explored() -> bool {
    mode().explorer()
}

/// A thread of the current execution. It runs once set-up is over.
pub fn spawn(body: impl FnOnce() + 'static) {
    if explored() { explorer::spawn(Box::new(body)) } else { loom::spawn(body) }
}

/// Whether several accesses can be made one step.
pub fn joins() -> bool {
    mode() == Mode::Rmw
}

/// Where that can be: what is accessed here is part of the step that the thread is in.
pub fn joined<R>(accesses: impl FnOnce() -> R) -> R {
    if joins() { loom::joined(accesses) } else { accesses() }
}

/// A full fence.
pub fn fence() {
    match mode() {
        // Every access reads the latest value, so there is nothing left to order.
        Mode::Rmw | Mode::Sc => {}
        Mode::AsWritten => loom::fence(),
        Mode::Tso => explorer::drain(),
    }
}
