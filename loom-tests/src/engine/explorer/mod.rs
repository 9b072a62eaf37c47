//! A stateful explorer of x86-TSO, on shuttle's scheduler.
//!
//! | room | what is in it |
//! |---|---|
//! | `search` | rounds, workers, limits, the verdict |
//! | `scheduler` | what shuttle asks: which thread runs next |
//! | `execution` | threads, what they run, the state's digest |
//! | `words` | accesses to words |
//! | `owned` | accesses to owned values, and races |
//! | `thread` | what a thread is about to do, its store buffer |
//! | `observed` | what a thread has observed, which tells where it is |
//! | `loops` | loops without an end |
//! | `commute` | steps that need not be made, as they lead to states that were met |
//! | `forgotten` | that what calls have observed makes no difference once they have returned |
//! | `conflicts` | which accesses are steps of the interleaving |
//! | `path` | depth-first search by replaying |
//! | `seen` | states that were met; from which no end can be reached |
//! | `defect` | defects that can be planted, to see which test notices |
//! | `digest` | 128 bits of anything |
//! | `outcomes` | all that executions come to, for small programs |
//!
//! A state is what is in memory, in store buffers and in TLBs, and what each thread has observed; one
//! that was met before is not explored again. Between two steps of the interleaving a thread does all
//! that concerns nobody else. A step that commutes with others is not made where the state that it leads to was
//! met already. A state is compared by a digest of 128 bits, so that there is a chance
//! of about n²/2¹²⁹ that one of n states was taken for another and not explored: below 10⁻²³ for the
//! hundred million states that fit in memory here.

mod commute;
mod conflicts;
mod defect;
mod digest;
mod execution;
mod forgotten;
mod loops;
mod observed;
mod outcomes;
mod owned;
mod path;
mod scheduler;
mod search;
mod seen;
mod thread;
mod words;

pub use defect::Defect;
pub(crate) use defect::has;
pub(super) use digest::Digestible;
pub use execution::Host;
pub use outcomes::{Outcomes, explored, outcomes};
pub use owned::Race;
pub(super) use owned::{CellState, owned_look, owned_read, owned_write};
pub use search::{Found, Limits, Size, progress, search};
pub(super) use words::{
    WordState, contended, forwarded, load, locked, looked_at, request, store, walk,
};

use std::hash::Hash;
use std::panic::Location;
use std::rc::Rc;

use super::Word;
use commute::Part;
use execution::{exploring, switch, take_observed, with};
use path::Move;
use thread::{LETS_OTHERS, MOST, Pending, Thread};

/// A thread of the current execution. It runs once set-up is over.
pub(super) fn spawn(body: Box<dyn FnOnce()>) {
    with(|x| {
        assert!(x.threads.len() < MOST, "a model has at most {MOST} threads");
        x.threads.push(Thread::new());
        x.bodies.push_back(body);
    });
    // The body stays on this thread of the host, which shuttle cannot know.
    shuttle::thread::spawn(execution::run_thread);
}

/// Ends set-up: runs the threads that were spawned until all are done. Called by the first thread.
pub fn explore_from_here(host: Rc<dyn Host>) {
    with(|x| {
        x.host = Some(host);
        x.exploring = true;
    });
    execution::set_up();
}

/// Waits until all stores of the running thread have reached memory.
pub(super) fn drain() {
    step_if(true, |x| {
        commute::reads(Part::Buffer(x.current));
        !x.me().buffer.is_empty()
    });
}

/// A step of the interleaving that is no access to a word. With `drains`, all earlier stores reach
/// memory first.
pub fn step(drains: bool) {
    step_if(drains, |_| true);
}

fn step_if(drains: bool, waits: impl FnOnce(&mut execution::Execution) -> bool) {
    let waits = exploring(|x| {
        let waits = waits(x);
        x.me().fresh = false;
        if waits {
            x.me().pending = Pending::Step { what: u64::from(drains), drains };
        }
        x.me().observed.did(drains);
        waits
    });
    if waits == Some(true) {
        switch();
    }
}

/// The running thread, or a store that reaches memory, reads a part of the host's state, or changes it.
pub fn touches(part: usize, writes: bool) {
    let part = Part::Host(part);
    if writes { commute::writes(part) } else { commute::reads(part) }
}

/// The running thread lets others run before it goes on, at a place where an interrupt may come of what they do.
pub fn lets_others() {
    if exploring(|x| x.me().fresh) != Some(false) {
        return;
    }
    exploring(|x| x.me().pending = Pending::Step { what: LETS_OTHERS, drains: false });
    switch();
    exploring(|x| x.me().fresh = true);
}

/// How many steps the running thread has taken; `None` in set-up, which has none.
pub fn steps() -> Option<u64> {
    exploring(|x| x.me().steps)
}

/// What a handler has done with owned values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owning {
    /// It has read one.
    pub read: bool,
    /// It has written one.
    pub wrote: bool,
}

/// What the running thread does with owned values meanwhile.
pub fn watch_owned(meanwhile: impl FnOnce()) -> Owning {
    exploring(|x| x.me().owning = Owning::default());
    meanwhile();
    exploring(|x| x.me().owning).unwrap_or_default()
}

/// A panic that somebody waits for has begun on the running thread, or was caught.
pub fn unwinds(begins: bool) {
    execution::unwinds(begins);
}

/// The running thread is at a point where something may happen, whether or not that is offered to
/// [`happens`].
pub fn point() {
    exploring(|x| x.way.point());
}

/// A choice of the running thread: 0 to `of` - 1. The code that acts on it says so by [`observe`].
pub fn choose(of: usize) -> usize {
    let chosen = choose_among((0..of).map(|n| n as u8));
    exploring(|x| x.way.takes(chosen));
    chosen.into()
}

/// The same of whether something happens. `what` tells it from all others that may happen there, and from
/// choices.
pub fn happens(what: u8) -> bool {
    let happens = choose_among([0, what].into_iter()) != 0;
    if happens {
        exploring(|x| x.way.takes(what));
    }
    happens
}

fn choose_among(choices: impl Iterator<Item = u8>) -> u8 {
    let chosen = exploring(|x| {
        if x.proof.is_some() {
            return 0;
        }
        let taken = match x.path.replayed() {
            Some(taken) => taken,
            None => x.path.branch(choices.map(Move::Choose).collect(), None),
        };
        match taken {
            Move::Choose(n) => n,
            _ => unreachable!("a replay does what was done"),
        }
    });
    chosen.unwrap_or(0)
}

/// The running thread has learnt something that no access of words tells.
pub fn observe(what: impl Hash) {
    exploring(|x| x.me().observed.did(what));
}

/// The running thread has looked at a part of the host's state that only it changes.
pub fn noticed(what: u64) {
    exploring(|x| x.me().observed.noticed(0, what));
}

/// The running thread is on this CPU from here on.
pub fn runs_on(cpu: usize) {
    exploring(|x| x.me().cpu = cpu);
}

/// The running thread's code is further than it was.
pub fn advance() {
    exploring(|x| {
        if !x.me().in_handler {
            x.me().observed.phase += 1;
            commute::comes_to(x.current, x.me().observed.phase);
        }
    });
}

/// What an interrupt is taken with. The code that it interrupts will not know of it.
pub struct Interrupted(Option<observed::Observed>);

/// An interrupt begins on the running thread.
pub fn interrupted() -> Interrupted {
    Interrupted(take_observed())
}

/// It is over.
pub fn resumed(interrupted: Interrupted) {
    if let Some(observed) = interrupted.0 {
        exploring(|x| {
            x.me().observed = observed;
            x.me().in_handler = false;
            // A thread that rests is where one is that is about to look again, though that one takes another step.
            if std::mem::take(&mut x.me().alarmed) {
                x.way.rested();
            }
        });
    }
}

/// Where a call began, and what was known there.
pub struct Called(Option<observed::Place>);

/// The running thread begins a call.
pub fn called() -> Called {
    Called(exploring(|x| x.me().observed.place()))
}

/// It returns. The caller keeps nothing of what was observed meanwhile but what is said here: what was
/// returned, and all else that the thread goes by from here on and that is no part of the state.
pub fn returned(called: Called, with: impl Hash) {
    if let Some(place) = called.0 {
        exploring(|x| {
            if x.search.limits.reduce {
                if has(Defect::CallsForgetTheirResult) {
                    x.me().observed.returned(place, ());
                } else {
                    x.me().observed.returned(place, with);
                }
            }
        });
    }
}

/// It is over, and was none of the running thread's code: that knows nothing of it, but by what is part
/// of the state, such as the CPU that it runs on, and that `once` will not come again.
pub fn unnoticed(called: Called, once: u32) {
    if let Some(place) = called.0 {
        exploring(|x| {
            let reduce = x.search.limits.reduce;
            let me = x.me();
            if !has(Defect::PreemptionsLeaveNoTrace) {
                me.over |= 1 << once;
            }
            if reduce {
                me.observed.unnoticed(place);
            }
        });
    }
}

/// How a rest ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rested {
    /// One of the words is not as seen.
    Changed,
    /// An interrupt is due.
    Alarmed,
}

/// The running thread has nothing to do while each word holds the value seen, and forgets what it has seen
/// since it rested here for these words before. An interrupt is due when one of the words of `alarm` has changed,
/// or at once if it has none; never without it.
#[track_caller]
pub fn rest(seen: Vec<(Word, u32)>, alarm: Option<Vec<(Word, u32)>>) -> Rested {
    let place = Location::caller();
    let rests = exploring(|x| {
        Thread::goes_by(&seen);
        let words: Vec<u64> = seen.iter().map(|(word, _)| word.key()).collect();
        x.me().observed.rests(place, &words);
        let rests = x.me().first_changed(&seen).is_none();
        if rests {
            x.me().pending = Pending::Rest { seen: seen.clone(), alarm };
        }
        rests
    });
    if rests != Some(true) {
        return Rested::Changed;
    }
    switch();
    let woken = exploring(|x| {
        Thread::goes_by(&seen);
        let woken = x.me().first_changed(&seen);
        // Only an oracle asks what it was, and that may judge nobody.
        let judged = x.host.as_ref().is_some_and(|host| host.minds_who_is_held_back());
        x.me().woken = woken.filter(|_| judged);
        x.me().alarmed = woken.is_none();
        woken
    });
    if woken == Some(None) { Rested::Alarmed } else { Rested::Changed }
}

/// The running thread takes interrupts while it rests, and will rest on for these words: which values it waits to
/// change is part of where it is, though it has forgotten its looks at them.
pub fn while_resting<R>(seen: &[(Word, u32)], takes: impl FnOnce() -> R) -> R {
    let values: Vec<_> = seen.iter().map(|(word, value)| (word.key(), *value)).collect();
    let values = digest::digest(values) as u64;
    exploring(|x| x.me().resting = x.me().resting.wrapping_add(values));
    let took = takes();
    exploring(|x| x.me().resting = x.me().resting.wrapping_sub(values));
    took
}

/// The running thread does nothing for as long as the explorer likes.
pub fn doze() {
    if exploring(|x| x.me().pending = Pending::Doze).is_some() {
        switch();
    }
}
