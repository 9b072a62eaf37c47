//! The search through all states of a model, by several workers, in rounds.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};

use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

use super::commute::SAMPLE;
use super::conflicts::{Accessed, Conflicts};
use super::defect::{Defect, has};
use super::execution::{install, with};
use super::forgotten::Forgotten;
use super::path::{Node, Path};
use super::scheduler::Explorer;
use super::seen::{BYTES_PER_STATE, Seen, cannot_end};

/// How far a search goes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Threads of the host that explore.
    pub workers: usize,
    /// Most memory for states, in bytes.
    pub memory: u64,
    /// Most preemptions per execution; none if unlimited.
    pub preemptions: Option<usize>,
    /// Whether accesses that concern nobody else are made at once. Without, every access to a word
    /// that may be shared is a step: to check the reduction.
    pub reduce: bool,
    /// Whether steps that could be left out because they commute are made all the same, and compared.
    pub check: bool,
    /// Whether the last of several ways to go on is tried first. It must make no difference: of two states with one
    /// digest, the one that is reached first is explored.
    pub backward: bool,
    /// A defect of the explorer's own, to see which test notices.
    pub defect: Option<Defect>,
}

/// What came of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// All states were met, and an end can be reached from each.
    Everything,
    /// From so many states no end can be reached, though somebody can always go on.
    Livelock(usize),
    /// Memory ran out.
    OutOfMemory,
}

/// The size of a search's last round.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// States.
    pub states: u64,
    /// Executions, most of them ended at a state that was met before.
    pub executions: u64,
    /// Rounds, to learn which words are contended.
    pub rounds: usize,
}

/// What all workers of a round share.
pub(super) struct Search {
    pub(super) limits: Limits,
    pub(super) tso: bool,
    pub(super) round: usize,
    /// What is taken for known of conflicts.
    pub(super) applied: Conflicts,
    learnt: Mutex<Conflicts>,
    contradicted: AtomicBool,
    /// Two threads touched what one of them owned, as far as is known of conflicts.
    raced: AtomicBool,
    /// That has happened in a round without a contradiction, and is to be shown.
    shows_race: bool,
    out_of_memory: AtomicBool,
    pub(super) seen: Seen,
    pub(super) forgotten: Forgotten,
    /// States that are known to lead to no end.
    pub(super) hopeless: HashSet<u128>,
    edges: Mutex<Vec<(u32, u32)>>,
    ends: Mutex<Vec<u32>>,
    executions: AtomicU64,
    /// Executions after which the round ends, if it was contradicted.
    enough: AtomicU64,
    jobs: Mutex<Jobs>,
    changed: Condvar,
    /// Workers without work.
    hungry: AtomicUsize,
}

struct Jobs {
    open: Vec<Vec<Node>>,
    over: bool,
}

static STATES: AtomicU64 = AtomicU64::new(0);
static EXECUTIONS: AtomicU64 = AtomicU64::new(0);

/// States and executions so far of the round that goes on.
pub fn progress() -> (u64, u64) {
    (STATES.load(Relaxed), EXECUTIONS.load(Relaxed))
}

/// Explores all executions of `body`: set-up, then the threads that it spawns.
pub fn search(
    tso: bool,
    limits: Limits,
    body: impl Fn() + Send + Sync + Clone + 'static,
) -> (Found, Size) {
    let mut known = Conflicts::default();
    let mut hopeless = HashSet::new();
    let mut raced = false;
    for rounds in 1.. {
        let mut search = Search::new(tso, limits, known.clone(), rounds);
        if !hopeless.is_empty() {
            // Once more, to show how it comes to that.
            search.limits.workers = 1;
            search.hopeless = std::mem::take(&mut hopeless);
        }
        search.shows_race = raced;
        let limits = search.limits;
        let search = Arc::new(search);
        let workers: Vec<_> = (0..limits.workers)
            .map(|_| {
                let (search, body) = (search.clone(), body.clone());
                std::thread::spawn(move || {
                    let ends = Ends(search.clone());
                    install(search);
                    Runner::new(Explorer, config()).run(body);
                    drop(ends);
                })
            })
            .collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
        let size = Size {
            states: search.seen.count().into(),
            executions: search.executions.load(Relaxed),
            rounds,
        };
        if search.contradicted.load(Relaxed) {
            known.merge(&search.learnt.lock().expect("no worker panicked"));
        } else if search.raced.load(Relaxed) {
            raced = true;
        } else if search.out_of_memory.load(Relaxed) {
            return (Found::OutOfMemory, size);
        } else if search.hopeless.is_empty() && limits.preemptions.is_none() {
            // A bound keeps some threads from going on that otherwise could.
            if limits.defect != Some(Defect::LivelocksPass) {
                hopeless = search.cannot_end();
            }
            if hopeless.is_empty() {
                return (Found::Everything, size);
            }
        } else {
            let found = search.hopeless.len();
            return (if found == 0 { Found::Everything } else { Found::Livelock(found) }, size);
        }
    }
    unreachable!("conflicts are finitely many")
}

/// Ends the search for all workers where one of them panics: the others would wait for work from it.
struct Ends(Arc<Search>);

impl Drop for Ends {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.enough.store(0, Relaxed);
            self.0.finish();
        }
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 1 << 17;
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::None;
    config.silence_warnings = true;
    config
}

impl Search {
    fn new(tso: bool, limits: Limits, applied: Conflicts, round: usize) -> Self {
        STATES.store(0, Relaxed);
        EXECUTIONS.store(0, Relaxed);
        Self {
            limits,
            tso,
            round,
            applied,
            learnt: Mutex::default(),
            contradicted: AtomicBool::new(false),
            raced: AtomicBool::new(false),
            shows_race: false,
            out_of_memory: AtomicBool::new(false),
            seen: Seen::new(),
            forgotten: Forgotten::default(),
            hopeless: HashSet::new(),
            edges: Mutex::default(),
            ends: Mutex::default(),
            executions: AtomicU64::new(0),
            enough: AtomicU64::new(u64::MAX),
            jobs: Mutex::new(Jobs { open: vec![Vec::new()], over: false }),
            changed: Condvar::new(),
            hungry: AtomicUsize::new(0),
        }
    }

    /// A thread makes an access that nobody knew of.
    pub(super) fn note(&self, word: u64, accessed: Accessed) {
        if has(Defect::NothingIsLearnt) {
            return;
        }
        self.learnt.lock().expect("no panic while it is held").note(word, accessed);
        self.is_contradicted();
    }

    /// A race, if all is known of what orders accesses: a round that learns that a word is contended learns that stores
    /// to it order what comes before and after. Returns whether it is to be shown now. If not, the round goes on, and is
    /// made again to show it unless it is contradicted.
    pub(super) fn finds_race(&self) -> bool {
        self.raced.store(true, Relaxed);
        self.shows_race
    }

    fn is_contradicted(&self) {
        if !self.contradicted.swap(true, Relaxed) {
            // Going on for as long again saves rounds.
            let so_far = self.executions.load(Relaxed);
            self.enough.store(2 * so_far + 50, Relaxed);
        }
    }

    /// A thread in a loop without an end goes back from a phase to an earlier one.
    pub(super) fn goes_back(&self, thread: usize, first: u16, last: u16) {
        if self.applied.latest(thread, first) < last {
            self.learnt.lock().expect("no panic while it is held").goes_back(thread, first, last);
            self.is_contradicted();
        }
    }

    /// Whether steps may be left out that are known to lead to states that were met. With a bound, what
    /// threads can do goes by more than what they touch; and a round that looks for a way has to go there.
    pub(super) fn commuting(&self) -> bool {
        self.limits.reduce && self.limits.preemptions.is_none() && self.hopeless.is_empty()
    }

    /// Whether what is known of a state's steps, and what threads have forgotten there, is put to the test.
    pub(super) fn compares(&self, state: u128) -> bool {
        self.limits.check || state.is_multiple_of(SAMPLE)
    }

    /// Whether there is no point in going on.
    pub(super) fn over(&self) -> bool {
        if (u64::from(self.seen.count()) + self.forgotten.count()) * BYTES_PER_STATE
            > self.limits.memory
        {
            self.out_of_memory.store(true, Relaxed);
        }
        self.out_of_memory.load(Relaxed)
    }

    pub(super) fn edge(&self, from: u32, to: u32) {
        self.edges.lock().expect("no panic while it is held").push((from, to));
    }

    pub(super) fn end(&self, state: u32) {
        self.ends.lock().expect("no panic while it is held").push(state);
    }

    /// The states from which no end can be reached.
    fn cannot_end(&self) -> HashSet<u128> {
        let edges = self.edges.lock().expect("no panic while it is held");
        let ends = self.ends.lock().expect("no panic while it is held");
        self.seen.keys(&cannot_end(self.seen.count(), &edges, &ends))
    }

    /// Readies the calling worker for its next execution; `false` if there is none.
    pub(super) fn next_execution(&self) -> bool {
        self.executions.fetch_add(1, Relaxed);
        EXECUTIONS.store(self.executions.load(Relaxed), Relaxed);
        STATES.store(self.seen.count().into(), Relaxed);
        if self.over() || self.executions.load(Relaxed) > self.enough.load(Relaxed) {
            self.finish();
            return false;
        }
        if self.hungry.load(Relaxed) > 0 {
            let given = with(|x| x.path.donate());
            if !has(Defect::DonationsAreLost) {
                self.jobs.lock().expect("no panic while it is held").open.extend(given);
            }
            self.changed.notify_all();
        }
        if with(|x| x.path.next()) {
            return true;
        }
        let Some(job) = self.take_job() else { return false };
        with(|x| x.path = Path::start(job, self.limits.backward));
        true
    }

    fn finish(&self) {
        self.jobs.lock().expect("no panic while it is held").over = true;
        self.changed.notify_all();
    }

    fn take_job(&self) -> Option<Vec<Node>> {
        let mut jobs = self.jobs.lock().expect("no panic while it is held");
        self.hungry.fetch_add(1, Relaxed);
        while jobs.open.is_empty() && !jobs.over {
            if self.hungry.load(Relaxed) == self.limits.workers {
                jobs.over = true;
                self.changed.notify_all();
                break;
            }
            jobs = self.changed.wait(jobs).expect("no panic while it is held");
        }
        self.hungry.fetch_sub(1, Relaxed);
        if jobs.over { None } else { jobs.open.pop() }
    }
}
