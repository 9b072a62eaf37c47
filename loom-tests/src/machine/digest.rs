//! What the explorer asks of the machine: all its state beside words and owned values, and what a
//! store that reaches memory does to TLBs.

use std::hash::{Hash, Hasher};
use std::sync::atomic::Ordering::Relaxed;

use mmu386::arch::WordName;
use mmu386::variant::Variant;

use super::Machine;
use crate::counterexample::{self, Op};
use crate::engine::Word;
use crate::engine::explorer::Host;
use crate::oracle::{self, Property, audit};
use crate::run;

// The parts of the machine's state.
pub(super) const LEDGER: usize = 0;
pub(super) const HELD: usize = 1;
pub(super) const FREED_LDTS: usize = 2;
pub(super) const PAGES_FREE: usize = 3;
pub(super) const TABLES_LEFT: usize = 4;
pub(super) const WALKED: usize = 5;
pub(super) const REFUSALS: usize = 6;
pub(super) const IDLE: usize = 7;
const CPUS: usize = 8;

/// What a CPU has loaded and cached.
pub(super) fn cpu(n: usize) -> usize {
    CPUS + 3 * n
}

/// Whether it has interrupts on.
pub(super) fn level(n: usize) -> usize {
    cpu(n) + 1
}

/// What it has stored to entries and others cannot see yet.
pub(super) fn own_stores(n: usize) -> usize {
    cpu(n) + 2
}

/// A hasher by reference, for `Hash`.
struct Into<'a>(&'a mut dyn Hasher);

impl Hasher for Into<'_> {
    fn finish(&self) -> u64 {
        self.0.finish()
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }
}

fn of_cpu<T>((n, all): (usize, &Vec<T>)) -> impl Iterator<Item = (usize, &T)> {
    all.iter().map(move |one| (n, one))
}

impl<V: Variant> Host for Machine<V> {
    fn parts(&self) -> usize {
        cpu(self.config.cpus)
    }

    fn digest(&self, part: usize, state: &mut dyn Hasher) {
        let mut state = Into(state);
        match part {
            LEDGER => self.ledger().hash(&mut state),
            HELD => self.held().hash(&mut state),
            FREED_LDTS => self.freed_ldts.hold().hash(&mut state),
            PAGES_FREE => self.memory.free_pages().hash(&mut state),
            TABLES_LEFT => self.memory.tables_taken().hash(&mut state),
            WALKED => {
                self.walked.iter().for_each(|walked| walked.load(Relaxed).hash(&mut state));
            }
            IDLE => {
                for (n, (word, value)) in self.idle.hold().iter().enumerate().flat_map(of_cpu) {
                    (n, word.name(), value).hash(&mut state);
                }
            }
            // The code that waits for a panic knows it.
            REFUSALS => {}
            _ => {
                let n = (part - CPUS) / 3;
                match (part - CPUS) % 3 {
                    0 => self.cpu(n).hash(&mut state),
                    1 => self.lo(n).hash(&mut state),
                    // The explorer knows its buffers.
                    _ => {}
                }
            }
        }
    }

    fn reached_memory(&self, cpu: usize, word: &Word, old: u32) {
        self.log.push(cpu, Op::Reached(word.name(), word.peek()));
        self.has_arrived(cpu, word);
        self.changed(word, old);
    }

    fn minds_who_is_held_back(&self) -> bool {
        self.config.fair
    }

    fn held_back(&self, word: &Word) {
        let answers = matches!(word.name(), WordName::FlushMmu(_) | WordName::Flushed(_));
        if answers {
            let name = counterexample::name(word.name());
            oracle::broken(
                Property::L2,
                &format!(
                    "who waited for {name} could go on, and cannot any more: it can be so for ever"
                ),
            );
        }
    }

    fn ended(&self) {
        audit::at_end(self);
    }

    fn stuck(&self, somebody_can: bool) {
        run::stuck(somebody_can);
    }
}
