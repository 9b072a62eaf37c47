//! Footprints, and searches that go by them.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::Mutex;

use mmu386::arch::WordName;

use super::super::{Found, Host, Limits, Size, explore_from_here, search, spawn, touches};
use super::*;
use crate::engine::{self, Sharing, Word};

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
    fn minds_who_is_held_back(&self) -> bool {
        false
    }
    fn held_back(&self, _: &Word) {}
    fn ended(&self) {}
    fn stuck(&self, _: bool) {}
}

impl Host for engine::Part<u32> {
    fn parts(&self) -> usize {
        1
    }
    fn digest(&self, _: usize, mut state: &mut dyn Hasher) {
        self.hold().hash(&mut state);
    }
    fn reached_memory(&self, _: usize, _: &Word, _: u32) {}
    fn minds_who_is_held_back(&self) -> bool {
        false
    }
    fn held_back(&self, _: &Word) {}
    fn ended(&self) {}
    fn stuck(&self, _: bool) {}
}

fn counted(tells: bool, check: bool) -> (Found, Size) {
    let limits = Limits {
        workers: 1,
        memory: 1 << 30,
        preemptions: None,
        reduce: true,
        check,
        backward: false,
        defect: None,
    };
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

/// A look that changes nothing, as an oracle's, shows in no state: only what it goes by keeps it from being
/// left out after a change.
#[test]
fn who_only_looks_at_a_part_looks_before_and_after_a_change() {
    for looks_first in [false, true] {
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let all = seen.clone();
        let limits = Limits {
            workers: 1,
            memory: 1 << 30,
            preemptions: None,
            reduce: true,
            check: false,
            backward: false,
            defect: None,
        };
        let (found, _) = search(true, limits, move || {
            let part = Rc::new(engine::Part::new(0, 0u32));
            for thread in [false, true] {
                let (part, seen) = (part.clone(), seen.clone());
                spawn(Box::new(move || {
                    super::super::step(false);
                    if thread == looks_first {
                        seen.lock().unwrap().insert(*part.hold());
                    } else {
                        *part.hold() = 1;
                    }
                }));
            }
            explore_from_here(part);
        });
        assert_eq!(found, Found::Everything);
        assert!(all.lock().unwrap().iter().eq(&[0, 1]));
    }
}

#[test]
fn steps_that_touch_nothing_in_common_are_left_out() {
    let executions = |check| {
        let limits = Limits {
            workers: 1,
            memory: 1 << 30,
            preemptions: None,
            reduce: true,
            check,
            backward: false,
            defect: None,
        };
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
