//! The truth: the common auditor's ledger, and the memory types that mappings may have, which that one
//! does not judge.
//!
//! Written by the models around their calls, never by the code that is judged.

use auditor::{Overlap, Unmapping};

use super::Property;
use crate::machine::{GEOMETRY, Translation};

/// The entry of the page attribute table that vmap's mappings use.
const UNCACHED: u8 = 2;
/// The entry that patwc's mappings use.
const COMBINING: u8 = 7;

/// The memory types of a mapping.
#[derive(Debug, Hash)]
struct Types {
    va: u32,
    size: u32,
    /// A bit per entry of the page attribute table that may be used.
    may: u8,
}

impl Types {
    fn covers(&self, va: u32) -> bool {
        self.va <= va && va - self.va < self.size
    }
}

/// Which process may reach what, and as which type of memory.
#[derive(Debug, Default, Hash)]
pub struct Ledger {
    common: auditor::Ledger,
    /// Oldest first: of two that cover a page, the newer one counts.
    types: Vec<Types>,
}

/// A call of patwc that has not returned.
#[must_use = "tell the ledger that patwc has returned"]
pub struct Combining {
    change: Unmapping,
    va: u32,
}

impl Ledger {
    /// The common part.
    pub fn common(&self) -> &auditor::Ledger {
        &self.common
    }

    /// The common part, to write down what the other calls do.
    pub fn common_mut(&mut self) -> &mut auditor::Ledger {
        &mut self.common
    }

    /// vmap returned `va`, the page of which is `page`. Returns what it overlaps, which should be
    /// nothing.
    pub fn mapped(&mut self, va: u32, pa: u32, size: u32) -> Option<Overlap> {
        let overlap = self.common.mapped(va, pa, size);
        let offset = va % mmu386::layout::BY2PG;
        self.types.push(Types { va: va - offset, size: size + offset, may: 1 << UNCACHED });
        overlap
    }

    /// patwc is about to be called for all of the mapping at `va`: both types may be met meanwhile.
    pub fn combining(&mut self, va: u32, size: u32) -> Combining {
        self.retype(va, |may| may | 1 << COMBINING);
        Combining { change: self.common.unmapping(va, size), va }
    }

    /// patwc returned: one type is gone, the old one if it has `done` what it was asked for.
    pub fn combined(&mut self, combining: Combining, done: bool) {
        self.common.kept(combining.change);
        self.retype(combining.va, |_| 1 << if done { COMBINING } else { UNCACHED });
    }

    fn retype(&mut self, va: u32, change: impl Fn(u8) -> u8) {
        if let Some(types) = self.types.iter_mut().rfind(|types| types.covers(va)) {
            types.may = change(types.may);
        }
    }

    /// What is wrong with a translation of a page in VMAP, if no CPU may use it.
    pub fn fault(&self, translation: &Translation) -> Option<(Property, &'static str)> {
        let Translation { va, pa, memory, .. } = *translation;
        if !GEOMETRY.in_vmap(va) {
            return None;
        }
        if !self.common.allows(va, pa) {
            return Some((Property::V1, "which vunmap took away"));
        }
        let types = self.types.iter().rfind(|types| types.covers(va));
        let typed = types.is_some_and(|types| types.may & 1 << memory != 0);
        (!typed).then_some((Property::V4, "with the memory type that patwc took away"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a way from the first page of VMAP to device memory.
    fn wrong(ledger: &Ledger, memory: u8) -> Option<Property> {
        let va = GEOMETRY.vmap_base();
        let translation =
            Translation { va, pa: 0x10_0000, memory, write: true, user: false, global: false };
        ledger.fault(&translation).map(|(property, _)| property)
    }

    #[test]
    fn while_a_type_changes_both_are_right() {
        let mut ledger = Ledger::default();
        let va = GEOMETRY.vmap_base();
        assert_eq!(ledger.mapped(va, 0x10_0000, 0x1000), None);
        assert_eq!((wrong(&ledger, 2), wrong(&ledger, 7)), (None, Some(Property::V4)));
        let combining = ledger.combining(va, 0x1000);
        assert_eq!((wrong(&ledger, 2), wrong(&ledger, 7)), (None, None));
        ledger.combined(combining, true);
        assert_eq!((wrong(&ledger, 2), wrong(&ledger, 7)), (Some(Property::V4), None));
    }

    /// vunmap gives the pages of a range back one after the other.
    #[test]
    fn what_is_left_of_a_range_keeps_its_type() {
        let mut ledger = Ledger::default();
        let va = GEOMETRY.vmap_base();
        assert_eq!(ledger.mapped(va - 0x1000, 0xF_F000, 0x2000), None);
        let unmapping = ledger.common_mut().unmapping(va - 0x1000, 0x2000);
        assert!(ledger.mapped(va - 0x1000, 0x20_0000, 0x1000).is_some_and(|overlap| overlap.torn));
        assert_eq!(wrong(&ledger, 2), None);
        ledger.common_mut().gone(unmapping);
        assert_eq!(wrong(&ledger, 2), Some(Property::V1));
    }

    #[test]
    fn what_is_mapped_anew_is_uncached_again() {
        let mut ledger = Ledger::default();
        let va = GEOMETRY.vmap_base();
        assert_eq!(ledger.mapped(va, 0x10_0000, 0x1000), None);
        let combining = ledger.combining(va, 0x1000);
        ledger.combined(combining, true);
        let unmapping = ledger.common_mut().unmapping(va, 0x1000);
        ledger.common_mut().gone(unmapping);
        assert_eq!(wrong(&ledger, 7), Some(Property::V1));
        assert_eq!(ledger.mapped(va, 0x10_0000, 0x1000), None);
        assert_eq!((wrong(&ledger, 2), wrong(&ledger, 7)), (None, Some(Property::V4)));
    }
}
