//! Entries of page tables and page directories, as the processor reads them (Intel SDM vol. 3, 4.3).

use crate::view::{Layout, PAGE};

const VALID: u32 = 1 << 0;
const WRITE: u32 = 1 << 1;
const USER: u32 = 1 << 2;
const UNCACHED: u32 = 1 << 4;
const ACCESSED: u32 = 1 << 5;
const DIRTY: u32 = 1 << 6;
const SIZE: u32 = 1 << 7;
const GLOBAL: u32 = 1 << 8;

/// An entry of a page directory or a page table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry(pub(crate) u32);

impl Entry {
    pub(crate) fn valid(self) -> bool {
        self.0 & VALID != 0
    }
    pub(crate) fn writable(self) -> bool {
        self.0 & WRITE != 0
    }
    pub(crate) fn user(self) -> bool {
        self.0 & USER != 0
    }
    pub(crate) fn uncached(self) -> bool {
        self.0 & UNCACHED != 0
    }
    pub(crate) fn global(self) -> bool {
        self.0 & GLOBAL != 0
    }
    /// Of a page directory: maps a large page.
    pub(crate) fn large(self) -> bool {
        self.valid() && self.0 & SIZE != 0
    }
    /// Of a page directory: the page table that it names.
    pub(crate) fn table(self) -> Option<u32> {
        (self.valid() && self.0 & SIZE == 0).then(|| self.frame())
    }
    /// The frame that it names. Not of a large entry, which has a flag among the address bits.
    pub(crate) fn frame(self) -> u32 {
        frame(self.0)
    }
    /// The first byte of the large page that it maps.
    pub(crate) fn large_frame(self, layout: Layout) -> u32 {
        self.0 & !(layout.large_page() - 1)
    }
    /// Without the bits that the processor sets by itself.
    pub(crate) fn settled(self) -> u32 {
        self.0 & !(ACCESSED | DIRTY)
    }
}

/// The frame of a physical address, or the page of a virtual one.
pub(crate) fn frame(address: u32) -> u32 {
    address & !(PAGE - 1)
}
