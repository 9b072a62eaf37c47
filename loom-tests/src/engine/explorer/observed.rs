//! What a thread has observed, which tells where it is.

use std::hash::{Hash, Hasher};
use std::panic::Location;

use super::defect::{Defect, has};
use super::digest::digest;

/// Most observations of a turn.
const LONGEST: usize = 64;
/// Observations of one thread in one execution after which the explorer gives up: models make thousands.
const TOO_LONG: usize = 1 << 17;

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
    pub(super) busy: u32,
    /// During a proof, what each observation has to equal: the one so many before it.
    pub(super) period: Option<usize>,
    pub(super) differs: bool,
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
        if has(Defect::WaitsForgetTheWayThere) {
            return;
        }
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

    /// How many observations it has made, but for those that are forgotten.
    pub(super) fn len(&self) -> usize {
        self.history.len()
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
    pub(super) fn go_back(&mut self, period: usize) -> u16 {
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

#[cfg(test)]
mod tests {
    use super::*;

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
