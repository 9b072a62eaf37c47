//! Several processes that do the same, and meeting points for them.

use core::sync::atomic::{AtomicUsize, Ordering};

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::context::Context;
use crate::clock;
use crate::proc::{NOBODY, Proc, State, kproc};
use crate::sched::{self, sleep, wakeup};

/// Runs `body(i)` in `n` processes and waits until all have ended. Process `i` is wired to
/// `wired(i)`, or migrates.
pub fn crew(
    name: &'static &'static str,
    n: usize,
    wired: impl Fn(usize) -> Option<usize>,
    body: impl Fn(usize) + Send + Sync + 'static,
) {
    let crew = start(name, n, wired, body);
    sleep(channel(&crew.left), || crew.is_done());
    crew.bury();
}

/// How long an auditor waits from one look to the next.
const PAUSE_US: u64 = 100_000;

/// As `crew`, and stops the world for an audit now and then.
pub fn audited_crew(
    context: &Context,
    name: &'static &'static str,
    n: usize,
    wired: impl Fn(usize) -> Option<usize>,
    body: impl Fn(usize) + Send + Sync + 'static,
) {
    let crew = start(name, n, wired, body);
    let mut last = clock::tsc();
    while !crew.is_done() {
        sched::relax();
        if clock::since(last) > PAUSE_US {
            context.audit();
            last = clock::tsc();
        }
    }
    crew.bury();
}

/// Processes that were started together.
pub struct Crew {
    /// Those that have not ended.
    left: Arc<AtomicUsize>,
    people: Vec<&'static Proc>,
}

impl Crew {
    /// Whether all have ended.
    pub fn is_done(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }

    /// Waits until the processes, which have ended, have given back all that they had.
    pub fn bury(&self) {
        let gone = |p: &&Proc| p.state() == State::Dead && p.mach.load(Ordering::SeqCst) == NOBODY;
        while !self.people.iter().all(gone) {
            sched::relax();
        }
    }
}

/// Starts processes as `crew` does, and waits for nobody.
pub fn start(
    name: &'static &'static str,
    n: usize,
    wired: impl Fn(usize) -> Option<usize>,
    body: impl Fn(usize) + Send + Sync + 'static,
) -> Crew {
    let left = Arc::new(AtomicUsize::new(n));
    let body = Arc::new(body);
    let people = (0..n).map(|i| {
        let (left, body) = (left.clone(), body.clone());
        kproc(name, wired(i), move || {
            body(i);
            drop(body);
            left.fetch_sub(1, Ordering::SeqCst);
            wakeup(channel(&left));
        })
    });
    let people = people.collect();
    Crew { left, people }
}

fn channel(left: &Arc<AtomicUsize>) -> usize {
    Arc::as_ptr(left) as usize
}

/// Where `n` processes wait for each other.
pub struct Barrier {
    n: usize,
    /// Arrivals since the beginning.
    came: AtomicUsize,
}

impl Barrier {
    /// A barrier for `n` processes.
    pub fn new(n: usize) -> Barrier {
        Barrier { n, came: AtomicUsize::new(0) }
    }

    /// Waits until all of this round came.
    pub fn wait(&self) {
        let ticket = self.came.fetch_add(1, Ordering::SeqCst);
        let full = (ticket / self.n + 1) * self.n;
        let channel = &raw const *self as usize;
        if ticket + 1 == full {
            wakeup(channel);
        }
        sleep(channel, || self.came.load(Ordering::SeqCst) >= full);
    }
}
