//! Accessed and dirty bits: what walkers write into entries.

use mmu386::arch::WordName;
use mmu386::entry::{Entry, PTEWRITE};
use mmu386::variant::Variant;

use super::Machine;
use crate::engine::Word;

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
        let WordName::Entry(table, _) = word.name() else { return value };
        let walked = |n| self.walks_through(n, table).is_some();
        if self.config.marks == Marks::Never
            || !Entry(value).valid()
            || !(0..self.config.cpus).any(walked)
        {
            return value;
        }
        value | ACCESSED | if value & PTEWRITE != 0 { DIRTY } else { 0 }
    }
}
