//! The execution that a worker is in: its threads, their words, and where the search stands.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use mmu386::arch::WordName;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::conflicts::{Accessed, Users};
use super::digest::{OWNED, key_of, share};
use super::path::{Move, Path};
use super::search::Search;
use super::thread::{Buffered, MOST, Observed, Pending, Thread};
use crate::engine::{self, Access, Mode, Sharing, Word};

/// What the explorer needs of the machine whose words it has.
pub trait Host {
    /// All state that is not in words and owned cells.
    fn digest(&self, state: &mut dyn Hasher);
    /// A store of CPU `cpu` has reached memory. The word held `old` before.
    fn reached_memory(&self, cpu: usize, word: &Word, old: u32);
    /// Somebody rested until the word would change, which it did, and now holds the old value again,
    /// before the one who rested has looked.
    fn held_back(&self, word: &Word);
    /// Everybody is done, and all stores have reached memory.
    fn ended(&self);
    /// No end can be reached from here, though perhaps somebody can always go on.
    fn stuck(&self, somebody_can: bool);
}

/// What the explorer keeps of a word.
pub struct WordState {
    key: u64,
    sharing: Sharing,
    /// Walkers of other CPUs may read it at any time.
    walked: bool,
    users: Cell<Option<Users>>,
    stamps: Stamps,
}

/// What it keeps of an owned value.
pub struct CellState {
    key: u64,
    now: Cell<u64>,
    stamps: Stamps,
}

/// Per thread, its latest read and its latest write, by its count of such accesses.
#[derive(Default)]
struct Stamps([Cell<(u32, u32)>; MOST]);

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
    cells: u64,
    pub(super) host: Option<Rc<dyn Host>>,
    pub(super) path: Path,
    pub(super) preemptions: usize,
}

thread_local! {
    static EXECUTION: RefCell<Option<Execution>> = const { RefCell::new(None) };
}

/// Gives a worker its execution.
pub(super) fn install(search: Arc<Search>) {
    engine::set_mode(if search.tso { Mode::Tso } else { Mode::Sc });
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
        host: None,
        path: Path::default(),
        preemptions: 0,
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
    // shuttle does not model time: this is a context switch and nothing else.
    shuttle::thread::sleep(std::time::Duration::ZERO);
    if with(|x| x.leaving) {
        // shuttle could drop what is left of a thread, but not use its stack again then.
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
        self.exploring = false;
        self.leaving = false;
        self.hopeless = false;
        self.threads.clear();
        self.bodies.clear();
        self.current = 0;
        self.memory = 0;
        self.cells = 0;
        self.host = None;
        self.preemptions = 0;
    }

    pub(super) fn me(&mut self) -> &mut Thread {
        &mut self.threads[self.current]
    }

    fn holds(&mut self, key: u64, old: Option<u64>, new: u64) {
        if let Some(old) = old {
            self.memory = self.memory.wrapping_sub(share(key, old));
        }
        self.memory = self.memory.wrapping_add(share(key, new));
    }

    fn users(&self, state: &WordState) -> Users {
        state.users.get().unwrap_or_else(|| {
            let users = self.search.applied.of(state.key);
            state.users.set(Some(users));
            users
        })
    }

    /// Notes an access of the running thread.
    fn accesses(&self, state: &WordState, writes: bool) -> Users {
        let users = self.users(state);
        let thread = self.current;
        let Thread { phase, in_handler, .. } = self.threads[thread];
        let accessed = Accessed { thread, phase, in_handler, writes };
        if !users.includes(accessed) {
            self.search.note(state.key, accessed);
        }
        users
    }

    /// Whether an access of the running thread is a step of the interleaving.
    fn contended(&self, state: &WordState, users: &Users, writes: bool) -> bool {
        let phases = self.threads.iter().map(|thread| thread.phase);
        // What another thread has stored may have yet to reach memory.
        let on_its_way = |(n, thread): (usize, &Thread)| {
            n != self.current && thread.buffer.iter().any(|store| store.key == state.key)
        };
        state.sharing == Sharing::Shared
            && (!self.search.limits.reduce
                || writes && state.walked
                || users.contended(self.current, writes, phases)
                || self.threads.iter().enumerate().any(on_its_way))
    }

    /// The running thread accesses what belongs to one at a time.
    fn owns(&mut self, stamps: &Stamps, writes: bool) {
        let clash = (0..self.threads.len()).any(|n| {
            let (read, written) = stamps.0[n].get();
            let latest = if writes { read.max(written) } else { written };
            n != self.current && latest > self.threads[n].released
        });
        if clash {
            panic!("race: two threads touch what only one may own, and nothing orders them");
        }
        let current = self.current;
        let me = self.me();
        me.accesses += 1;
        let now = me.accesses;
        let (read, written) = stamps.0[current].get();
        stamps.0[current].set(if writes { (read, now) } else { (now, written) });
    }

    /// The digest of the state that the execution is in.
    pub(super) fn key(&self) -> u128 {
        let mut state = SipHasher13::new();
        self.memory.hash(&mut state);
        for thread in &self.threads {
            thread.hash(&mut state);
        }
        if let Some(host) = &self.host {
            host.digest(&mut state);
        }
        if self.search.limits.preemptions.is_some() {
            (self.current, self.preemptions).hash(&mut state);
        }
        state.finish128().as_u128()
    }

    /// Takes the oldest store of a thread out of its buffer.
    pub(super) fn drained(&mut self, thread: usize) -> Buffered {
        let thread = &mut self.threads[thread];
        let store = thread.buffer.pop_front().expect("a thread with stores drains");
        thread.released = thread.released.max(store.accesses);
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
            let dear = n != self.current && self.threads[self.current].enabled();
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

impl WordState {
    pub(in crate::engine) fn new(name: WordName, value: u32, sharing: Sharing) -> Self {
        let key = key_of(name);
        if sharing != Sharing::Hint {
            with(|x| x.holds(key, None, value.into()));
        }
        let walked = matches!(name, WordName::Entry(..));
        Self { key, sharing, walked, users: Cell::new(None), stamps: Stamps::default() }
    }
}

impl Word {
    /// Tells it from all others.
    pub(super) fn key(&self) -> u64 {
        self.explored().map_or(0, |state| state.key)
    }

    /// The word has a new value in memory. Returns the old one.
    pub(super) fn write(&self, state: &WordState, value: u32) -> u32 {
        let old = self.set_now(value);
        if value == old || state.sharing == Sharing::Hint {
            return old;
        }
        with(|x| x.holds(state.key, Some(old.into()), value.into()));
        let held_back = exploring(|x| {
            let anybody = x.threads.iter().any(|thread| thread.held_back(state.key, value));
            x.host.clone().filter(|_| anybody)
        });
        if let Some(host) = held_back.flatten() {
            host.held_back(self);
        }
        old
    }
}

impl CellState {
    pub(in crate::engine) fn new(value: u64) -> Self {
        let key = with(|x| {
            x.cells += 1;
            let key = OWNED | x.cells;
            x.holds(key, None, value);
            key
        });
        Self { key, now: Cell::new(value), stamps: Stamps::default() }
    }
}

pub(in crate::engine) fn owned_read(cell: &CellState, value: u64) {
    exploring(|x| {
        x.owns(&cell.stamps, false);
        x.me().observed.noticed(value);
    });
}

pub(in crate::engine) fn owned_write(cell: &CellState, value: u64) {
    let old = cell.now.replace(value);
    if old != value {
        with(|x| x.holds(cell.key, Some(old), value));
    }
    exploring(|x| x.owns(&cell.stamps, true));
}

/// Waits until the running thread may make an access to a word. Returns whether it matters if an
/// interrupt comes before it.
pub(in crate::engine) fn request(state: &WordState, access: Access) -> bool {
    if state.sharing == Sharing::Hint {
        return false;
    }
    let waits = exploring(|x| {
        let writes = access != Access::Load;
        let users = x.accesses(state, writes);
        let contended = x.contended(state, &users, writes);
        let tso = x.search.tso;
        let me = x.me();
        let waits = match access {
            // Even where the thread has stored to the word: that may reach memory, and be
            // overwritten, first.
            Access::Load => contended,
            // It reaches memory in a step of its own.
            Access::Store => contended && !tso,
            Access::Locked => contended || !me.buffer.is_empty(),
        };
        if waits {
            let drains = access == Access::Locked;
            me.pending = Pending::Step { what: state.key, drains };
        } else {
            me.granted = Some(state.key);
        }
        let all = !x.search.limits.reduce;
        (waits, waits || all || users.handled(writes))
    });
    let Some((waits, matters)) = waits else { return false };
    if waits {
        switch();
        exploring(|x| x.me().granted = Some(state.key));
    }
    matters
}

fn requested(state: &WordState, access: Access) {
    if state.sharing == Sharing::Hint {
        return;
    }
    let granted = exploring(|x| x.me().granted.take() == Some(state.key));
    if granted == Some(false) {
        request(state, access);
        exploring(|x| x.me().granted = None);
    }
}

pub(in crate::engine) fn load(word: &Word, state: &WordState) -> u32 {
    requested(state, Access::Load);
    let seen = exploring(|x| {
        if state.sharing == Sharing::Owned {
            x.owns(&state.stamps, false);
        }
        let me = x.me();
        me.woken = me.woken.filter(|(word, _)| *word != state.key);
        let value = me.sees(word);
        if state.sharing != Sharing::Hint {
            me.observed.looked(state.key, value);
        }
        value
    });
    seen.unwrap_or_else(|| word.now())
}

pub(in crate::engine) fn store(word: &Word, state: &WordState, value: u32) -> Option<u32> {
    requested(state, Access::Store);
    let buffered = exploring(|x| {
        match state.sharing {
            Sharing::Hint => return false,
            Sharing::Owned => {
                x.owns(&state.stamps, true);
                return false;
            }
            Sharing::Shared => {}
        }
        let users = x.users(state);
        let contended = x.contended(state, &users, true);
        let tso = x.search.tso;
        let me = x.me();
        // Stores stay in order.
        let delayed = tso && (contended || !me.buffer.is_empty());
        me.observed.did((state.key, value));
        if delayed {
            let accesses = me.accesses;
            let (word, key) = (word.clone(), state.key);
            me.buffer.push_back(Buffered { word, key, value, contended, accesses });
        } else {
            me.released = me.accesses;
        }
        delayed
    });
    (buffered != Some(true)).then(|| word.write(state, value))
}

pub(in crate::engine) fn locked(
    word: &Word,
    state: &WordState,
    new: impl FnOnce(u32) -> u32,
) -> u32 {
    requested(state, Access::Locked);
    let old = word.now();
    let value = new(old);
    exploring(|x| match state.sharing {
        Sharing::Hint => {}
        Sharing::Owned => x.owns(&state.stamps, true),
        Sharing::Shared => {
            let me = x.me();
            me.released = me.accesses;
            if old == value {
                me.observed.looked(state.key, old);
            } else {
                me.observed.did((state.key, old));
            }
        }
    });
    word.write(state, value);
    old
}

/// What the running thread has stored to a word that has not reached memory.
pub(in crate::engine) fn forwarded(word: &Word) -> Option<u32> {
    exploring(|x| x.me().forwarded(word)).flatten()
}

/// Whether other threads write a word.
pub(in crate::engine) fn contended(state: &WordState) -> bool {
    exploring(|x| x.contended(state, &x.users(state), false)).unwrap_or(false)
}

pub(super) fn take_observed() -> Option<Observed> {
    exploring(|x| {
        x.me().in_handler = true;
        let inner = x.me().observed.inner();
        std::mem::replace(&mut x.me().observed, inner)
    })
}
