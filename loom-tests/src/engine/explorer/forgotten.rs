//! What threads forget as calls return, put to the test: it must make no difference.
//!
//! Of some states, all that differ only in what was forgotten are explored, and each of their steps has to
//! lead to the same state, whichever of them it is taken from.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use super::execution::Parts;

/// What has happened in a step: at which of its points, and what. That nothing did is not noted: an
/// interrupt that would find nothing is not offered to a thread that remembers that the last found nothing.
#[derive(Default)]
pub(super) struct Way {
    points: u32,
    pub(super) happened: Vec<(u32, u8)>,
}

impl Way {
    pub(super) fn point(&mut self) {
        self.points += 1;
    }

    /// A thread is back from an interrupt that was due as it rested.
    pub(super) fn rested(&mut self) {
        self.takes(0);
    }

    pub(super) fn takes(&mut self, what: u8) {
        self.happened.push((self.points, what));
    }
}

/// What is known of the states that are tested.
#[derive(Default)]
pub(super) struct Forgotten(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Digests of states, with what was forgotten.
    states: HashSet<u128>,
    /// Where steps lead: by a state's digest and that of what was done.
    steps: HashMap<(u128, u128), (u128, Parts)>,
}

impl Forgotten {
    fn with<R>(&self, f: impl FnOnce(&mut Known) -> R) -> R {
        f(&mut self.0.lock().expect("no panic while it is held"))
    }

    /// Whether a state, by its digest with what was forgotten, was not met before.
    pub(super) fn is_new(&self, state: u128) -> bool {
        self.with(|known| known.states.insert(state))
    }

    /// A step leads there.
    ///
    /// # Panics
    /// If it leads elsewhere from another state that differs only in what was forgotten.
    pub(super) fn leads(
        &self,
        step: (u128, u128),
        there: u128,
        parts: Parts,
        what: &dyn std::fmt::Debug,
    ) {
        let differs = |(known, before): &(u128, Parts)| {
            let both = before.iter().zip(&parts).filter(|(before, now)| before != now);
            let names = both.map(|(_, (what, n, _))| format!("{what} {n}"));
            (*known != there).then(|| names.collect::<Vec<_>>().join(", "))
        };
        let differs = self.with(|known| match known.steps.entry(step) {
            Entry::Occupied(known) => differs(known.get()),
            Entry::Vacant(new) => {
                new.insert((there, parts.clone()));
                None
            }
        });
        if let Some(differs) = differs {
            panic!(
                "the explorer is not told all that a call leaves behind: the same step, {what:?}, leads elsewhere \
                 after another way through it ({differs})"
            );
        }
    }

    /// How many states and steps it keeps.
    pub(super) fn count(&self) -> u64 {
        self.with(|known| (known.states.len() + known.steps.len()) as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use mmu386::arch::WordName;

    use super::super::loops::tests::Quiet;
    use super::super::{
        Found, Limits, Rested, Size, called, explore_from_here, happens, interrupted as interrupt,
        point, rest, resumed, returned, search, unnoticed, while_resting,
    };
    use super::*;
    use crate::engine::{Sharing, Word, spawn};

    /// One thread stores to a word twice; another does something with the words, and then stores to both.
    fn size(check: bool, does: fn([&Word; 2]) -> u32) -> Size {
        let limits = Limits {
            workers: 1,
            memory: 1 << 30,
            preemptions: None,
            reduce: true,
            check,
            backward: false,
            defect: None,
        };
        let (found, size) = search(false, limits, move || {
            let [one, other] =
                [0, 1].map(|n| Word::new(WordName::Other("forgotten", n), 0, Sharing::Shared));
            let (theirs, last) = (one.clone(), other.clone());
            spawn(move || {
                (1..3).for_each(|value| _ = theirs.store(value));
                last.load(0);
            });
            spawn(move || {
                let value = does([&one, &other]);
                one.store(3);
                other.store(value);
            });
            explore_from_here(Rc::new(Quiet));
        });
        assert_eq!(found, Found::Everything);
        size
    }

    /// A call that looks at a word, and returns whether it was 1.
    fn looks(word: &Word, tells: bool) -> u32 {
        let called = called();
        let result = u32::from(word.load(0) == 1);
        returned(called, if tells { result } else { 0 });
        result
    }

    #[test]
    fn what_a_call_does_not_return_makes_no_states() {
        let called = size(false, |[one, _]| looks(one, true));
        assert_eq!(size(true, |[one, _]| looks(one, true)).states, called.states);
        let kept = size(false, |[one, _]| u32::from(one.load(0) == 1));
        assert!(called.states < kept.states, "{called:?} {kept:?}");
    }

    #[test]
    #[should_panic(expected = "not told all that a call leaves behind")]
    fn what_a_call_leaves_and_does_not_tell_is_noticed() {
        size(true, |[one, _]| looks(one, false));
    }

    /// Something that may happen once, before or after a store.
    fn interrupted(tells: bool, other: &Word) -> u32 {
        let mut result = 0;
        for n in 0..2 {
            point();
            if result == 0 && happens(7) {
                let called = called();
                result = n + 1;
                if tells { unnoticed(called, 0) } else { returned(called, ()) }
            }
            other.store(9);
        }
        if tells { 4 } else { result }
    }

    #[test]
    fn when_it_was_interrupted_no_thread_knows() {
        let unnoticed = size(false, |[_, other]| interrupted(true, other));
        assert_eq!(size(true, |[_, other]| interrupted(true, other)).states, unnoticed.states);
        let noticed = size(false, |[_, other]| interrupted(false, other));
        assert!(unnoticed.states < noticed.states, "{unnoticed:?} {noticed:?}");
    }

    /// A wait for the last value, which takes an interrupt of one look wherever it rests, and keeps nothing of its turns
    /// but the value that it waits to change.
    fn waits(word: &Word) -> u32 {
        loop {
            let seen = vec![(word.clone(), word.load(0))];
            if seen[0].1 == 2 {
                return 0;
            }
            while rest(seen.clone(), Some(Vec::new())) == Rested::Alarmed {
                while_resting(&seen, || {
                    let interrupted = interrupt();
                    word.load(0);
                    resumed(interrupted);
                });
            }
        }
    }

    #[test]
    fn what_a_thread_rests_for_is_kept_over_an_interrupt() {
        size(true, |[one, _]| waits(one));
    }

    #[test]
    fn a_step_may_lead_to_one_state_again() {
        let forgotten = Forgotten::default();
        assert!(forgotten.is_new(7) && !forgotten.is_new(7));
        for _ in 0..2 {
            forgotten.leads((1, 2), 3, Vec::new(), &"");
        }
        assert_eq!(forgotten.count(), 2);
    }

    #[test]
    #[should_panic(expected = "(thread 1)")]
    fn and_to_no_other() {
        let forgotten = Forgotten::default();
        forgotten.leads((1, 2), 3, vec![("thread", 1, 2)], &"");
        forgotten.leads((1, 2), 4, vec![("thread", 1, 3)], &"");
    }
}
