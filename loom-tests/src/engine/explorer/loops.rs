//! Loops without an end: what a thread has observed, and the proof that it only goes round.
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

use std::hash::{Hash, Hasher};
use std::panic::Location;

use super::defect::{Defect, has};
use super::digest::digest;
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

/// Most observations of a turn.
const LONGEST: usize = 64;
/// Observations of one thread in one execution after which the explorer gives up: models make thousands.
const TOO_LONG: usize = 1 << 17;
/// Observations after which a thread that seems to go round lets others have a step, even if nothing
/// that it does concerns them.
const PATIENCE: u32 = 64;

/// One observation.
struct Mark {
    what: u64,
    /// The digests of all before it.
    before: (u128, u128),
    phase: u16,
}

/// Turns of one wait of which [`Observed::all`] keeps everything. Of later ones it keeps the last alone: a wait
/// that goes on for ever has finitely many states then.
const TURNS_KEPT: u32 = 4;

/// A wait loop that has rested.
struct Turn {
    /// The call of [`rest`](super::rest).
    place: &'static Location<'static>,
    /// The words that it waits for.
    words: Vec<u64>,
    /// Where the thread was as it rested first, which is where each later turn begins.
    digest: u128,
    history: usize,
    /// What it knew with all that was forgotten, [`TURNS_KEPT`] turns later at most.
    all: u128,
    turns: u32,
}

/// What a thread saw before it came where it is. A modelled CPU is deterministic, so two threads of
/// the same script that have seen the same are at the same place with the same locals.
#[derive(Default)]
pub(super) struct Observed {
    pub(super) digest: u128,
    /// The same with what calls have observed that have returned.
    pub(super) all: u128,
    /// Events that its code has traced, outside interrupt handlers.
    pub(super) phase: u16,
    history: Vec<Mark>,
    /// The wait loop that has rested last, unless the thread has done more than to look since.
    turn: Option<Turn>,
    /// The words that it has looked at since.
    trail: Vec<u64>,
    /// Observations since the thread had its last step.
    busy: u32,
    /// During a proof, what each observation has to equal: the one so many before it.
    period: Option<usize>,
    differs: bool,
}

/// Where a thread was when it began a call.
pub(super) struct Place {
    digest: u128,
    history: usize,
}

impl Observed {
    /// What an interrupt handler starts with.
    pub(super) fn inner(&self) -> Self {
        let known = |outer: u128| if has(Defect::HandlersAreOne) { 0 } else { outer };
        let inner = |outer: u128| digest(("interrupt", known(outer)));
        Self {
            digest: inner(self.digest),
            all: inner(self.all),
            phase: self.phase,
            ..Self::default()
        }
    }

    /// The thread made an access that is more than a look.
    pub(super) fn did(&mut self, what: impl Hash) {
        self.mark(&what);
        self.goes_on(what);
        self.leaves_wait();
    }

    /// The thread looked at a word.
    pub(super) fn looked(&mut self, word: u64, value: u32) {
        if self.turn.is_some() || has(Defect::WaitsForgetTheWayThere) {
            self.trail.push(word);
        }
        self.mark((word, value));
        self.goes_on((word, value));
    }

    /// The thread looked at something that belongs to it.
    pub(super) fn noticed(&mut self, key: u64, value: u64) {
        self.mark((key, value));
        self.goes_on((key, value));
    }

    /// The thread is not in the wait loop any more that it has rested in.
    fn leaves_wait(&mut self) {
        self.turn = None;
        self.trail.clear();
    }

    fn goes_on(&mut self, what: impl Hash) {
        self.digest = digest((self.digest, &what));
        self.all = digest((self.all, &what));
    }

    /// Where it is.
    pub(super) fn place(&self) -> Place {
        Place { digest: self.digest, history: self.history.len() }
    }

    /// What came since is over, and none of what its code observed.
    pub(super) fn unnoticed(&mut self, from: Place) {
        self.digest = from.digest;
        self.history.truncate(from.history);
        self.leaves_wait();
        self.differs = true;
    }

    /// It is back from a call that began there. Its turns are still told by all that it observed: a
    /// loop round a call may be one without an end.
    pub(super) fn returned(&mut self, from: Place, with: impl Hash) {
        self.digest = if has(Defect::CallsForgetTheirCaller) { 0 } else { from.digest };
        self.did(with);
    }

    /// What of a state [`digest`](Self::digest) does not tell of a thread in a wait loop: where it goes back to as it
    /// rests next.
    pub(super) fn hash_turn<H: Hasher>(&self, state: &mut H) {
        if let Some(Turn { place, words, digest, .. }) = &self.turn {
            (place.line(), place.column(), words, digest, &self.trail).hash(state);
        }
    }

    /// The thread rests in a wait loop until one of some words changes. Returns to where it first did so, if it has
    /// been in that loop since: a turn of a wait loop keeps nothing of the turns before
    /// ([`relax`](mmu386::arch::Arch::relax)).
    ///
    /// It is the same loop, in its next turn, if it rests at the same place for the same words, and has looked at
    /// each of them once at most, and at no other. Where a thread leaves a loop and comes to one at the same place
    /// again (a function that is called twice), it has looked once to leave and once to rest.
    pub(super) fn rests(&mut self, place: &'static Location<'static>, words: &[u64]) {
        let trail = std::mem::take(&mut self.trail);
        let once = |word: &u64| {
            words.contains(word) && trail.iter().filter(|looked| *looked == word).count() == 1
        };
        let next = |turn: &Turn| turn.place == place && turn.words == words;
        match &mut self.turn {
            Some(turn) if next(turn) && (trail.iter().all(once) || has(Defect::WaitsAreOne)) => {
                turn.turns = (turn.turns + 1).min(TURNS_KEPT + 1);
                if turn.turns <= TURNS_KEPT {
                    turn.all = self.all;
                } else {
                    let seen = self.history[turn.history..].iter().map(|mark| mark.what);
                    self.all = digest((turn.all, seen.collect::<Vec<_>>()));
                }
                self.digest = turn.digest;
                self.differs |= self.history.len() > turn.history;
                self.history.truncate(turn.history);
            }
            turn => {
                if has(Defect::WaitsForgetTheWayThere) {
                    let looks = trail.iter().rev().take_while(|word| words.contains(word)).count();
                    let from = self.history.len() - looks;
                    (self.digest, self.all) =
                        self.history.get(from).map_or((self.digest, self.all), |mark| mark.before);
                    self.history.truncate(from);
                }
                let (digest, all, history) = (self.digest, self.all, self.history.len());
                let words = words.to_vec();
                *turn = Some(Turn { place, words, digest, history, all, turns: 0 });
            }
        }
    }

    fn mark(&mut self, what: impl Hash) {
        let what = digest(what) as u64;
        self.busy += 1;
        assert!(
            self.history.len() < TOO_LONG,
            "a thread has made {TOO_LONG} observations in one execution: a loop without an end that is no \
             poll of the same words, or one that the explorer has not recognised"
        );
        if let Some(period) = self.period {
            let expected = self.history.len().checked_sub(period).map(|n| self.history[n].what);
            self.differs |= expected != Some(what);
        }
        self.history.push(Mark { what, before: (self.digest, self.all), phase: self.phase });
    }

    /// The thread has its step.
    pub(super) fn steps(&mut self) {
        self.busy = 0;
    }

    /// How many observations a turn has, if the latest so many turns are equal.
    pub(super) fn goes_round(&self, turns: usize) -> Option<usize> {
        let len = self.history.len();
        let same = |period: usize| {
            let more = period * (turns - 1);
            let before = len - period - more..len - period;
            let all = self.history[before].iter().zip(&self.history[len - more..]);
            all.rev().all(|(before, after)| before.what == after.what)
        };
        (1..=LONGEST).take_while(|period| period * turns <= len).find(|&period| same(period))
    }

    /// Goes back to where the first of equal turns was over. Returns the phase that was then.
    fn go_back(&mut self, period: usize) -> u16 {
        let len = self.history.len();
        let what = |n: usize| self.history[n].what;
        let mut at = len - period;
        // As long as there is an equal turn before.
        let equal = |at: usize| (at - period..at).all(|n| what(n) == what(n - period));
        while at >= 2 * period && equal(at) {
            at -= period;
        }
        let Mark { before, phase, .. } = self.history[at];
        (self.digest, self.all) = before;
        self.phase = phase;
        self.history.truncate(at);
        self.leaves_wait();
        phase
    }
}

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
        self.proof = Some(Proof { thread, period, from: observed.history.len(), others });
    }

    /// What comes next while a thread runs alone; `None` if it is shown to go round, and is back
    /// where it was.
    pub(super) fn go_on_with_proof(&mut self, proof: Proof) -> Option<Next> {
        let Proof { thread, period, from, others } = proof;
        let Thread { observed, pending, buffer, .. } = &self.threads[thread];
        // A handler that has returned has taken its history along.
        let same = observed.period == Some(period) && !observed.differs;
        let Pending::Step { drains, .. } = *pending else { return Some(self.refute()) };
        let turned = observed.history.len().saturating_sub(from);
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
                ended || turned(proof, observed.history.len())
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
    use std::rc::Rc;

    use mmu386::arch::WordName;

    use super::super::{Found, Host, Limits, called, explore_from_here, returned, search};
    use super::*;
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

    fn observed(what: &[u32]) -> Observed {
        let mut observed = Observed::default();
        for &what in what {
            observed.did(what);
            observed.phase += 1;
        }
        observed
    }

    #[test]
    fn equal_turns_are_found_at_the_end() {
        assert_eq!(observed(&[7, 1, 2, 1, 2, 1, 2]).goes_round(3), Some(2));
        assert_eq!(observed(&[7, 7, 7]).goes_round(3), Some(1));
        assert_eq!(observed(&[1, 2, 1, 2, 1]).goes_round(3), None);
        assert_eq!(observed(&[1, 2, 1, 2, 1, 2, 3]).goes_round(3), None);
    }

    #[test]
    fn it_goes_back_to_the_end_of_the_first_turn_and_no_further() {
        let first = observed(&[7, 1, 2]);
        let mut loops = observed(&[7, 1, 2, 1, 2, 1, 2, 1, 2]);
        assert_eq!(loops.go_back(2), 3);
        assert_eq!((loops.digest, loops.phase), (first.digest, first.phase));
        // From another place of the turn, to that place.
        let first = observed(&[7, 1, 2, 1]);
        let mut loops = observed(&[7, 1, 2, 1, 2, 1, 2, 1]);
        loops.go_back(2);
        assert_eq!(loops.digest, first.digest);
    }

    #[test]
    fn every_turn_of_a_wait_is_the_first_but_not_the_way_to_it() {
        let here = Location::caller();
        let mut waits = observed(&[7]);
        waits.looked(3, 1);
        waits.rests(here, &[3]);
        let first = waits.digest;
        assert_ne!(first, observed(&[7]).digest);
        for value in 0..9 {
            waits.looked(3, value);
            waits.rests(here, &[3]);
            assert_eq!(waits.digest, first);
        }
        assert_eq!(waits.goes_round(2), None);
    }

    #[test]
    fn what_is_no_turn_of_the_same_wait_is_remembered() {
        let here = Location::caller();
        let after = |does: &dyn Fn(&mut Observed)| {
            let mut waits = observed(&[7]);
            waits.rests(here, &[3]);
            let first = waits.digest;
            does(&mut waits);
            waits.digest != first
        };
        // One look leads out of the loop, another one into it again.
        assert!(after(&|waits| {
            waits.looked(3, 1);
            waits.looked(3, 0);
            waits.rests(here, &[3]);
        }));
        assert!(after(&|waits| {
            waits.looked(4, 1);
            waits.rests(here, &[3]);
        }));
        assert!(after(&|waits| {
            waits.looked(3, 1);
            waits.rests(here, &[4]);
        }));
        assert!(after(&|waits| {
            waits.looked(3, 1);
            waits.rests(Location::caller(), &[3]);
        }));
        assert!(after(&|waits| {
            waits.did(1);
            waits.rests(here, &[3]);
        }));
    }

    #[test]
    fn what_turns_have_seen_is_kept_for_the_check_and_comes_to_an_end() {
        let here = Location::caller();
        let mut waits = observed(&[7]);
        let mut known = std::collections::HashSet::new();
        for turn in 0..20 {
            waits.looked(3, turn % 2);
            waits.rests(here, &[3]);
            known.insert(waits.all);
        }
        assert_eq!(known.len(), 1 + TURNS_KEPT as usize + 2);
    }
}
