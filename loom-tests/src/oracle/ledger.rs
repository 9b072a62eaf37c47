//! Who may reach which memory through which address of VMAP.
//!
//! Written by the models around their calls, never by the code that is judged.

use mmu386::layout::BY2PG;

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
}

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
        self.0.push(Mapping { va, pa, size, state: State::Live });
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

    /// Whether some CPU may use the translation of the page of `va` to the page of `pa`.
    pub fn allows(&self, va: u32, pa: u32) -> bool {
        let (va, pa) = (page(va), page(pa));
        self.0
            .iter()
            .any(|m| m.state != State::Gone && m.covers(va) && va - page(m.va) + page(m.pa) == pa)
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

    #[test]
    fn a_gone_mapping_allows_nothing() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.mapped(0x1_0000, 0x10_0000, 0x2000), None);
        assert!(ledger.allows(0x1_1000, 0x10_1000));
        assert!(!ledger.allows(0x1_1000, 0x10_0000));
        ledger.unmapping(0x1_0000);
        assert!(ledger.allows(0x1_0000, 0x10_0000));
        ledger.gone(0x1_0000);
        assert!(!ledger.allows(0x1_0000, 0x10_0000));
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
