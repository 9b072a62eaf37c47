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

impl<V: Variant> Host for Machine<V> {
    fn digest(&self, state: &mut dyn Hasher) {
        let mut state = Into(state);
        for n in 0..self.config.cpus {
            self.cpu(n).hash(&mut state);
        }
        self.memory.hash(&mut state);
        for walked in &self.walked {
            walked.load(Relaxed).hash(&mut state);
        }
        self.ledger().hash(&mut state);
        self.held().hash(&mut state);
        self.freed_ldts.lock().expect("no panic while it is held").hash(&mut state);
    }

    fn reached_memory(&self, cpu: usize, word: &Word, old: u32) {
        self.log.push(cpu, Op::Reached(word.name(), word.peek()));
        self.changed(word, old);
    }

    fn held_back(&self, word: &Word) {
        let answers = matches!(word.name(), WordName::FlushMmu(_) | WordName::Flushed(_));
        if self.config.fair && answers {
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
