//! All that the executions of a small program come to.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::execution::with;
use super::search::{Found, Limits, Size, search};

/// What the executions of the search's current round have come to. Those of a round that learnt of
/// conflicts do not count: what the last round leaves out, the reduction must not have lost.
#[derive(Debug, Clone)]
pub struct Outcomes<T>(Arc<Mutex<(usize, BTreeSet<T>)>>);

impl<T: Ord> Outcomes<T> {
    /// The current execution comes to this. All that tells it from what others come to must be in
    /// memory, or have been observed: a state that was met before is not explored again.
    /// An execution that is left before its end comes to nothing.
    pub fn add(&self, outcome: T) {
        let (round, leaving) = with(|x| (x.search.round, x.leaving));
        if leaving {
            return;
        }
        let mut found = self.0.lock().expect("no panic while it is held");
        if found.0 != round {
            *found = (round, BTreeSet::new());
        }
        found.1.insert(outcome);
    }
}

/// Explores all executions of `body`, which sets up, spawns threads, and ends set-up. Returns what
/// they come to. `reduce` is [`Limits::reduce`].
///
/// # Panics
/// If no end can be reached from somewhere, or if `body` or a thread of it panics.
pub fn outcomes<T: Ord + Send + 'static>(
    tso: bool,
    reduce: bool,
    body: impl Fn(&Outcomes<T>) + Send + Sync + Clone + 'static,
) -> BTreeSet<T> {
    let limits = Limits {
        workers: 1,
        memory: 1 << 30,
        preemptions: None,
        reduce,
        check: false,
        backward: false,
        defect: None,
    };
    let (found, size, outcomes) = explored(tso, limits, body);
    assert_eq!(found, Found::Everything, "{size:?}");
    outcomes
}

/// The same within limits. Returns what came of the search, and all that the executions of its last
/// round have come to.
///
/// # Panics
/// If `body` or a thread of it panics, or its host does where nobody can go on.
pub fn explored<T: Ord + Send + 'static>(
    tso: bool,
    limits: Limits,
    body: impl Fn(&Outcomes<T>) + Send + Sync + Clone + 'static,
) -> (Found, Size, BTreeSet<T>) {
    let outcomes = Outcomes(Arc::new(Mutex::new((0, BTreeSet::new()))));
    let inside = outcomes.0.clone();
    let (found, size) = search(tso, limits, move || body(&Outcomes(inside.clone())));
    let mut outcomes = outcomes.0.lock().expect("no worker panicked");
    (found, size, std::mem::take(&mut outcomes.1))
}
