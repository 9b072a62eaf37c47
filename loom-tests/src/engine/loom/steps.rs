//! The steps of the current execution in RMW mode, for all that goes by them.
//!
//! A step is an access that loom branches before, with what is joined to it and all that the thread does until its
//! next access: nobody comes in between.

use std::cell::RefCell;
use std::hash::BuildHasher;
use std::panic::Location;

use foldhash::quality::FixedState;
use loom::thread::ThreadId;
use mmu386::arch::WordName;

use super::copies::is_joined;
use super::order::{How, Order, Which};
use super::orders::Orders;
use super::sleep::Sleep;

/// Threads of an execution but for the first.
pub(super) const THREADS: usize = 4;

/// A word that a step has accessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Access {
    /// Names it in this execution.
    pub(super) id: usize,
    /// Names it in all.
    pub(super) key: u64,
    /// It was changed, not just loaded.
    pub(super) update: bool,
}

#[derive(Default)]
struct Steps {
    /// Set-up is over, and threads go on.
    on: bool,
    /// How many executions go by unseen for each that is looked at, and how many are still to.
    unseen: u32,
    left: u32,
    /// Words of this execution.
    words: Vec<WordName>,
    threads: Vec<ThreadId>,
    /// The thread that is in a step.
    current: Option<usize>,
    order: Order,
    sleep: Sleep,
    orders: Orders,
}

thread_local! {
    static STEPS: RefCell<Steps> = RefCell::default();
}

/// With a bound of preemptions, one execution in so many is looked at, which is a sample; without, all are.
const SAMPLE: u32 = 16;

/// An exploration begins, with a bound of preemptions or without. `sleep` says whether it may leave out executions
/// that differ from others in the order of steps that commute: not with a bound, which might then leave out the
/// others.
pub fn explore(bounded: bool, sleep: bool) {
    let unseen = if bounded { SAMPLE - 1 } else { 0 };
    STEPS.with_borrow_mut(|steps| {
        *steps = Steps { unseen, sleep: Sleep::new(sleep && !bounded), ..Steps::default() };
    });
}

/// Whether the current execution is looked at.
pub(in crate::engine) fn seen() -> bool {
    STEPS.with_borrow(|steps| steps.left == 0)
}

/// An execution begins.
pub(super) fn rewind() {
    end();
    STEPS.with_borrow_mut(|steps| {
        steps.left = steps.left.checked_sub(1).unwrap_or(steps.unseen);
        steps.words.clear();
        steps.threads.clear();
        steps.current = None;
        steps.order.rewind();
        steps.sleep.rewind();
        steps.orders.rewind();
    });
}

/// A word of the execution. Returns what names it there, and in all.
pub(super) fn word(name: WordName) -> (usize, u64) {
    let key = FixedState::default().hash_one(name);
    STEPS.with_borrow_mut(|steps| {
        steps.words.push(name);
        (steps.words.len() - 1, key)
    })
}

/// A thread of the execution, in an order that is the same in each.
pub(in crate::engine) fn spawned(thread: ThreadId) {
    STEPS.with_borrow_mut(|steps| steps.threads.push(thread));
}

/// From here on steps are explored.
pub(super) fn begin() {
    STEPS.with_borrow_mut(|steps| steps.on = steps.left == 0);
}

/// From here on nobody steps any more.
pub fn end() {
    STEPS.with_borrow_mut(|steps| {
        if std::mem::take(&mut steps.on) {
            steps.close();
            if !steps.sleep.over() {
                steps.orders.end();
            }
        }
    });
}

/// How many orders of steps that conflict the exploration has seen, and what names the set of them.
pub fn orders() -> (usize, u64) {
    end();
    STEPS.with_borrow(|steps| steps.orders.all())
}

/// Two steps that conflict over what loom does not see, and that nothing orders, if some execution had such.
pub fn fault() -> Option<String> {
    end();
    STEPS.with_borrow(|steps| steps.order.fault().map(String::from))
}

/// The calling thread accesses a word.
pub(super) fn accessed(access: Access) {
    with(|steps, me| {
        steps.step(me);
        steps.order.accessed(me, access);
        steps.sleep.accessed(access);
        steps.orders.accessed(access);
    });
}

/// The calling thread takes a step that conflicts with none.
pub(super) fn alone() {
    with(Steps::step);
}

/// The calling thread takes such a step, and loom chooses what comes of it.
pub(super) fn chosen(value: usize) {
    with(|steps, me| {
        steps.step(me);
        steps.sleep.chosen(value);
        steps.orders.chosen(value);
    });
}

/// The calling thread touches something that loom does not see.
#[track_caller]
pub(in crate::engine) fn touch(which: Which, how: How) {
    let place = Location::caller();
    with(|steps, me| {
        if !steps.order.is_in(me) {
            // It goes on after a rest: what it does is no part of a step.
            steps.close();
            steps.order.begin(me);
        }
        steps.order.touch(which, how, place);
    });
}

/// Once set-up is over, and for those threads that step.
fn with(does: impl FnOnce(&mut Steps, usize)) {
    STEPS.with_borrow_mut(|steps| {
        if steps.on
            && let Some(me) = steps.me()
        {
            does(steps, me);
        }
    });
}

impl Steps {
    /// The calling thread. The first one, which has spawned the others, takes no step.
    fn me(&self) -> Option<usize> {
        let id = loom::thread::current().id();
        self.threads.iter().position(|thread| *thread == id)
    }

    /// A step of this thread begins, or goes on.
    fn step(&mut self, me: usize) {
        if is_joined() && self.current == Some(me) {
            return;
        }
        self.close();
        self.current = Some(me);
        self.order.begin(me);
        self.orders.begin(me);
        self.sleep.begin(me);
    }

    /// The current step is over.
    fn close(&mut self) {
        self.order.close(&self.words);
        self.orders.close();
        self.sleep.close();
        self.current = None;
    }
}
