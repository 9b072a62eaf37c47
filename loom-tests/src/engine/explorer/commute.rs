//! Steps that commute: where two touch nothing in common, they lead to the same state in either order.
//!
//! A step is known by what it touched and by what it added to the state's digest, which is a sum over the
//! parts of the state. As long as all that is done after it was known touches nothing that it touches, it
//! would do the same again, so the digests of where it leads are known without making it; and where all
//! of those states were met before, there is nothing to make it for. That leaves out executions, and no
//! state.
//!
//! It is right if a step's footprint is all that it goes by and all that it changes. So some steps that
//! could be left out are made, and have to lead where they were expected to.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::defect::{Defect, has};
use super::path::Move;
use super::thread::MOST;

/// One in so many states is where steps that could be left out are made, to compare.
pub(super) const SAMPLE: u128 = 64;

/// Parts of the host's state at most.
const HOST: usize = 32;
const BITS: usize = 1024;

/// Something that steps go by, or change.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// Where a thread is.
    Thread(usize),
    /// Its store buffer, beyond the stores to one word.
    Buffer(usize),
    /// A part of what the host holds beside words and owned values.
    Host(usize),
    /// A word or owned value.
    Word(u64),
}

impl Part {
    /// Its bit. Words may share one, and are then taken for the same.
    fn bit(self) -> usize {
        match self {
            Self::Thread(n) => n,
            Self::Buffer(n) => MOST + n,
            Self::Host(n) => {
                assert!(n < HOST, "a host has at most {HOST} parts");
                2 * MOST + n
            }
            Self::Word(key) => {
                const FIRST: usize = 2 * MOST + HOST;
                let spread = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
                FIRST + spread as usize % (BITS - FIRST)
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Bits([u64; BITS / 64]);

impl Bits {
    const NONE: Self = Self([0; BITS / 64]);

    fn set(&mut self, bit: usize) {
        self.0[bit / 64] |= 1 << (bit % 64);
    }

    fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(mine, theirs)| mine & theirs != 0)
    }

    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine |= theirs);
    }
}

/// What a step touches.
#[derive(Debug, Clone)]
pub(super) struct Footprint {
    reads: Bits,
    writes: Bits,
    /// Per thread: the step took an access for contended because that thread was in a phase before this.
    before: [u16; MOST],
    /// Per thread: the phase that the step brought it to.
    phases: [u16; MOST],
}

impl Footprint {
    const NONE: Self =
        Self { reads: Bits::NONE, writes: Bits::NONE, before: [u16::MAX; MOST], phases: [0; MOST] };

    fn commutes(&self, other: &Self) -> bool {
        let passes = |these: &Self, those: &Self| {
            these.phases.iter().zip(&those.before).any(|(phase, before)| phase >= before)
        };
        let looks = !has(Defect::LooksCommuteWithChanges);
        let phases = !has(Defect::PhasesCommute);
        !(self.writes.meets(&other.writes)
            || looks && self.writes.meets(&other.reads)
            || looks && self.reads.meets(&other.writes)
            || phases && passes(self, other)
            || phases && passes(other, self))
    }

    fn add(&mut self, other: &Self) {
        self.reads.add(&other.reads);
        self.writes.add(&other.writes);
        for n in 0..MOST {
            self.before[n] = self.before[n].min(other.before[n]);
            self.phases[n] = self.phases[n].max(other.phases[n]);
        }
    }
}

thread_local! {
    /// What the worker's current step has touched so far.
    static TOUCHED: RefCell<Footprint> = const { RefCell::new(Footprint::NONE) };
    /// Steps are being made: set-up is none.
    static STEPS: Cell<bool> = const { Cell::new(false) };
}

/// An execution begins, with its set-up.
pub(super) fn rewind() {
    STEPS.set(false);
}

/// A step begins.
pub(super) fn begin() {
    end();
    STEPS.set(true);
}

fn touched(f: impl FnOnce(&mut Footprint)) {
    if STEPS.get() {
        TOUCHED.with_borrow_mut(f);
    }
}

/// The current step goes by this.
pub(super) fn reads(part: Part) {
    if matches!(part, Part::Buffer(_)) && has(Defect::BuffersCommute) {
        return;
    }
    touched(|touched| touched.reads.set(part.bit()));
}

/// It changes this.
pub(super) fn writes(part: Part) {
    touched(|touched| touched.writes.set(part.bit()));
}

/// It goes by that a thread is in a phase before this one.
pub(super) fn is_before(thread: usize, phase: u16) {
    touched(|touched| {
        touched.before[thread] = touched.before[thread].min(phase);
    });
}

/// What the current step has touched. Looks at the state that it has led to are no part of it.
pub(super) fn end() -> Footprint {
    TOUCHED.replace(Footprint::NONE)
}

/// It brings a thread to this phase.
pub(super) fn comes_to(thread: usize, phase: u16) {
    touched(|touched| {
        touched.phases[thread] = touched.phases[thread].max(phase);
    });
}

/// A step that was made, with all that can come of it.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) step: Move,
    footprint: Footprint,
    /// What each outcome adds to the digest.
    pub(super) adds: Vec<u128>,
}

/// A state on the way, and the steps that are known there.
#[derive(Debug, Clone)]
pub(super) struct Here {
    pub(super) key: u128,
    known: Vec<Arc<Made>>,
    /// Steps that are known and made nevertheless.
    checked: Vec<Arc<Made>>,
    /// The step that is being made.
    making: Option<Made>,
    /// Another worker has some of its outcomes.
    partly: bool,
}

impl Here {
    pub(super) fn new(key: u128, known: Vec<Arc<Made>>, checked: Vec<Arc<Made>>) -> Self {
        Self { key, known, checked, making: None, partly: false }
    }

    /// Goes from here to there by a step that has just been made. Returns the steps that are known there.
    ///
    /// # Panics
    /// If it leads to somewhere else than it did where it was made before: what steps touch is not told.
    pub(super) fn goes_to(
        &mut self,
        there: u128,
        step: Move,
        touched: &Footprint,
    ) -> Vec<Arc<Made>> {
        let adds = there.wrapping_sub(self.key);
        if let Some(known) = self.checked.iter().find(|known| known.step == step) {
            assert!(
                known.adds.contains(&adds),
                "the explorer is not told all that steps touch: {step:?} was known to lead elsewhere"
            );
        }
        let fresh = Made { step, footprint: Footprint::NONE, adds: Vec::new() };
        let making = self.making.get_or_insert(fresh);
        making.footprint.add(touched);
        if !making.adds.contains(&adds) {
            making.adds.push(adds);
        }
        let commutes = |known: &&Arc<Made>| known.footprint.commutes(touched);
        self.known.iter().filter(commutes).cloned().collect()
    }

    /// The same state for another worker.
    pub(super) fn given_away(&self) -> Self {
        Self::new(self.key, self.known.clone(), Vec::new())
    }

    /// Another worker takes some outcomes of the step that is being made.
    pub(super) fn shares(&mut self) {
        self.partly = true;
    }

    /// The step that was being made is done.
    pub(super) fn made(&mut self) {
        let partly = std::mem::take(&mut self.partly);
        if let Some(made) = self.making.take().filter(|_| !partly) {
            self.known.retain(|known| known.step != made.step);
            self.known.push(Arc::new(made));
        }
    }
}

/// A step that is known, among those that are.
pub(super) fn known(known: &[Arc<Made>], step: Move) -> Option<&Arc<Made>> {
    known.iter().find(|known| known.step == step)
}

#[cfg(test)]
mod tests;
