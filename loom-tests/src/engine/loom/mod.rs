//! loom, as published, underneath the words of a machine.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::{Mode, Word, set_mode};

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

thread_local! {
    /// Words of the execution that is being set up.
    static WORDS: RefCell<Vec<Word>> = RefCell::default();
}

/// A word that is new.
pub(super) fn made(word: &Word) {
    if learnt::explored() {
        word.make();
    } else {
        WORDS.with_borrow_mut(|words| words.push(word.clone()));
    }
}

fn make_words() {
    copies::make();
    WORDS.take().iter().for_each(Word::make);
}

/// A thread of the current execution. Words are made before the first, so that they come before all threads.
pub(super) fn spawn(body: impl FnOnce() + 'static) {
    make_words();
    let thread = ::loom::thread::spawn(body);
    steps::spawned(thread.thread().id());
}

/// A full fence. Set-up needs none.
pub(super) fn fence() {
    if learnt::explored() {
        ::loom::sync::atomic::fence(SeqCst);
    }
}

/// Ends the set-up of an execution: what follows is explored. Called by the first thread once, after
/// it has spawned the others.
pub fn explore_from_here() {
    make_words();
    learnt::explored_from_here();
    loom::explore();
}
