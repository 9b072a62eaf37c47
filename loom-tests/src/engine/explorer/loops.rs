//! Loops without an end, and the proof that a thread only goes round.
//!
//! A thread that polls has a longer history with each turn, so its states would never repeat. When it
//! has made the same observations [`SUSPECTED`] times running, it is run alone, with no interrupt and no
//! other choice, for [`PROVED`] turns more. If it goes on making the same observations, and leaves
//! everything else as it was, it is taken to be where it was after its first turn: a state that was met,
//! from where everybody else's steps, its interrupts among them, are explored. If not, that execution is
//! dropped, and the search goes on as if nothing had been suspected.
//!
//! So a counted loop is taken for endless only if it makes the same observations [`PROVED`] times, each of
//! the same words with the same values; those of mmu386 look at something else in each turn.

use super::defect::{Defect, has};
use super::execution::Execution;
use super::path::Move;
use super::scheduler::Next;
use super::thread::{Pending, Thread};

/// Equal turns that make a loop suspicious.
const SUSPECTED: usize = 3;
/// Equal turns after these that make it one without an end.
const PROVED: usize = 1024;
/// The same, unless the explorer has a defect.
fn proved() -> usize {
    if has(Defect::LoopsAreBelieved) { 1 } else { PROVED }
}

/// Observations after which a thread that seems to go round lets others have a step, even if nothing
/// that it does concerns them.
const PATIENCE: u32 = 64;

/// A thread that runs alone, to show that it only goes round.
#[derive(Clone, Copy)]
pub(super) struct Proof {
    thread: usize,
    period: usize,
    /// How long its history was.
    from: usize,
    /// The digest of everything else.
    others: u128,
}

impl Execution {
    /// How long a turn of the running thread is, if it may be in a loop without an end.
    pub(super) fn suspects(&self) -> Option<u8> {
        let me = &self.threads[self.current];
        let polls = me.enabled() && matches!(me.pending, Pending::Step { .. });
        polls.then(|| me.observed.goes_round(SUSPECTED).map(|period| period as u8)).flatten()
    }

    /// The running thread runs alone from here on.
    pub(super) fn begin_proof(&mut self, period: u8) {
        let (thread, period) = (self.current, period.into());
        let others = self.key_without(thread);
        let observed = &mut self.threads[thread].observed;
        observed.period = Some(period);
        observed.differs = false;
        self.proof = Some(Proof { thread, period, from: observed.len(), others });
    }

    /// What comes next while a thread runs alone; `None` if it is shown to go round, and is back
    /// where it was.
    pub(super) fn go_on_with_proof(&mut self, proof: Proof) -> Option<Next> {
        let Proof { thread, period, from, others } = proof;
        let Thread { observed, pending, buffer, .. } = &self.threads[thread];
        // A handler that has returned has taken its history along.
        let same = observed.period == Some(period) && !observed.differs;
        let Pending::Step { drains, .. } = *pending else { return Some(self.refute()) };
        let turned = observed.len().saturating_sub(from);
        if same && turned < proved() * period {
            let blocked = drains && !buffer.is_empty();
            return Some(if blocked { Next::Drain(thread) } else { self.run(thread) });
        }
        if !same || turned > proved() * period || self.key_without(thread) != others {
            return Some(self.refute());
        }
        self.proof = None;
        self.goes_round = true;
        let observed = &mut self.threads[thread].observed;
        observed.period = None;
        let last = observed.phase;
        let first = observed.go_back(period);
        self.search.goes_back(thread, first, last);
        None
    }

    /// The loop that was suspected ends.
    pub(super) fn refute(&mut self) -> Next {
        self.proof = None;
        self.path.also(Move::NotEndless);
        Next::Stop
    }

    /// Whether the running thread has to let others have a step, though it may have nothing to do that
    /// concerns them.
    pub(super) fn is_pressed(&mut self) -> bool {
        let turned = |proof: &Proof, len: usize| len >= proof.from + proved() * proof.period;
        let observed = &self.threads[self.current].observed;
        match &self.proof {
            Some(proof) => {
                let ended = observed.differs || observed.period.is_none();
                ended || turned(proof, observed.len())
            }
            None => {
                observed.busy > PATIENCE && observed.goes_round(SUSPECTED).is_some()
                    || observed.busy > 64 * PATIENCE
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::hash::Hasher;
    use std::rc::Rc;

    use mmu386::arch::WordName;

    use super::super::{Found, Host, Limits, called, explore_from_here, returned, search};
    use crate::engine::{Sharing, Word, spawn};

    /// A host that has nothing, and minds nothing but a deadlock.
    pub(in super::super) struct Quiet;

    impl Host for Quiet {
        fn parts(&self) -> usize {
            0
        }
        fn digest(&self, _: usize, _: &mut dyn Hasher) {}
        fn reached_memory(&self, _: usize, _: &Word, _: u32) {}
        fn minds_who_is_held_back(&self) -> bool {
            false
        }
        fn held_back(&self, _: &Word) {}
        fn ended(&self) {}
        fn stuck(&self, somebody_can: bool) {
            assert!(somebody_can);
        }
    }

    /// One thread polls a word, another clears it or does not.
    fn polled(polls: fn(&Word), clears: bool) -> Found {
        let limits = Limits {
            workers: 1,
            memory: 1 << 30,
            preemptions: None,
            reduce: true,
            check: true,
            backward: false,
            defect: None,
        };
        let body = move || {
            let word = Word::new(WordName::Other("polled", 0), 1, Sharing::Shared);
            let theirs = word.clone();
            spawn(move || polls(&theirs));
            spawn(move || {
                if clears {
                    word.store(0);
                }
            });
            explore_from_here(Rc::new(Quiet));
        };
        search(true, limits, body).0
    }

    #[test]
    fn who_polls_for_ever_is_in_a_livelock_and_who_need_not_is_not() {
        let locks = |word: &Word| while word.swap(1) != 0 {};
        let looks = |word: &Word| while word.load(0) != 0 {};
        for polls in [locks as fn(&Word), looks] {
            assert_eq!(polled(polls, true), Found::Everything);
            assert!(matches!(polled(polls, false), Found::Livelock(_)));
        }
    }

    #[test]
    fn a_loop_that_counts_ends() {
        let counts = |word: &Word| {
            for _ in 0..20 {
                word.load(0);
            }
        };
        assert_eq!(polled(counts, false), Found::Everything);
        assert_eq!(polled(counts, true), Found::Everything);
    }

    #[test]
    fn a_loop_round_a_call_is_a_livelock_unless_it_ends() {
        let calls = |word: &Word| {
            let look = || {
                let called = called();
                let value = word.load(0);
                word.load(0);
                returned(called, value);
                value
            };
            while look() != 0 {
                word.load(0);
            }
        };
        assert_eq!(polled(calls, true), Found::Everything);
        assert!(matches!(polled(calls, false), Found::Livelock(_)));
    }

    #[test]
    #[should_panic(expected = "observations in one execution")]
    fn a_loop_that_never_repeats_itself_is_given_up() {
        polled(|word| (0..u32::MAX).for_each(|n| _ = word.store(n)), false);
    }
}
