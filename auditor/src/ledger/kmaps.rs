//! Single pages that a process has mapped for the kernel.

use alloc::collections::BTreeMap;

use super::{Ledger, address, number};

/// From process and page number to the frame number that it shows.
#[derive(Debug, Default, Hash)]
pub(super) struct Kmaps(BTreeMap<(usize, u32), u32>);

impl Kmaps {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) fn exited(&mut self, process: usize) {
        self.0.retain(|&(owner, _), _| owner != process);
    }
}

impl Ledger {
    /// kmap returned `va` for the page at `pa`. Returns the page that `va` shows already, which
    /// should be none.
    #[must_use = "a kmap over a live kmap breaks K1"]
    pub fn kmapped(&mut self, process: usize, va: u32, pa: u32) -> Option<u32> {
        self.kmaps.0.insert((process, number(va)), number(pa)).map(address)
    }

    /// kunmap has returned.
    pub fn kunmapped(&mut self, process: usize, va: u32) {
        self.kmaps.0.remove(&(process, number(va)));
    }

    /// The page that a live kmap at `va` shows.
    pub fn kmap(&self, process: usize, va: u32) -> Option<u32> {
        self.kmaps.0.get(&(process, number(va))).copied().map(address)
    }

    /// The live kmaps of a process by address: page, and the page that it shows.
    pub fn kmaps(&self, process: usize) -> impl Iterator<Item = (u32, u32)> {
        let own = self.kmaps.0.range((process, 0)..=(process, u32::MAX));
        own.map(|(&(_, page), &frame)| (address(page), address(frame)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kmap_lives_until_it_is_undone() {
        let mut ledger = Ledger::new();
        assert_eq!(ledger.kmapped(1, 0x4000, 0x9000), None);
        assert_eq!(ledger.kmapped(2, 0x4000, 0xA000), None);
        assert_eq!(ledger.kmapped(1, 0x4000, 0xB000), Some(0x9000));
        assert_eq!(ledger.kmap(1, 0x4FFF), Some(0xB000));
        ledger.kunmapped(1, 0x4000);
        assert_eq!(ledger.kmaps(1).count(), 0);
        assert_eq!(ledger.kmaps(2).next(), Some((0x4000, 0xA000)));
        ledger.exited(2);
        assert_eq!(ledger.kmap(2, 0x4000), None);
    }
}
