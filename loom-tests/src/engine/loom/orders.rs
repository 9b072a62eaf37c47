//! The orders of conflicting steps that an exploration has seen.
//!
//! Two executions are the same but for the order of steps that commute if each thread takes the same steps and each
//! of them comes after the same changes of its words, and, if it changes one, after the same loads (Mazurkiewicz,
//! "Trace theory", 1987). An execution is named by a hash of that, so a set of them can be compared with another
//! engine's, or with that of the same engine without a reduction. Hashes of 64 bits can be alike by chance; nothing
//! that is explored depends on them.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::quality::FixedState;

use super::steps::{Access, THREADS};

#[derive(Default)]
struct Last {
    update: u64,
    /// Sum of the loads since.
    loads: u64,
}

#[derive(Default)]
pub(super) struct Orders {
    all: HashSet<u64>,
    threads: [u64; THREADS],
    words: Vec<Last>,
    /// The thread that is in a step, what it has accessed, and what was chosen.
    step: Option<(usize, Vec<Access>, usize)>,
}

impl Orders {
    pub(super) fn rewind(&mut self) {
        self.threads = [0; THREADS];
        self.words.clear();
        self.step = None;
    }

    pub(super) fn begin(&mut self, me: usize) {
        self.step = Some((me, Vec::new(), 0));
    }

    pub(super) fn accessed(&mut self, access: Access) {
        if let Some((_, accesses, _)) = &mut self.step {
            accesses.push(access);
        }
    }

    pub(super) fn chosen(&mut self, value: usize) {
        if let Some((_, _, chosen)) = &mut self.step {
            *chosen = value + 1;
        }
    }

    pub(super) fn close(&mut self) {
        let Some((me, accesses, chosen)) = self.step.take() else { return };
        let mut hasher = FixedState::default().build_hasher();
        (self.threads[me], chosen).hash(&mut hasher);
        for access in &accesses {
            if self.words.len() <= access.id {
                self.words.resize_with(access.id + 1, Last::default);
            }
            let last = &self.words[access.id];
            let loads = if access.update { last.loads } else { 0 };
            (access.key, access.update, last.update, loads).hash(&mut hasher);
        }
        let step = hasher.finish();
        self.threads[me] = step;
        for access in accesses {
            let last = &mut self.words[access.id];
            if access.update {
                *last = Last { update: step, loads: 0 };
            } else {
                last.loads = last.loads.wrapping_add(step);
            }
        }
    }

    pub(super) fn end(&mut self) {
        self.all.insert(FixedState::default().hash_one(self.threads));
    }

    /// How many there are, and what names the set of them.
    pub(super) fn all(&self) -> (usize, u64) {
        (self.all.len(), self.all.iter().fold(0, |set, order| set ^ order))
    }
}
