//! Accessed and dirty bits: what walkers write into entries.

use mmu386::arch::WordName;
use mmu386::entry::{Entry, PTEWRITE};
use mmu386::variant::Variant;

use super::{Cpu, Machine};
use crate::engine::{self, Word, explorer};

/// The processor has walked through the entry (Intel SDM vol. 3, 4.8).
const ACCESSED: u32 = 1 << 5;
/// The processor has written through the entry.
const DIRTY: u32 = 1 << 6;

/// When walkers set accessed and dirty bits \[M14\].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// Never.
    Never,
    /// As soon as the entry is in memory, if some CPU can walk to it then: before its own CPU can
    /// look at it again.
    AtOnce,
    /// At any moment while some CPU can walk to the entry, or never. A mark matters to the code when it
    /// looks: whether one has come since the last look is the explorer's choice. Loom has no such choice.
    AnyTime,
}

/// An entry without the bits that walkers set.
pub fn unmarked(entry: Entry) -> Entry {
    Entry(entry.0 & !(ACCESSED | DIRTY))
}

impl<V: Variant> Machine<V> {
    /// What a CPU that stores `value` finds in the word afterwards. Walkers set bits of entries that
    /// are valid and of no others, in one step with their look at them.
    ///
    /// A directory entry is the VPT's page table entry, too, so it may get dirty.
    pub(super) fn marked(&self, word: &Word, value: u32) -> u32 {
        if self.config.marks != Marks::AtOnce || !Entry(value).valid() || !self.is_walked(word) {
            return value;
        }
        value | ACCESSED | dirty(value)
    }

    /// Whether some CPU can walk to the word now.
    fn is_walked(&self, word: &Word) -> bool {
        let WordName::Entry(table, _) = word.name() else { return false };
        (0..self.config.cpus).any(|n| self.walks_through(n, table).is_some())
    }
}

/// The bit that a write through an entry sets, if it lets anyone write.
fn dirty(value: u32) -> u32 {
    if value & PTEWRITE != 0 { DIRTY } else { 0 }
}

impl<V: Variant> Cpu<V> {
    /// Stores or exchanges a value, in one step with what walkers make of it. Returns that, and what `store` does.
    pub(super) fn marking<R>(
        &self,
        word: &Word,
        value: u32,
        store: impl FnOnce(u32) -> R,
    ) -> (u32, R) {
        let store = || {
            let value = self.machine.marked(word, value);
            (value, store(value))
        };
        if self.machine.config.marks != Marks::AtOnce || !engine::joins() {
            return store();
        }
        // The step begins here, before the look at which CPUs can walk to the word.
        self.machine.views[self.id()].load(self.id());
        engine::joined(store)
    }

    /// The code is about to look at a word. Walkers may have marked it by now.
    pub(super) fn walkers_come_first(&self, word: &Word) {
        if self.machine.config.marks != Marks::AnyTime
            || !matches!(word.name(), WordName::Entry(..))
        {
            return;
        }
        word.walk(|value| {
            if !Entry(value).valid() || !self.machine.is_walked(word) {
                return value;
            }
            // A CPU that writes through an entry walks through it, too.
            let mut marked = vec![value, value | ACCESSED, value | ACCESSED | dirty(value)];
            marked.dedup();
            marked[explorer::choose(marked.len())]
        });
    }
}
