//! Entries of page tables and page directories: bits and their meaning (Intel SDM vol. 3, 4.3).

use crate::layout::{BY2PG, Frame};

/// The entry maps something.
pub const PTEVALID: u32 = 1 << 0;
/// The page may be written.
pub const PTEWRITE: u32 = 1 << 1;
/// User mode may use the page.
pub const PTEUSER: u32 = 1 << 2;
/// Writes go through the cache (PWT).
pub const PTEWT: u32 = 1 << 3;
/// The page is not cached (PCD).
pub const PTEUNCACHED: u32 = 1 << 4;
/// A page directory entry maps a large page rather than a page table (PSE).
pub const PTESIZE: u32 = 1 << 7;
/// The third bit that chooses an entry of the page attribute table, in a page table entry. In a page
/// directory entry that is [`PTESIZE`].
pub const PTEPAT: u32 = 1 << 7;
/// The translation survives a load of CR3 (PGE).
pub const PTEGLOBAL: u32 = 1 << 8;
/// [`PTEPAT`] of an entry that maps a large page.
pub const PTEPATLARGE: u32 = 1 << 12;
/// Not VALID, and yet not free: `vunmap` still waits for CPUs that may have the old entry cached.
/// One of the bits that hardware leaves to software. Not in mmu.c; see fix A3.
pub const PTEHELD: u32 = 1 << 9;

/// Bits of an entry that are flags rather than address.
pub const PTEFLAGS: u32 = BY2PG - 1;

/// A value that a page-table or page-directory entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry(pub u32);

impl Entry {
    /// Whether the walker uses the entry.
    pub const fn valid(self) -> bool {
        self.0 & PTEVALID != 0
    }
    /// Whether the entry, being valid and of a page directory, maps a large page.
    pub const fn large(self) -> bool {
        self.0 & (PTEVALID | PTESIZE) == PTEVALID | PTESIZE
    }
    /// Whether the entry, being valid and of a page directory, names a page table.
    pub const fn table(self) -> bool {
        self.0 & (PTEVALID | PTESIZE) == PTEVALID
    }
    /// The frame that the entry names (`PPN`).
    pub const fn frame(self) -> Frame {
        Frame::containing(self.0)
    }
}
