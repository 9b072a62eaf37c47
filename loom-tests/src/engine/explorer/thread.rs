//! A thread of a model: what it is about to do, and its store buffer.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};

use super::Owning;
use super::commute::{self, Part};
use super::defect::{Defect, has};
use super::observed::Observed;
use crate::engine::Word;

/// Most threads in a model.
pub(super) const MOST: usize = 8;

/// What a step is that is no access: [`Pending::Step`]'s `what`. No word's key is so small.
pub(super) const LETS_OTHERS: u64 = 2;

/// What a thread is about to do.
pub(super) enum Pending {
    /// It has something to do that concerns nobody else.
    Ready,
    /// A step of the interleaving. One that drains needs an empty store buffer.
    Step { what: u64, drains: bool },
    /// Nothing, until one of the words is not as seen; meanwhile it may take an interrupt, if there
    /// are words for that and one of them is not as seen.
    Rest { seen: Vec<(Word, u32)>, alarm: Option<Vec<(Word, u32)>> },
    /// Whatever it likes, whenever it likes.
    Doze,
    /// Nothing, for ever.
    Done,
}

/// A store on its way to memory.
pub(super) struct Buffered {
    pub(super) word: Word,
    pub(super) key: u64,
    pub(super) value: u32,
    /// Others may see when it reaches memory. If not, it does so as soon as those before it have.
    pub(super) contended: bool,
    /// How many accesses to owned values the thread had made before.
    pub(super) accesses: u32,
    /// Those of them that a race can be about and that this store releases.
    pub(super) owes: Owes,
}

/// Accesses to owned values that others may access yet, and that no store has released which others may see: which,
/// and whether they write. While there are any, another thread's access is a race.
pub(super) type Owes = BTreeSet<(u64, bool)>;

/// A thread.
pub(super) struct Thread {
    pub(super) pending: Pending,
    /// It may make the access that it asked for.
    pub(super) granted: Option<u64>,
    pub(super) observed: Observed,
    pub(super) in_handler: bool,
    /// What comes but once and has come, a bit each.
    pub(super) over: u32,
    /// A panic that somebody waits for unwinds it.
    pub(super) unwinds: bool,
    /// It rested until this word left this value, and has not looked again.
    pub(super) woken: Option<(u64, u32)>,
    /// What it rests for while it takes an interrupt, as a digest.
    pub(super) resting: u64,
    /// An interrupt was due as it rested.
    pub(super) alarmed: bool,
    /// Others could take their steps just now, and it has done nothing since that concerns them or its own
    /// interrupts: a further step here would be the same as none.
    pub(super) fresh: bool,
    /// How many steps it has taken.
    pub(super) steps: u64,
    /// What it has done with owned values since somebody began to watch.
    pub(super) owning: Owning,
    /// The CPU that it runs on.
    pub(super) cpu: usize,
    pub(super) buffer: VecDeque<Buffered>,
    /// Accesses to owned values so far.
    pub(super) accesses: u32,
    /// Those that may take part in a race since its latest store or LOCKed operation that others may see. That is a
    /// step, so others come before it.
    pub(super) owes: Owes,
    /// Those of them that came before the latest store of it that others can have seen.
    pub(super) released: u32,
}

impl Thread {
    pub(super) fn new() -> Self {
        Self {
            pending: Pending::Ready,
            granted: None,
            observed: Observed::default(),
            in_handler: false,
            over: 0,
            unwinds: false,
            woken: None,
            resting: 0,
            alarmed: false,
            fresh: false,
            steps: 0,
            owning: Owning::default(),
            cpu: 0,
            buffer: VecDeque::new(),
            accesses: 0,
            owes: Owes::new(),
            released: 0,
        }
    }

    /// What the thread reads in a word that it has stored to itself.
    pub(super) fn forwarded(&self, word: &Word) -> Option<u32> {
        self.buffer.iter().rev().find(|store| store.word.is(word)).map(|store| store.value)
    }

    /// What the thread would read.
    pub(super) fn sees(&self, word: &Word) -> u32 {
        self.forwarded(word).unwrap_or_else(|| word.raw())
    }

    fn changed(&self, seen: &[(Word, u32)]) -> bool {
        seen.iter().any(|(word, value)| self.sees(word) != *value)
    }

    /// The first of some words that is not as seen.
    pub(super) fn first_changed(&self, seen: &[(Word, u32)]) -> Option<(u64, u32)> {
        let changed = seen.iter().find(|(word, value)| self.sees(word) != *value);
        changed.map(|(word, value)| (word.key(), *value))
    }

    /// The current step goes by what these words hold.
    pub(super) fn goes_by(words: &[(Word, u32)]) {
        words.iter().for_each(|(word, _)| commute::reads(Part::Word(word.key())));
    }

    /// The current step is one that the thread could take because it rests so.
    pub(super) fn goes_by_rest(&self) {
        if let Pending::Rest { seen, alarm } = &self.pending {
            Self::goes_by(seen);
            alarm.iter().for_each(|alarm| Self::goes_by(alarm));
        }
    }

    /// Whether it was about to look at a word that had changed, which has its old value again.
    pub(super) fn held_back(&self, word: u64, value: u32) -> bool {
        let looks = matches!(self.pending, Pending::Step { what, .. } if what == word);
        looks && self.woken == Some((word, value))
    }

    /// Whether it has something to do that concerns nobody else.
    pub(super) fn ready(&self) -> bool {
        match &self.pending {
            Pending::Ready => true,
            Pending::Rest { seen, .. } => self.changed(seen),
            _ => false,
        }
    }

    /// Whether an interrupt would find something new.
    pub(super) fn rings(&self, alarm: &[(Word, u32)]) -> bool {
        alarm.is_empty() || self.changed(alarm)
    }

    /// Whether it can take the step that it is about to.
    pub(super) fn enabled(&self) -> bool {
        match &self.pending {
            Pending::Step { drains, .. } => !drains || self.buffer.is_empty(),
            Pending::Rest { alarm, .. } => alarm.as_ref().is_some_and(|alarm| self.rings(alarm)),
            Pending::Doze => true,
            Pending::Ready | Pending::Done => false,
        }
    }

    /// Whether it is a preemption that another thread goes on. One that rests or dozes waits for others, also where it
    /// could take an interrupt: if leaving it had a price, a bound could leave out all that others do.
    pub(super) fn is_preempted(&self) -> bool {
        self.enabled() && matches!(self.pending, Pending::Step { .. })
    }

    pub(super) fn done(&self) -> bool {
        matches!(self.pending, Pending::Done) && self.buffer.is_empty()
    }
}

impl Thread {
    /// What of its state what it has observed may not tell any more.
    pub(super) fn hash_context<H: Hasher>(&self, state: &mut H) {
        (self.cpu, self.over, self.resting, self.woken).hash(state);
        if !has(Defect::TouchesAreForgotten) {
            self.owes.hash(state);
        }
    }

    /// What it is about to do.
    pub(super) fn hash_pending<H: Hasher>(&self, state: &mut H) {
        match &self.pending {
            Pending::Ready => 0u8.hash(state),
            Pending::Step { what, drains } => (1u8, what, drains).hash(state),
            Pending::Rest { seen, .. } => {
                2u8.hash(state);
                for (word, value) in seen {
                    (word.key(), value).hash(state);
                }
            }
            Pending::Doze => 3u8.hash(state),
            Pending::Done => 4u8.hash(state),
        }
    }

    /// What is in its store buffer.
    pub(super) fn hash_buffer<H: Hasher>(&self, state: &mut H) {
        for store in &self.buffer {
            (store.key, store.value, store.contended).hash(state);
            if !has(Defect::TouchesAreForgotten) {
                store.owes.hash(state);
            }
        }
    }
}
