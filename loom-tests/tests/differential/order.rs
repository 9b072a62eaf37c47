//! Another way to tell a race, to check the first: what happens before what, by vector clocks.
//!
//! A thread's accesses are numbered by how many stores and LOCKed operations it had made before. A word
//! has the clock of the store that it holds, from when that has reached memory; a load brings that into the
//! thread's clock, and a LOCKed operation passes on what it finds besides. Two accesses to an owned value
//! race if the later thread's clock does not have the earlier access.

/// Most threads.
pub const THREADS: usize = 3;

/// Per thread, how much of it is known.
pub type Clock = [u8; THREADS];

/// What is known of what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Order {
    threads: [Clock; THREADS],
    words: Vec<Clock>,
    /// Per owned value, the latest look and the latest change of each thread.
    looks: Vec<Clock>,
    changes: Vec<Clock>,
}

fn join(into: &mut Clock, other: &Clock) {
    into.iter_mut().zip(other).for_each(|(mine, theirs)| *mine = (*mine).max(*theirs));
}

impl Order {
    /// Nothing has happened. Numbers begin with 1.
    pub fn new(words: usize, cells: usize) -> Self {
        let threads = std::array::from_fn(|n| {
            let mut clock = Clock::default();
            clock[n] = 1;
            clock
        });
        let none = vec![Clock::default(); cells];
        Self { threads, words: vec![Clock::default(); words], looks: none.clone(), changes: none }
    }

    /// Thread `n` makes a store. Returns what it passes on.
    pub fn stores(&mut self, n: usize) -> Clock {
        let clock = self.threads[n];
        self.threads[n][n] += 1;
        clock
    }

    /// A store has reached memory.
    pub fn reaches(&mut self, word: usize, clock: Clock) {
        self.words[word] = clock;
    }

    /// Thread `n` finds what memory holds.
    pub fn loads(&mut self, n: usize, word: usize) {
        let clock = self.words[word];
        join(&mut self.threads[n], &clock);
    }

    /// Thread `n` makes a LOCKed operation.
    pub fn locks(&mut self, n: usize, word: usize) {
        self.loads(n, word);
        let clock = self.stores(n);
        join(&mut self.words[word], &clock);
    }

    /// Thread `n` looks at an owned value, or changes it. Returns whether that races.
    pub fn touches(&mut self, n: usize, cell: usize, changes: bool) -> bool {
        let clock = self.threads[n];
        let unknown = |theirs: &Clock| {
            theirs.iter().enumerate().any(|(other, &at)| other != n && at > clock[other])
        };
        let races = unknown(&self.changes[cell]) || changes && unknown(&self.looks[cell]);
        let mine = if changes { &mut self.changes } else { &mut self.looks };
        mine[cell][n] = clock[n];
        races
    }
}
