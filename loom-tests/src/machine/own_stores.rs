//! What a CPU's own walks find in its store buffer.

use mmu386::arch::WordName;
use mmu386::entry::Entry;
use mmu386::variant::Variant;

use super::{Cpu, Machine, digest};
use crate::engine::{self, Part, Word};

/// Entries that a CPU has stored and that have not reached memory, oldest first. The explorer's store buffers hold
/// the same stores beside all others; these are by CPU, whatever thread runs on it.
pub(super) type OwnStores = Vec<(Word, u32)>;

/// CPU `n` has stored nothing.
pub(super) fn none(n: usize) -> Part<OwnStores> {
    Part::new(digest::own_stores(n), OwnStores::new())
}

impl<V: Variant> Machine<V> {
    /// CPU `n` has stored to an entry, and the store is on its way to memory. From here on this CPU alone may walk to
    /// it \[M4\].
    pub(super) fn is_on_its_way(&self, n: usize, word: &Word, value: u32) {
        let WordName::Entry(table, index) = word.name() else { return };
        self.own_stores[n].hold().push((word.clone(), value));
        if Entry(value).valid() {
            self.walk_entry(n, table, index, Entry(value));
        }
    }

    /// The oldest store of CPU `n` has reached memory.
    pub(super) fn has_arrived(&self, n: usize, word: &Word) {
        if !matches!(word.name(), WordName::Entry(..)) {
            return;
        }
        let mut stores = self.own_stores[n].hold();
        let first = stores.iter().position(|(stored, _)| stored.is(word));
        assert_eq!(first, Some(0), "cpu{n}: stores reach memory in their order");
        stores.remove(0);
    }

    /// What CPU `n` finds in a word as it walks: its own latest store, or what memory holds.
    pub(super) fn seen_by(&self, n: usize, word: &Word) -> u32 {
        let stores = self.own_stores[n].hold();
        let own = stores.iter().rev().find(|(stored, _)| stored.is(word)).map(|&(_, value)| value);
        drop(stores);
        own.unwrap_or_else(|| word.now())
    }
}

impl<V: Variant> Cpu<V> {
    /// A store was made, which is in memory already if there is an old value.
    pub(super) fn stored(&self, word: &Word, value: u32, old: Option<u32>) {
        self.does_something();
        engine::joined(|| {
            self.may_stir(word);
            self.may_be_walked(word);
        });
        self.expect_known_bits(word, Entry(value));
        match old {
            Some(old) => self.machine.changed(word, old),
            None => self.machine.is_on_its_way(self.id(), word, value),
        }
    }
}
