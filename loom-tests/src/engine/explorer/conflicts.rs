//! Which threads read and write which words: what makes an access a step of the interleaving.
//!
//! A load of a word that no other thread ever writes, and a store to one that no other thread ever
//! reads or writes, commute with everything that others do; such an access is made at once, with no
//! branch. Which those are is learnt. The first round takes every word for private; an access that
//! contradicts this is noted, and ends the round, and the next one goes by it. The last round meets
//! no contradiction, so all of its states are states of the full exploration, and whatever order of
//! steps was left out differs from one that was explored by exchanging accesses that commute.

use std::collections::HashMap;

/// A bit per thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Users {
    pub(super) readers: u8,
    pub(super) writers: u8,
}

impl Users {
    /// Whether an access of `thread` has to be ordered with those of others.
    pub(super) fn contended(self, thread: usize, writes: bool) -> bool {
        let others = !(1u8 << thread);
        let all = if writes { self.readers | self.writers } else { self.writers };
        all & others != 0
    }

    pub(super) fn includes(self, thread: usize, writes: bool) -> bool {
        let set = if writes { self.writers } else { self.readers };
        set & 1 << thread != 0
    }
}

/// What is known of all words.
#[derive(Debug, Clone, Default)]
pub(super) struct Conflicts(HashMap<u64, Users>);

impl Conflicts {
    pub(super) fn debug(&self) -> String { let mut v: Vec<_> = self.0.iter().filter(|(_, u)| (u.readers|u.writers).count_ones()>1 && u.writers != 0).map(|(k,u)| format!("{:x}:{:x} r{:b} w{:b}", k>>56, k & 0xffffffffff, u.readers, u.writers)).collect(); v.sort(); v.join("\n") }
    pub(super) fn of(&self, word: u64) -> Users {
        self.0.get(&word).copied().unwrap_or_default()
    }

    pub(super) fn note(&mut self, word: u64, thread: usize, writes: bool) {
        let users = self.0.entry(word).or_default();
        let set = if writes { &mut users.writers } else { &mut users.readers };
        *set |= 1 << thread;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (&word, users) in &other.0 {
            let mine = self.0.entry(word).or_default();
            mine.readers |= users.readers;
            mine.writers |= users.writers;
        }
    }
}
