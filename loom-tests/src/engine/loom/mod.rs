//! loom, as published, underneath the words of a machine.

use std::sync::Arc;

use super::{Mode, set_mode};

mod choice;
mod copies;
pub mod learnt;
mod order;
mod orders;
mod owned;
mod sleep;
pub mod steps;
mod word;

pub use choice::Coin;
pub(super) use copies::joined;
pub use loom::thread::{park, yield_now};
pub use order::How;
pub(super) use order::Which;
pub(super) use owned::Watched;
pub(super) use steps::{seen, touch};
pub(super) use word::{Atom, wake, watch};

/// Lets loom go through all executions of `body`, in one of its modes, on a thread of its own, until it
/// goes by all that it has learnt of them. Each time it begins, `begins` is called.
///
/// # Panics
/// If the mode is one of the explorer's, with a thread of `body`, or if two steps conflict over something hidden
/// and no word says so.
pub fn explore(
    mode: Mode,
    begins: impl Fn() + Send + 'static,
    body: impl Fn() + Send + Sync + 'static,
) {
    assert!(!mode.explorer(), "{mode:?} is the explorer's");
    let body = Arc::new(body);
    // A thread that has no mode yet.
    let explored = std::thread::spawn(move || {
        set_mode(mode);
        loop {
            let body = body.clone();
            let mut builder = loom::model::Builder::new();
            builder.expect_explicit_explore = true;
            builder.max_permutations = None;
            builder.max_duration = None;
            learnt::begin();
            steps::explore(mode != Mode::Rmw, true);
            begins();
            builder.check(move || {
                learnt::set_up_from_here();
                body();
            });
            if learnt::settled() {
                if let Some(fault) = steps::fault() {
                    panic!("{fault}");
                }
                return;
            }
        }
    });
    if let Err(panic) = explored.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A thread of the current execution.
pub(super) fn spawn(body: impl FnOnce() + 'static) {
    let thread = ::loom::thread::spawn(body);
    steps::spawned(thread.thread().id());
}

/// Ends the set-up of an execution: what follows is explored. Called by the first thread once, after
/// it has spawned the others.
pub fn explore_from_here() {
    learnt::explored_from_here();
    loom::explore();
}
