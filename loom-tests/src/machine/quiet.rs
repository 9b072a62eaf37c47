//! Ticks that would find nothing, and so are left out \[M8\].
//!
//! A tick that did nothing is remembered by what it has read. As long as that is unchanged, the next
//! one would do nothing either, and is the same as none. The explorer offers no such tick. Nor does
//! loom, which has to know what an offer depends on: a CPU that stores to a word that ticks of another CPU
//! look at counts that in a word of the other ([`Machine::stirs`](super::Machine)), which that one reads
//! wherever a tick could come.

use mmu386::variant::Variant;

use super::Cpu;
use crate::engine::explorer::{Defect, has};
use crate::engine::{self, Word};

/// What a clock tick has done.
#[derive(Default)]
pub(super) struct Recording {
    pub(super) read: Vec<(Word, u32)>,
    pub(super) wrote: bool,
    /// It has looked at what is no word.
    pub(super) unsure: bool,
}

impl Recording {
    /// Whether the next one may do something, although no word that it has read changes.
    pub(super) fn stirs(&self) -> bool {
        self.wrote || self.unsure
    }
}

impl<V: Variant> Cpu<V> {
    /// The current tick does not only look.
    pub(super) fn does_something(&self) {
        if let Some(recording) = &mut *self.recording.borrow_mut() {
            recording.wrote = true;
        }
    }

    /// Under loom, a tick in set-up: only one that comes later can find something.
    pub(super) fn quiet_at_first(&self) {
        if !engine::explored() && *self.machine.lo(self.id()) {
            self.quiet_or_not();
        }
    }

    /// Whether a tick might do more than the last one that did nothing: that one has read no more
    /// than one word that others write, so that one which comes before a change is the same as none.
    pub(super) fn tick_would_stir(&self) -> bool {
        let quiet = self.idle_tick.borrow();
        let changed = || quiet.iter().any(|(word, value)| word.seen() != *value);
        quiet.is_empty() || !has(Defect::QuietForEver) && changed()
    }

    /// The same under loom. A tick after no more than this CPU's own stores finds nothing as a rule: it
    /// is taken at once, to remember that.
    pub(super) fn stray_tick_would_stir(&self) -> bool {
        let quiet = self.idle_tick.borrow().clone();
        if quiet.is_empty() || !self.nobody_else_changed(&quiet) {
            return self.tick_would_stir();
        }
        if self.tick_would_stir() {
            self.look_again(&quiet);
        }
        false
    }

    /// Whether what has changed of this has been changed by this CPU alone.
    fn nobody_else_changed(&self, read: &[(Word, u32)]) -> bool {
        read.iter().all(|(word, value)| word.now() == *value || word.quiet_for(self.id()))
    }

    /// After an interrupt under loom: remembers what the next one would read if it finds nothing, as it
    /// does as a rule if nobody else has changed any of it meanwhile. Returns whether this one did
    /// something.
    pub(super) fn settle(&self, took: Recording) -> bool {
        let wrote = took.wrote;
        if wrote {
            // Whether others have changed it meanwhile is seen in this step.
            engine::joined(|| took.read.iter().for_each(|(word, _)| self.looks_again_at(word)));
        }
        self.last_tick.replace(if wrote { Vec::new() } else { took.read.clone() });
        if !wrote {
            self.remember(took);
        } else if self.nobody_else_changed(&took.read) {
            self.look_again(&took.read);
        } else {
            self.idle_tick.borrow_mut().clear();
        }
        wrote
    }

    /// Takes a tick that finds nothing as a rule, and remembers that. It is the same as none, and costs
    /// no step. If it does find something, the rule does not hold, and the exploration is done again
    /// without.
    fn look_again(&self, read: &[(Word, u32)]) {
        self.silent.set(true);
        let took = self.take_tick();
        if took.wrote {
            read.iter().for_each(|(word, _)| word.has_stirred());
            self.idle_tick.borrow_mut().clear();
        } else {
            self.remember(took);
        }
        self.silent.set(false);
    }

    /// Part of a step that goes by what the word holds now.
    fn looks_again_at(&self, word: &Word) {
        if engine::joins() {
            word.load(self.id());
        }
    }

    /// Takes a tick, and remembers what it has read if it did nothing. Returns whether it did
    /// something.
    pub(super) fn quiet_or_not(&self) -> bool {
        let took = self.take_tick();
        let wrote = took.wrote;
        if !engine::explored() {
            return self.settle(took);
        }
        if wrote {
            self.idle_tick.borrow_mut().clear();
        } else {
            self.remember(took);
        }
        wrote
    }

    /// Remembers what a tick has read that did nothing, unless another that begins before the same change
    /// may end differently.
    fn remember(&self, quiet: Recording) {
        let mut contended: Vec<&Word> = Vec::new();
        for (word, _) in &quiet.read {
            if word.contended(self.id()) && !contended.iter().any(|w| w.is(word)) {
                contended.push(word);
            }
        }
        let unsure = quiet.unsure && !has(Defect::QuietByOwnedValues);
        let several = contended.len() > 1 && !has(Defect::QuietBySeveralWords);
        if unsure || several || !self.is_told_of(&quiet.read) {
            return self.idle_tick.borrow_mut().clear();
        }
        self.idle_tick.replace(quiet.read);
    }

    /// What a tick has found before says nothing of where this thread goes on.
    pub(super) fn forget_ticks(&self) {
        self.idle_tick.borrow_mut().clear();
        self.last_tick.borrow_mut().clear();
    }

    /// Whether others count their stores to these words for this CPU, if it has stray ticks. If not, they do
    /// from here on, or, where all that a step depends on is told to loom, in the next exploration.
    fn is_told_of(&self, read: &[(Word, u32)]) -> bool {
        if !self.tick.offers() || engine::explored() {
            return true;
        }
        let told = read.iter().all(|(word, _)| word.is_looked_at(self.id()));
        let at_once = !engine::joins();
        // What only a silent look has shown was not counted before it.
        if at_once && self.silent.get() {
            return told;
        }
        read.iter().for_each(|(word, _)| word.ticks_look(self.id()));
        told || at_once
    }

    /// This CPU has stored to a word. Under loom, a stray tick that looks at the word may have come to
    /// another CPU just before or just after.
    pub(super) fn may_stir(&self, word: &Word) {
        if engine::explored() {
            return;
        }
        word.written_by(self.id());
        for n in (0..self.machine.config.cpus).filter(|n| *n != self.id() && word.is_looked_at(*n))
        {
            self.machine.stirs[n].fetch_add(1);
        }
    }
}
