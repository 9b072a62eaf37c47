//! Which threads read and write which words, and until when: what makes an access a step of the
//! interleaving.
//!
//! A load of a word that no other thread will ever write from here on, and a store to one that none
//! will read or write, commute with everything that others will do; such an access is made at once,
//! with no branch. Which those are is learnt. The first round takes every word for private; an access
//! that contradicts this is noted, and ends the round, and the next one goes by it. The last round
//! meets no contradiction, so all of its states are states of the full exploration, and whatever order
//! of steps was left out differs from one that was explored by exchanging accesses that commute.
//!
//! How far a thread is, is told by its phase: the number of events that its code has traced outside
//! interrupt handlers. It falls only where a loop without an end begins again: what a thread accesses
//! in a phase of such a loop, it may access in all of them. What a handler accesses, it may access at
//! any time.

use std::collections::{BTreeSet, HashMap};

use super::defect::{Defect, has};
use super::thread::MOST;

/// Handlers may come in any phase.
const ANY: u16 = u16::MAX;

/// A thread's accesses to a word: one more than the last phase in which it reads it, and in which it
/// writes it; 0 if it never does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Until {
    reads: u16,
    writes: u16,
}

/// Which threads access a word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Users {
    threads: [Until; MOST],
    handlers_read: bool,
    handlers_write: bool,
}

/// An access by the running thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accessed {
    pub(super) thread: usize,
    pub(super) phase: u16,
    pub(super) in_handler: bool,
    pub(super) writes: bool,
}

impl Users {
    /// Whether an access of `thread` has to be ordered with what others will do that are in these
    /// phases: the one of them with whom it has to longest, and the phase that this is before.
    pub(super) fn contender(
        &self,
        thread: usize,
        writes: bool,
        phases: impl Iterator<Item = u16>,
    ) -> Option<(usize, u16)> {
        let others = phases.zip(&self.threads).enumerate().filter(|(n, _)| *n != thread);
        let until = |until: &Until| {
            let alone = !writes || has(Defect::ReadersDoNotCount);
            if alone { until.writes } else { until.writes.max(until.reads) }
        };
        let past = u16::from(has(Defect::PhasesEndTooSoon));
        others
            .filter(|(_, (phase, theirs))| until(theirs) > *phase + past)
            .map(|(n, (_, theirs))| (n, until(theirs)))
            .max_by_key(|(_, until)| *until)
    }

    /// Whether it matters to an access if an interrupt comes before or after.
    pub(super) fn handled(&self, writes: bool) -> bool {
        self.handlers_write || writes && self.handlers_read
    }

    pub(super) fn includes(&self, accessed: Accessed) -> bool {
        let mut with = *self;
        with.add(accessed);
        with == *self
    }

    fn add(&mut self, accessed: Accessed) {
        let Accessed { thread, phase, in_handler, writes } = accessed;
        let until = &mut self.threads[thread];
        let last = if writes { &mut until.writes } else { &mut until.reads };
        if !(in_handler && has(Defect::HandlersConcernNobody)) {
            *last = (*last).max(if in_handler { ANY } else { phase + 1 });
        }
        if in_handler {
            *(if writes { &mut self.handlers_write } else { &mut self.handlers_read }) = true;
        }
    }

    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.threads.iter_mut().zip(&other.threads) {
            mine.reads = mine.reads.max(theirs.reads);
            mine.writes = mine.writes.max(theirs.writes);
        }
        self.handlers_read |= other.handlers_read;
        self.handlers_write |= other.handlers_write;
    }
}

/// What is known of all words.
#[derive(Debug, Clone, Default)]
pub(super) struct Conflicts {
    users: HashMap<u64, Users>,
    /// Loops without an end: the thread that is in one, its first and its last phase there.
    loops: BTreeSet<(usize, u16, u16)>,
}

impl Conflicts {
    pub(super) fn of(&self, word: u64) -> Users {
        self.users.get(&word).copied().unwrap_or_default()
    }

    pub(super) fn note(&mut self, word: u64, accessed: Accessed) {
        self.users.entry(word).or_default().add(accessed);
    }

    /// A thread goes back from its phase `last` to `first`.
    pub(super) fn goes_back(&mut self, thread: usize, first: u16, last: u16) {
        self.loops.insert((thread, first, last));
    }

    /// The last phase in which a thread may do again what it does in this one.
    pub(super) fn latest(&self, thread: usize, phase: u16) -> u16 {
        // In the order in which they begin: one that begins within an earlier one comes later.
        let begun = |latest: u16, &(of, first, last): &(usize, u16, u16)| {
            if of == thread && first <= latest { latest.max(last) } else { latest }
        };
        self.loops.iter().fold(phase, begun)
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.loops.extend(&other.loops);
        for (&word, users) in &other.users {
            self.users.entry(word).or_default().merge(users);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_is_private_once_the_others_are_past_theirs() {
        let mut users = Users::default();
        users.add(Accessed { thread: 1, phase: 3, in_handler: false, writes: true });
        let contender = |phase| users.contender(0, false, [0, phase].into_iter());
        assert_eq!(contender(3), Some((1, 4)));
        assert_eq!(contender(4), None);
        assert_eq!(users.contender(1, true, [0, 0].into_iter()), None);
        assert!(!users.handled(true));
    }

    #[test]
    fn what_is_done_in_a_loop_is_done_till_its_end() {
        let mut known = Conflicts::default();
        known.goes_back(1, 3, 7);
        known.goes_back(1, 6, 9);
        let latest = [2, 3, 7, 9, 10].map(|phase| known.latest(1, phase));
        assert_eq!(latest, [2, 9, 9, 9, 10]);
        assert_eq!(known.latest(0, 3), 3);
    }

    #[test]
    fn what_a_handler_reads_is_contended_for_ever() {
        let mut users = Users::default();
        users.add(Accessed { thread: 1, phase: 0, in_handler: true, writes: false });
        assert_eq!(users.contender(0, true, [0, 9].into_iter()), Some((1, ANY)));
        assert_eq!(users.contender(0, false, [0, 9].into_iter()), None);
        assert!(users.handled(true) && !users.handled(false));
    }
}
