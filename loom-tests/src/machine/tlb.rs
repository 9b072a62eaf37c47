//! What a CPU may have cached.
//!
//! A TLB may hold any translation that could be walked at any moment since it was last flushed, and
//! no program can tell which \[M3\]. More entries never make a program right, so the worst TLB is the
//! one that holds them all; the model has that one, and needs no choice to get there.

use std::fmt;

use mmu386::entry::{Entry, PTEGLOBAL, PTEPAT, PTEPATLARGE, PTEUNCACHED, PTEUSER, PTEWRITE, PTEWT};
use mmu386::layout::BY2PG;

/// The first byte of an address's page.
pub fn page_of(address: u32) -> u32 {
    address & !(BY2PG - 1)
}

/// What a CPU may make of the addresses of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Translation {
    /// Virtual address of the page.
    pub va: u32,
    /// Physical address of the page.
    pub pa: u32,
    /// Entry of the page attribute table that gives the memory type.
    pub memory: u8,
    /// It can be written through.
    pub write: bool,
    /// User mode can use it.
    pub user: bool,
    /// No load of CR3 drops it.
    pub global: bool,
}

impl Translation {
    /// What a directory entry and the entry of a page table that it names make of the page `va`.
    pub fn small(va: u32, pde: Entry, pte: Entry) -> Self {
        let both = |bit| pde.0 & pte.0 & bit != 0;
        Self {
            va: page_of(va),
            pa: pte.frame().pa(),
            memory: memory(pte.0, PTEPAT),
            write: both(PTEWRITE),
            user: both(PTEUSER),
            global: pte.0 & PTEGLOBAL != 0,
        }
    }

    /// What a directory entry that maps a large page makes of the page `va`. `offset` is that page's
    /// within the large page.
    pub fn large(va: u32, pde: Entry, offset: u32) -> Self {
        Self {
            va: page_of(va),
            pa: page_of(pde.frame().pa() & !PTEPATLARGE) + page_of(offset),
            memory: memory(pde.0, PTEPATLARGE),
            write: pde.0 & PTEWRITE != 0,
            user: pde.0 & PTEUSER != 0,
            global: pde.0 & PTEGLOBAL != 0,
        }
    }
}

fn memory(entry: u32, pat: u32) -> u8 {
    let bit = |mask, value| if entry & mask != 0 { value } else { 0 };
    bit(PTEWT, 1) | bit(PTEUNCACHED, 2) | bit(pat, 4)
}

impl fmt::Display for Translation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x} -> {:#x}", self.va, self.pa)?;
        if self.memory != 0 {
            write!(f, " (type {})", self.memory)?;
        }
        Ok(())
    }
}

/// The translations that a CPU may use.
#[derive(Default, Hash)]
pub struct Tlb(Vec<Translation>);

impl Tlb {
    /// The translations of a page.
    pub fn lookup(&self, va: u32) -> impl Iterator<Item = Translation> {
        let page = page_of(va);
        self.all().filter(move |translation| translation.va == page)
    }

    /// All translations.
    pub fn all(&self) -> impl Iterator<Item = Translation> {
        self.0.iter().copied()
    }

    /// The CPU may have this from here on. Returns whether it had it before.
    pub fn add(&mut self, translation: Translation) -> bool {
        let had = self.0.contains(&translation);
        if !had {
            // In order, so that the same set is the same state.
            let place = self.0.partition_point(|other| *other < translation);
            self.0.insert(place, translation);
        }
        had
    }

    /// CR3 was loaded.
    pub fn drop_all_but_global(&mut self) {
        self.0.retain(|translation| translation.global);
    }

    /// INVLPG.
    pub fn drop_page(&mut self, va: u32) {
        self.0.retain(|translation| translation.va != page_of(va));
    }
}

impl fmt::Display for Tlb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing that could be stale");
        }
        for (i, translation) in self.0.iter().enumerate() {
            write!(f, "{}{translation}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
