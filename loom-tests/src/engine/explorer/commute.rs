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
        !(self.writes.meets(&other.writes)
            || self.writes.meets(&other.reads)
            || self.reads.meets(&other.writes)
            || passes(self, other)
            || passes(other, self))
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
mod tests {
    use std::hash::{Hash, Hasher};
    use std::rc::Rc;

    use mmu386::arch::WordName;

    use super::super::{Found, Host, Limits, Size, explore_from_here, search, spawn, touches};
    use super::*;
    use crate::engine::{Sharing, Word};

    fn footprint(reads: &[u64], writes: &[u64]) -> Footprint {
        begin();
        reads.iter().for_each(|&word| super::reads(Part::Word(word)));
        writes.iter().for_each(|&word| super::writes(Part::Word(word)));
        end()
    }

    #[test]
    fn two_reads_commute_and_a_write_with_neither() {
        let (one, other) = (footprint(&[7], &[]), footprint(&[7], &[]));
        assert!(one.commutes(&other));
        let writes = footprint(&[], &[7]);
        assert!(!one.commutes(&writes) && !writes.commutes(&one) && !writes.commutes(&writes));
        assert!(writes.commutes(&footprint(&[8], &[9])));
    }

    #[test]
    fn whoever_goes_by_a_phase_does_not_commute_with_its_end() {
        begin();
        is_before(1, 4);
        let goes_by = end();
        let comes = |phase| {
            begin();
            comes_to(1, phase);
            end()
        };
        assert!(goes_by.commutes(&comes(3)));
        assert!(!goes_by.commutes(&comes(4)) && !comes(4).commutes(&goes_by));
    }

    #[test]
    fn a_step_is_known_until_another_touches_what_it_touches() {
        let mut here = Here::new(100, Vec::new(), Vec::new());
        let (one, other) = (Move::Run(0), Move::Run(1));
        here.goes_to(103, one, &footprint(&[], &[7]));
        here.made();
        let commutes = here.goes_to(105, other, &footprint(&[8], &[]));
        assert_eq!(known(&commutes, one).map(|made| made.adds.clone()), Some(vec![3]));
        here.made();
        let conflicts = here.goes_to(106, Move::Run(2), &footprint(&[7], &[]));
        assert!(known(&conflicts, one).is_none());
        assert!(known(&conflicts, other).is_some());
    }

    #[test]
    fn a_step_that_another_worker_has_part_of_is_not_known() {
        let mut here = Here::new(100, Vec::new(), Vec::new());
        here.goes_to(103, Move::Run(0), &footprint(&[], &[7]));
        here.shares();
        here.made();
        assert!(here.goes_to(105, Move::Run(1), &footprint(&[], &[])).is_empty());
    }

    /// A host with a counter that each of two threads adds to, beside a word of its own.
    struct Counter {
        count: Cell<u32>,
        tells: bool,
    }

    impl Host for Counter {
        fn parts(&self) -> usize {
            1
        }
        fn digest(&self, _: usize, mut state: &mut dyn Hasher) {
            self.count.get().hash(&mut state);
        }
        fn reached_memory(&self, _: usize, _: &Word, _: u32) {}
        fn held_back(&self, _: &Word) {}
        fn ended(&self) {}
        fn stuck(&self, _: bool) {}
    }

    fn counted(tells: bool, check: bool) -> (Found, Size) {
        let limits = Limits { workers: 1, memory: 1 << 30, preemptions: None, reduce: true, check };
        search(false, limits, move || {
            let counter = Rc::new(Counter { count: Cell::new(1), tells });
            for thread in 0..2 {
                let counter = counter.clone();
                spawn(Box::new(move || {
                    for _ in 0..2 {
                        super::super::step(false);
                        if counter.tells {
                            touches(0, true);
                        }
                        // No two of them commute.
                        counter.count.set(3 * counter.count.get() + thread);
                    }
                }));
            }
            explore_from_here(counter);
        })
    }

    #[test]
    fn what_steps_touch_and_tell_is_explored_in_each_order() {
        let (found, with) = counted(true, false);
        assert_eq!(found, Found::Everything);
        assert_eq!(with.states, counted(true, true).1.states);
    }

    #[test]
    #[should_panic(expected = "the explorer is not told all that steps touch")]
    fn what_steps_touch_and_do_not_tell_is_noticed() {
        counted(false, true);
    }

    #[test]
    fn steps_that_touch_nothing_in_common_are_left_out() {
        let executions = |check| {
            let limits =
                Limits { workers: 1, memory: 1 << 30, preemptions: None, reduce: true, check };
            let (found, size) = search(true, limits, || {
                let words: Vec<Word> = (0..3)
                    .map(|n| Word::new(WordName::Other("commutes", n), 0, Sharing::Shared))
                    .collect();
                for mine in 0..3 {
                    let words = words.clone();
                    spawn(Box::new(move || {
                        words[mine].fetch_add(1);
                        words[(mine + 1) % 3].load(0);
                    }));
                }
                explore_from_here(Rc::new(Counter { count: Cell::new(0), tells: true }));
            });
            assert_eq!(found, Found::Everything);
            (size.executions, size.states)
        };
        let ((with, states), (without, all)) = (executions(false), executions(true));
        assert!(with < without, "{with} of {without}");
        assert_eq!(states, all);
    }
}
