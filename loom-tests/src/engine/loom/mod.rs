//! loom, as published, underneath the words of a machine.

mod choice;
pub mod learnt;
mod owned;
mod word;

pub use choice::Coin;
pub use loom::thread::{park, yield_now};
pub(super) use owned::Watched;
pub(super) use word::{Atom, wake, watch};

/// Ends the set-up of an execution: what follows is explored. Called by the first thread once, after
/// it has spawned the others.
pub fn explore_from_here() {
    loom::explore();
}
