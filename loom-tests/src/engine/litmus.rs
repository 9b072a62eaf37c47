//! Small programs over a few words, and all that they can come to on each engine.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hash::Hasher;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use mmu386::arch::WordName;

use super::explorer::{self, Host, Outcomes};
use super::{Mode, Sharing, Word, fence, spawn};

/// What a thread does. Words are given by number, and are 0 at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// A plain load; what it sees is part of the outcome.
    Load(usize),
    /// A plain store.
    Store(usize, u32),
    /// A LOCKed exchange; the old value is part of the outcome.
    Swap(usize, u32),
    /// A LOCKed add; the old value is part of the outcome.
    Add(usize, u32),
    /// A full fence.
    Fence,
    /// No access: the thread's code is further than it was ([`explorer::advance`]), which the
    /// explorer's reduction goes by.
    Advance,
}

/// A thread's operations, for each thread.
pub type Program = Vec<Vec<Op>>;

/// What the threads have read, in the order of the program, and then what words 0 and so on hold at
/// the end.
pub type Outcome = Vec<u32>;

/// An execution of a program.
struct Bench {
    words: Vec<Word>,
    read: Vec<RefCell<Vec<u32>>>,
}

impl Bench {
    fn new(program: &Program) -> Self {
        let words = program.iter().flatten().filter_map(|op| op.word()).max().map_or(0, |n| n + 1);
        let word = |n| Word::new(WordName::Other("litmus", n), 0, Sharing::Shared);
        let read = program.iter().map(|_| RefCell::default()).collect();
        Self { words: (0..words).map(word).collect(), read }
    }

    fn run(&self, thread: usize, ops: &[Op]) {
        for &op in ops {
            let read = match op {
                Op::Load(n) => Some(self.words[n].load(thread)),
                Op::Swap(n, value) => Some(self.words[n].swap(value)),
                Op::Add(n, value) => Some(self.words[n].fetch_add(value)),
                Op::Store(n, value) => {
                    self.words[n].store(value);
                    None
                }
                Op::Fence => {
                    fence();
                    None
                }
                Op::Advance => {
                    explorer::advance();
                    None
                }
            };
            self.read[thread].borrow_mut().extend(read);
        }
    }

    fn outcome(&self) -> Outcome {
        let read = self.read.iter().flat_map(|read| read.borrow().clone());
        read.chain(self.words.iter().map(Word::peek)).collect()
    }
}

impl Op {
    /// The word that it accesses.
    pub fn word(self) -> Option<usize> {
        match self {
            Self::Load(n) | Self::Store(n, _) | Self::Swap(n, _) | Self::Add(n, _) => Some(n),
            Self::Fence | Self::Advance => None,
        }
    }
}

/// The bench has no state but words, and what threads have read of them.
struct Explored {
    bench: Rc<Bench>,
    outcomes: Outcomes<Outcome>,
}

impl Host for Explored {
    fn minds_who_is_held_back(&self) -> bool {
        false
    }

    fn held_back(&self, _: &Word) {}

    fn parts(&self) -> usize {
        0
    }
    fn digest(&self, _: usize, _: &mut dyn Hasher) {}
    fn reached_memory(&self, _: usize, _: &Word, _: u32) {}

    fn ended(&self) {
        self.outcomes.add(self.bench.outcome());
    }

    fn stuck(&self, _: bool) {
        panic!("a program without waits has stopped");
    }
}

/// All outcomes that the explorer shows of a program. `reduce` is
/// [`Limits::reduce`](explorer::Limits::reduce).
pub fn explored(tso: bool, reduce: bool, program: &Program) -> BTreeSet<Outcome> {
    let program = program.clone();
    explorer::outcomes(tso, reduce, move |outcomes| {
        let bench = Rc::new(Bench::new(&program));
        for (thread, ops) in program.iter().cloned().enumerate() {
            let bench = bench.clone();
            spawn(move || bench.run(thread, &ops));
        }
        explorer::explore_from_here(Rc::new(Explored { bench, outcomes: outcomes.clone() }));
    })
}

/// All outcomes that loom shows of a program, in one of its modes.
///
/// # Panics
/// If the mode is one of the explorer's.
pub fn loomed(mode: Mode, program: &Program) -> BTreeSet<Outcome> {
    let found = Arc::new(Mutex::new(BTreeSet::new()));
    let (inside, program) = (found.clone(), program.clone());
    let earlier = found.clone();
    let begins = move || earlier.lock().expect("no panic while it is held").clear();
    super::loom::explore(mode, begins, move || {
        let bench = Rc::new(Bench::new(&program));
        for (thread, ops) in program.iter().cloned().enumerate() {
            let (bench, found) = (bench.clone(), inside.clone());
            spawn(move || {
                bench.run(thread, &ops);
                // The first thread holds none by then, or is behind all others.
                if Rc::strong_count(&bench) == 1 {
                    found.lock().expect("no panic while it is held").insert(bench.outcome());
                }
            });
        }
        drop(bench);
        super::loom::explore_from_here();
    });
    std::mem::take(&mut found.lock().expect("loom is through"))
}
