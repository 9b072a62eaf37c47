//! Who may reach which memory through which address of VMAP.
//!
//! Written by the models around their calls, never by the code that is judged.

use mmu386::layout::BY2PG;

use super::Property;
use crate::machine::{GEOMETRY, Translation};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Live,
    /// vunmap was called and has not returned: others may still use it, or not.
    Unmapping,
    Gone,
}

#[derive(Debug, Clone, Copy)]
struct Mapping {
    va: u32,
    pa: u32,
    size: u32,
    state: State,
    /// Memory types that may be used: a bit per entry of the page attribute table.
    types: u8,
}

/// The entry that vmap's mappings use.
const UNCACHED: u8 = 2;
/// The entry that patwc's mappings use.
const COMBINING: u8 = 7;

/// All mappings that vmap ever gave out.
#[derive(Debug, Default)]
pub struct Ledger(Vec<Mapping>);

fn page(address: u32) -> u32 {
    address & !(BY2PG - 1)
}

impl Mapping {
    fn covers(&self, va: u32) -> bool {
        page(self.va) <= va && va < self.va + self.size
    }
}

impl Ledger {
    /// vmap returned `va`. Returns what it overlaps, which should be nothing.
    pub fn mapped(&mut self, va: u32, pa: u32, size: u32) -> Option<String> {
        let (first, end) = (page(va), va + size);
        let overlap = self
            .0
            .iter()
            .find(|m| m.state != State::Gone && page(m.va) < end && first < m.va + m.size);
        let overlap = overlap.map(|m| match m.state {
            State::Unmapping => {
                format!("still being unmapped: vunmap({:#x}) has not returned", m.va)
            }
            _ => format!("mapped to {:#x} already", m.pa),
        });
        self.0.push(Mapping { va, pa, size, state: State::Live, types: 1 << UNCACHED });
        overlap
    }

    fn change(&mut self, va: u32, from: State, to: State) {
        if let Some(m) = self.0.iter_mut().find(|m| page(m.va) == page(va) && m.state == from) {
            m.state = to;
        }
    }

    /// vunmap is about to be called.
    pub fn unmapping(&mut self, va: u32) {
        self.change(va, State::Live, State::Unmapping);
    }

    /// vunmap refused.
    pub fn kept(&mut self, va: u32) {
        self.change(va, State::Unmapping, State::Live);
    }

    /// vunmap returned.
    pub fn gone(&mut self, va: u32) {
        self.change(va, State::Unmapping, State::Gone);
    }

    /// patwc is about to be called.
    pub fn combining(&mut self, va: u32) {
        self.retype(va, |types| types | 1 << COMBINING);
    }

    /// patwc returned.
    pub fn combined(&mut self, va: u32) {
        self.retype(va, |_| 1 << COMBINING);
    }

    fn retype(&mut self, va: u32, types: impl Fn(u8) -> u8) {
        if let Some(m) =
            self.0.iter_mut().find(|m| page(m.va) == page(va) && m.state == State::Live)
        {
            m.types = types(m.types);
        }
    }

    /// What is wrong with a translation of a page in VMAP, if no CPU may use it.
    pub fn fault(&self, translation: &Translation) -> Option<(Property, &'static str)> {
        let Translation { va, pa, memory, .. } = *translation;
        if !GEOMETRY.in_vmap(va) {
            return None;
        }
        let mut leads = self.0.iter().filter(|m| {
            m.state != State::Gone && m.covers(va) && va - page(m.va) + page(m.pa) == pa
        });
        if leads.clone().next().is_none() {
            return Some((Property::V1, "which vunmap took away"));
        }
        let typed = leads.any(|m| m.types & 1 << memory != 0);
        (!typed).then_some((Property::V4, "with the memory type that patwc took away"))
    }

    /// The first and last page of each mapping ever given out: enough to tell whether any CPU still
    /// reaches it, as entries are made and cleared from the first to the last.
    pub fn pages(&self) -> impl Iterator<Item = u32> {
        let mut pages: Vec<u32> =
            self.0.iter().flat_map(|m| [page(m.va), page(m.va + m.size - 1)]).collect();
        pages.sort_unstable();
        pages.dedup();
        pages.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translation(page: u32, pa: u32, memory: u8) -> Translation {
        let va = GEOMETRY.vmap_base() + page * BY2PG;
        Translation { va, pa, memory, write: true, user: false, global: false }
    }

    #[test]
    fn a_gone_mapping_allows_nothing() {
        let mut ledger = Ledger::default();
        let va = GEOMETRY.vmap_base();
        let fault = |ledger: &Ledger, page, pa| ledger.fault(&translation(page, pa, UNCACHED));
        assert_eq!(ledger.mapped(va, 0x10_0000, 0x2000), None);
        assert!(fault(&ledger, 1, 0x10_1000).is_none());
        assert!(fault(&ledger, 1, 0x10_0000).is_some());
        ledger.unmapping(va);
        assert!(fault(&ledger, 0, 0x10_0000).is_none());
        ledger.gone(va);
        let Some((property, _)) = fault(&ledger, 0, 0x10_0000) else { panic!("it is gone") };
        assert_eq!(property, Property::V1);
    }

    #[test]
    fn while_a_type_changes_both_are_right() {
        let mut ledger = Ledger::default();
        let va = GEOMETRY.vmap_base();
        ledger.mapped(va, 0x10_0000, 0x1000);
        let wrong = |ledger: &Ledger, memory| {
            ledger.fault(&translation(0, 0x10_0000, memory)).map(|(property, _)| property)
        };
        assert_eq!((wrong(&ledger, 2), wrong(&ledger, 7)), (None, Some(Property::V4)));
        ledger.combining(va);
        assert_eq!((wrong(&ledger, 2), wrong(&ledger, 7)), (None, None));
        ledger.combined(va);
        assert_eq!((wrong(&ledger, 2), wrong(&ledger, 7)), (Some(Property::V4), None));
    }

    #[test]
    fn an_overlap_is_told_whether_live_or_half_gone() {
        let mut ledger = Ledger::default();
        ledger.mapped(0x1_0000, 0x10_0000, 0x2000);
        assert!(ledger.mapped(0x1_1000, 0x20_0000, 0x1000).is_some());
        let mut ledger = Ledger::default();
        ledger.mapped(0x1_0000, 0x10_0000, 0x1000);
        ledger.unmapping(0x1_0000);
        assert!(ledger.mapped(0x1_0000, 0x20_0000, 0x1000).is_some());
        ledger.gone(0x1_0000);
        assert!(ledger.mapped(0x1_1000, 0x30_0000, 0x1000).is_none());
    }
}
