//! Whether loom knows all that steps depend on.
//!
//! What the machine keeps beside loom, loom does not see: TLBs, what CPUs run, what walkers find in memory. Two steps
//! that conflict over it must be ordered by steps that conflict over words, or loom would not try them in both
//! orders. So in RMW mode everything of the kind is noted as it is touched, and two touches that conflict and that
//! nothing orders are a fault of the machine. It is looked for in every execution as data races are, by vector clocks
//! (Flanagan and Freund, "FastTrack", PLDI 2009), with the words in place of locks.

use std::collections::HashMap;
use std::panic::Location;

use foldhash::fast::FixedState;
use mmu386::arch::WordName;

use super::steps::{Access, THREADS};

/// How something is touched that loom does not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is looked at.
    Look,
    /// Something is added, in an order that does not matter.
    Add,
    /// It is changed.
    Change,
}

impl How {
    fn commutes(self, other: Self) -> bool {
        self == other && self != Self::Change
    }
}

const HOWS: [How; 3] = [How::Look, How::Add, How::Change];

type Clock = [u32; THREADS];

fn join(clock: &mut Clock, other: &Clock) {
    for (mine, theirs) in clock.iter_mut().zip(other) {
        *mine = (*mine).max(*theirs);
    }
}

/// The latest steps that updated a word, and that loaded it.
#[derive(Default)]
struct WordClocks {
    updates: Clock,
    loads: Clock,
}

type Place = &'static Location<'static>;

/// Something that loom does not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Which {
    /// What a word of the execution holds.
    Word(usize),
    /// This of what a CPU has.
    OfCpu(&'static str, usize, u64),
}

/// When each thread last touched something in each way, and where.
type Touched = [[Option<(u32, Place)>; HOWS.len()]; THREADS];

/// The current execution.
#[derive(Default)]
pub(super) struct Order {
    clocks: [Clock; THREADS],
    words: Vec<WordClocks>,
    held: Vec<Touched>,
    others: HashMap<Which, Touched, FixedState>,
    /// The thread that is in a step, or goes on after a rest.
    current: Option<usize>,
    /// What it has accessed, and touched. What orders the step may come last.
    accessed: Vec<Access>,
    touched: Vec<(Which, How, Place)>,
    /// The first fault of the exploration.
    fault: Option<String>,
}

fn entry<T: Default>(all: &mut Vec<T>, n: usize) -> &mut T {
    if all.len() <= n {
        all.resize_with(n + 1, T::default);
    }
    &mut all[n]
}

impl Order {
    pub(super) fn rewind(&mut self) {
        *self = Self { fault: self.fault.take(), ..Self::default() };
    }

    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Whether this thread is in a step, or goes on after a rest.
    pub(super) fn is_in(&self, me: usize) -> bool {
        self.current == Some(me)
    }

    pub(super) fn begin(&mut self, me: usize) {
        self.current = Some(me);
        self.clocks[me][me] += 1;
    }

    pub(super) fn accessed(&mut self, me: usize, access: Access) {
        let word = entry(&mut self.words, access.id);
        let mine = &mut self.clocks[me];
        join(mine, &word.updates);
        if access.update {
            join(mine, &word.loads);
        }
        self.accessed.push(access);
    }

    pub(super) fn touch(&mut self, which: Which, how: How, place: Place) {
        self.touched.push((which, how, place));
    }

    /// The step is over.
    pub(super) fn close(&mut self, names: &[WordName]) {
        let Some(me) = self.current.take() else { return };
        let mine = self.clocks[me];
        for access in self.accessed.drain(..) {
            let word = entry(&mut self.words, access.id);
            join(if access.update { &mut word.updates } else { &mut word.loads }, &mine);
        }
        for (which, how, place) in self.touched.drain(..) {
            let touched = match which {
                Which::Word(id) => entry(&mut self.held, id),
                other => self.others.entry(other).or_default(),
            };
            let others = touched.iter().enumerate().filter(|(n, _)| *n != me);
            let unordered = others.flat_map(|(n, theirs)| {
                let ways = HOWS.iter().zip(theirs).filter(|(other, _)| !how.commutes(**other));
                ways.filter_map(|(_, last)| *last).filter(move |(when, _)| *when > mine[n])
            });
            if let Some((_, elsewhere)) = unordered.last() {
                let what = match which {
                    Which::Word(id) => format!("{:?}", names[id]),
                    Which::OfCpu(what, cpu, _) => format!("{what} of cpu {cpu}"),
                };
                let text = format!(
                    "loom is not told what orders {elsewhere} and {place}: both touch {what}"
                );
                self.fault.get_or_insert(text);
            }
            touched[me][how as usize] = Some((mine[me], place));
        }
    }
}
