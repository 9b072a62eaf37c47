//! The execution that a worker is in: its threads, what they run, and where the search stands.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use mmu386::arch::WordName;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::commute::{self, Part};
use super::defect::{self, Defect, has};
use super::digest::share;
use super::forgotten::Way;
use super::loops::Proof;
use super::observed::Observed;
use super::path::{Move, Path};
use super::search::Search;
use super::thread::{Buffered, Pending, Thread};
use crate::engine::{self, Mode, Word};

/// What the explorer needs of the machine whose words it has.
pub trait Host {
    /// How many parts its state has, beside words and owned values. Where it reads or writes one, it says so by
    /// [`touches`](super::touches).
    fn parts(&self) -> usize;
    /// What one of these parts is.
    fn digest(&self, part: usize, state: &mut dyn Hasher);
    /// A store of CPU `cpu` has reached memory. The word held `old` before.
    fn reached_memory(&self, cpu: usize, word: &Word, old: u32);
    /// Whether [`held_back`](Self::held_back) minds anybody.
    fn minds_who_is_held_back(&self) -> bool;
    /// A thread rested until the word would change, which it did, and now holds the old value again,
    /// before the thread has looked.
    fn held_back(&self, word: &Word);
    /// Everybody is done, and all stores have reached memory.
    fn ended(&self);
    /// No end can be reached from here, though perhaps somebody can always go on.
    fn stuck(&self, somebody_can: bool);
}

/// What the parts of a state are, which one of its kind, and its digest.
pub(super) type Parts = Vec<(&'static str, usize, u64)>;

/// One worker's execution.
pub(super) struct Execution {
    pub(super) search: Arc<Search>,
    /// Set-up is over, and the execution has not ended.
    pub(super) exploring: bool,
    /// The execution is over before its threads are: they unwind.
    pub(super) leaving: bool,
    /// From where it is no end can be reached.
    pub(super) hopeless: bool,
    pub(super) threads: Vec<Thread>,
    pub(super) bodies: VecDeque<Box<dyn FnOnce()>>,
    /// The thread that runs.
    pub(super) current: usize,
    /// The sum of what words and owned cells hold, each as a digest of which and what.
    memory: u128,
    pub(super) cells: u64,
    /// Keys of the words so far, in a worker's first execution: the same words are made in each.
    names: Option<HashSet<u64>>,
    pub(super) host: Option<Rc<dyn Host>>,
    pub(super) path: Path,
    pub(super) way: Way,
    pub(super) preemptions: usize,
    /// A thread runs alone.
    pub(super) proof: Option<Proof>,
    /// The thread that ran last was shown to go round.
    pub(super) goes_round: bool,
    /// It is not the worker's first.
    began: bool,
}

thread_local! {
    static EXECUTION: RefCell<Option<Execution>> = const { RefCell::new(None) };
}

/// Gives a worker its execution.
pub(super) fn install(search: Arc<Search>) {
    defect::plant(search.limits.defect);
    engine::set_mode(if search.tso { Mode::Tso } else { Mode::Sc });
    let path = Path::start(Vec::new(), search.limits.backward);
    let execution = Execution {
        search,
        exploring: false,
        leaving: false,
        hopeless: false,
        threads: Vec::new(),
        bodies: VecDeque::new(),
        current: 0,
        memory: 0,
        cells: 0,
        names: None,
        host: None,
        path,
        way: Way::default(),
        preemptions: 0,
        proof: None,
        goes_round: false,
        began: false,
    };
    EXECUTION.set(Some(execution));
}

/// Does something with the worker's execution.
pub(super) fn with<R>(f: impl FnOnce(&mut Execution) -> R) -> R {
    EXECUTION.with_borrow_mut(|x| f(x.as_mut().expect("the explorer runs on this thread")))
}

/// The same while threads are explored; `None` in set-up and at the end.
pub(super) fn exploring<R>(f: impl FnOnce(&mut Execution) -> R) -> Option<R> {
    EXECUTION.with_borrow_mut(|x| x.as_mut().filter(|x| x.exploring).map(f))
}

/// What a thread unwinds with.
struct Leaving;

/// Lets others run, until it is this thread's turn, or the execution is over.
pub(super) fn switch() {
    let me = with(|x| x.current);
    // shuttle does not model time: this is a context switch and nothing else.
    shuttle::thread::sleep(std::time::Duration::ZERO);
    if with(|x| x.leaving && !x.threads[me].unwinds) {
        // shuttle could drop what is left of a thread, but not use its stack again then.
        std::panic::resume_unwind(Box::new(Leaving));
    }
}

/// The running thread unwinds by itself, up to the code that waits for that, or does so no more. An execution that
/// is over meanwhile cannot unwind it once more, and lets it come so far.
pub(super) fn unwinds(begins: bool) {
    let leaves = EXECUTION.with_borrow_mut(|x| {
        let Some(x) = x.as_mut().filter(|x| !x.threads.is_empty()) else { return false };
        x.me().unwinds = begins;
        x.leaving && !begins
    });
    if leaves {
        std::panic::resume_unwind(Box::new(Leaving));
    }
}

/// The first thread has set up; comes back at the end.
pub(super) fn set_up() {
    shuttle::thread::sleep(std::time::Duration::ZERO);
}

/// Runs a thread from its start until it ends or leaves.
pub(super) fn run_thread() {
    let body = with(|x| if x.leaving { None } else { x.bodies.pop_front() });
    let Some(body) = body else { return };
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)) {
        Ok(()) => {
            exploring(|x| x.me().pending = Pending::Done);
        }
        Err(panic) if panic.is::<Leaving>() => {}
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

impl Execution {
    /// Forgets the last execution.
    pub(super) fn reset(&mut self) {
        commute::rewind();
        self.exploring = false;
        self.leaving = false;
        self.hopeless = false;
        self.threads.clear();
        self.bodies.clear();
        self.current = 0;
        self.memory = 0;
        self.cells = 0;
        self.names =
            if std::mem::replace(&mut self.began, true) { None } else { Some(HashSet::new()) };
        self.host = None;
        self.preemptions = 0;
        self.proof = None;
        self.goes_round = false;
    }

    /// A word is made.
    ///
    /// # Panics
    /// If another one has the same key: both would be one word to the explorer.
    pub(super) fn names(&mut self, key: u64, name: WordName) {
        let new = self.names.as_mut().is_none_or(|names| names.insert(key));
        assert!(new, "two words are called {name:?}, and the explorer would take them for one");
    }

    pub(super) fn me(&mut self) -> &mut Thread {
        &mut self.threads[self.current]
    }

    pub(super) fn holds(&mut self, key: u64, old: Option<u64>, new: u64) {
        if let Some(old) = old {
            self.memory = self.memory.wrapping_sub(share(key, old));
        }
        self.memory = self.memory.wrapping_add(share(key, new));
    }

    /// The digest of the state that the execution is in: a sum over its parts, so that what a step adds to it does
    /// not depend on parts that the step does not touch.
    pub(super) fn key(&self) -> u128 {
        self.key_by(|_, observed| Some(observed.digest))
    }

    /// The same with what calls have observed that have returned.
    pub(super) fn key_of_all(&self) -> u128 {
        self.key_by(|_, observed| Some(observed.all))
    }

    /// The same without what one thread has observed.
    pub(super) fn key_without(&self, one: usize) -> u128 {
        self.key_by(|n, observed| (n != one).then_some(observed.digest))
    }

    /// The same by a digest of what each thread has observed.
    fn key_by(&self, digest: impl Fn(usize, &Observed) -> Option<u128>) -> u128 {
        let mut sum = self.memory;
        self.each_part(digest, &mut |_, _, part| sum = sum.wrapping_add(part));
        sum
    }

    /// The parts of the state, each with what tells it from the others, for a report of what differs.
    pub(super) fn parts(&self) -> Parts {
        let mut parts = vec![("memory", 0, self.memory as u64)];
        let digest = |_, observed: &Observed| Some(observed.digest);
        self.each_part(digest, &mut |what, n, part| parts.push((what, n, part as u64)));
        for (n, thread) in self.threads.iter().enumerate() {
            let mut add = |what: &'static str, hash: &dyn Fn(&mut SipHasher13)| {
                let mut state = SipHasher13::new();
                hash(&mut state);
                parts.push((what, n, state.finish()));
            };
            add("what was observed by thread", &|state| thread.observed.digest.hash(state));
            add("the phase of thread", &|state| thread.observed.phase.hash(state));
            add("CPU, owned values and what is over of thread", &|state| {
                thread.hash_context(state)
            });
            add("the wait loop of thread", &|state| thread.observed.hash_turn(state));
            add("the next step of thread", &|state| thread.hash_pending(state));
        }
        parts
    }

    fn each_part(
        &self,
        digest: impl Fn(usize, &Observed) -> Option<u128>,
        part: &mut dyn FnMut(&'static str, usize, u128),
    ) {
        let mut add = |what: &'static str, n: usize, hash: &dyn Fn(&mut SipHasher13)| {
            let mut state = SipHasher13::new();
            (what, n).hash(&mut state);
            hash(&mut state);
            part(what, n, state.finish128().as_u128());
        };
        for (n, thread) in self.threads.iter().enumerate() {
            add("thread", n, &|state| {
                if let Some(digest) = digest(n, &thread.observed) {
                    (digest, thread.observed.phase).hash(state);
                    thread.hash_context(state);
                    thread.observed.hash_turn(state);
                }
                thread.hash_pending(state);
            });
            if !has(Defect::BuffersAreOne) {
                add("store buffer of thread", n, &|state| thread.hash_buffer(state));
            }
        }
        if let Some(host) = &self.host {
            (0..host.parts()).for_each(|n| add("host part", n, &|state| host.digest(n, state)));
        }
        if self.search.limits.preemptions.is_some() {
            add("preemptions of thread", self.current, &|state| self.preemptions.hash(state));
        }
    }

    /// Takes the oldest store of a thread out of its buffer.
    pub(super) fn drained(&mut self, thread: usize) -> Buffered {
        commute::writes(Part::Buffer(thread));
        let thread = &mut self.threads[thread];
        let store = thread.buffer.pop_front().expect("a thread with stores drains");
        commute::writes(Part::Word(store.key));
        if store.contended {
            thread.released = thread.released.max(store.accesses);
        }
        store
    }

    /// A thread whose oldest store concerns nobody else.
    pub(super) fn drains(&self) -> Option<usize> {
        let first = |thread: &Thread| thread.buffer.front().is_some_and(|store| !store.contended);
        self.threads.iter().position(first)
    }

    /// What can happen next, what the thread that ran last can do first.
    pub(super) fn moves(&self) -> Vec<Move> {
        let order = (0..self.threads.len()).map(|n| (self.current + n) % self.threads.len());
        let left = self.search.limits.preemptions.map(|most| most - self.preemptions);
        let mut moves = Vec::new();
        for n in order {
            let thread = &self.threads[n];
            // Leaving a thread that can go on is a preemption.
            let dear = n != self.current && self.threads[self.current].is_preempted();
            if thread.enabled() && !(dear && left == Some(0)) {
                moves.push(Move::Run(n as u8));
            }
            if !thread.buffer.is_empty() {
                moves.push(Move::Drain(n as u8));
            }
        }
        moves
    }
}

pub(super) fn take_observed() -> Option<Observed> {
    exploring(|x| {
        x.me().in_handler = true;
        let inner = x.me().observed.inner();
        std::mem::replace(&mut x.me().observed, inner)
    })
}
