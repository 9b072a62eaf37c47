//! Which pages a process may see at its user addresses: what its segments own.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Ledger, address, number};

/// What a process may do with a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Read it only.
    Read,
    /// Read and write it.
    Write,
}

/// By process, page number and frame number; and the other way round, for frames that are freed.
#[derive(Debug, Default, Hash)]
pub(super) struct UserPages {
    may: BTreeMap<(usize, u32, u32), Access>,
    seen_by: BTreeSet<(u32, usize, u32)>,
}

impl UserPages {
    pub(super) const fn new() -> Self {
        Self { may: BTreeMap::new(), seen_by: BTreeSet::new() }
    }

    pub(super) fn exited(&mut self, process: usize) {
        self.may.retain(|&(owner, ..), _| owner != process);
        self.seen_by.retain(|&(_, owner, _)| owner != process);
    }
}

impl Ledger {
    /// From here on the process may see the page at `pa` at `va`, beside those that it may see there
    /// already: while a page is replaced, it may be either. `access` replaces what was allowed of
    /// the same page before.
    ///
    /// To be called before putmmu is.
    pub fn may_show(&mut self, process: usize, va: u32, pa: u32, access: Access) {
        let (page, frame) = (number(va), number(pa));
        self.user.may.insert((process, page, frame), access);
        self.user.seen_by.insert((frame, process, page));
    }

    /// The process must not see the page at `pa` at `va` any more.
    ///
    /// To be called once the flush that takes it away is complete.
    pub fn may_not_show(&mut self, process: usize, va: u32, pa: u32) {
        let (page, frame) = (number(va), number(pa));
        self.user.may.remove(&(process, page, frame));
        self.user.seen_by.remove(&(frame, process, page));
    }

    /// No process may see the page at `pa` any more: it is about to be given back.
    pub fn freed(&mut self, pa: u32) {
        let frame = number(pa);
        let seen = self.user.seen_by.range((frame, 0, 0)..(frame + 1, 0, 0));
        for (_, process, page) in seen.copied().collect::<Vec<_>>() {
            self.user.may.remove(&(process, page, frame));
            self.user.seen_by.remove(&(frame, process, page));
        }
    }

    /// What the process may do with the page at `pa` through `va`, if it may see it there.
    pub fn access(&self, process: usize, va: u32, pa: u32) -> Option<Access> {
        self.user.may.get(&(process, number(va), number(pa))).copied()
    }

    /// The pages that the process may see at `va`.
    pub fn shown(&self, process: usize, va: u32) -> impl Iterator<Item = u32> {
        self.shown_in(process, va, va).map(|shown| shown.pa)
    }

    /// What the process may see from page `first` to page `last`, in the order of addresses.
    pub(crate) fn shown_in(
        &self,
        process: usize,
        first: u32,
        last: u32,
    ) -> impl Iterator<Item = Shown> {
        let bounds = (process, number(first), 0)..=(process, number(last), u32::MAX);
        self.user.may.range(bounds).map(|(&(_, page, frame), &access)| Shown {
            va: address(page),
            pa: address(frame),
            access,
        })
    }
}

/// A page that a process may see at an address.
pub(crate) struct Shown {
    pub(crate) va: u32,
    pub(crate) pa: u32,
    pub(crate) access: Access,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sees_what_its_segments_own() {
        let mut ledger = Ledger::new();
        ledger.may_show(1, 0x1000, 0x9000, Access::Read);
        assert_eq!(ledger.access(1, 0x1FFF, 0x9010), Some(Access::Read));
        assert_eq!(ledger.access(1, 0x2000, 0x9000), None);
        assert_eq!(ledger.access(2, 0x1000, 0x9000), None);
        // Copy on write: both until the flush is complete.
        ledger.may_show(1, 0x1000, 0xA000, Access::Write);
        assert!(ledger.shown(1, 0x1000).eq([0x9000, 0xA000]));
        ledger.may_not_show(1, 0x1000, 0x9000);
        assert!(ledger.shown(1, 0x1000).eq([0xA000]));
    }

    #[test]
    fn a_freed_page_is_nobodys() {
        let mut ledger = Ledger::new();
        for frame in [0x9000, 0xA000, 0xB000] {
            ledger.may_show(1, 0x1000, frame, Access::Write);
            ledger.may_show(2, 0x3000, frame, Access::Write);
        }
        ledger.freed(0xA000);
        assert!(ledger.shown(1, 0x1000).eq([0x9000, 0xB000]));
        assert!(ledger.shown(2, 0x3000).eq([0x9000, 0xB000]));
        ledger.exited(2);
        assert_eq!(ledger.shown(2, 0x3000).count(), 0);
        ledger.freed(0x9000);
        assert!(ledger.shown(1, 0x1000).eq([0xB000]));
    }
}
