//! What a CPU may have cached.
//!
//! A TLB may hold any translation that could be walked at any moment since it was last flushed, and
//! beside it any directory entry that named a page table, through which it may walk after the entry
//! has gone; no program can tell which \[M3\]. More entries never make a program right, so the worst
//! TLB is the one that holds them all; the model has that one, and needs no choice to get there.

use std::fmt;

use mmu386::entry::{Entry, PTEGLOBAL, PTEPAT, PTEPATLARGE, PTEUNCACHED, PTEUSER, PTEWRITE, PTEWT};
use mmu386::layout::{BY2PG, Frame};

use super::marks::unmarked;

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

/// All that a CPU may use without a look at memory: translations, and upper levels of walks. Plain
/// data in one order, so that two machines in the same state compare as the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Tlb {
    pages: Vec<Translation>,
    /// Directory entries that named page tables, by their index.
    upper: Vec<(usize, u32)>,
}

/// Keeps `all` in order, each once.
fn include<T: Ord>(all: &mut Vec<T>, one: T) {
    if let Err(place) = all.binary_search(&one) {
        all.insert(place, one);
    }
}

impl Tlb {
    /// The translations of a page.
    pub fn lookup(&self, va: u32) -> impl Iterator<Item = Translation> {
        let page = page_of(va);
        self.all().filter(move |translation| translation.va == page)
    }

    /// All translations.
    pub fn all(&self) -> impl Iterator<Item = Translation> {
        self.pages.iter().copied()
    }

    /// The indices and values of directory entries through which the CPU may walk to a page table,
    /// whatever the directory holds now.
    pub fn ways_to(&self, table: Frame) -> impl Iterator<Item = (usize, Entry)> {
        let entries = self.upper.iter().map(|&(slot, pde)| (slot, Entry(pde)));
        entries.filter(move |(_, pde)| pde.frame() == table)
    }

    /// The page tables that the CPU may walk to so.
    pub fn tables(&self) -> impl Iterator<Item = Frame> {
        self.upper.iter().map(|&(_, pde)| Entry(pde).frame())
    }

    /// Whether the CPU may have this.
    pub fn has(&self, translation: Translation) -> bool {
        self.pages.binary_search(&translation).is_ok()
    }

    /// Whether it may walk through this directory entry, whatever the directory holds now.
    pub fn has_upper(&self, slot: usize, pde: Entry) -> bool {
        self.upper.binary_search(&(slot, unmarked(pde).0)).is_ok()
    }

    /// The CPU may have this from here on.
    pub fn add(&mut self, translation: Translation) {
        include(&mut self.pages, translation);
    }

    /// The CPU may walk through this directory entry from here on.
    pub fn add_upper(&mut self, slot: usize, pde: Entry) {
        include(&mut self.upper, (slot, unmarked(pde).0));
    }

    /// CR3 was loaded: all goes but for global translations.
    pub fn drop_all_but_global(&mut self) {
        self.pages.retain(|translation| translation.global);
        self.upper.clear();
    }

    /// INVLPG: the page's translations go, and all upper levels, of whatever address (Intel SDM vol. 3,
    /// 4.10.4.1).
    pub fn drop_page(&mut self, va: u32) {
        self.pages.retain(|translation| translation.va != page_of(va));
        self.upper.clear();
    }
}

#[cfg(test)]
mod tests {
    use mmu386::entry::PTEVALID;

    use super::*;

    const TABLE: Frame = Frame::containing(0x5000);
    const PDE: Entry = Entry(0x5000 | PTEUSER | PTEWRITE | PTEVALID);

    fn full() -> Tlb {
        let mut tlb = Tlb::default();
        tlb.add_upper(1, PDE);
        for (va, flags) in [(0x8000, 0), (0x9000, 0), (0xA000, PTEGLOBAL)] {
            let pte = Entry(0x10_0000 | flags | PTEVALID);
            let translation = Translation::small(va, PDE, pte);
            assert!(!tlb.has(translation));
            tlb.add(translation);
            tlb.add(translation);
            assert!(tlb.has(translation));
        }
        tlb
    }

    fn pages(tlb: &Tlb) -> Vec<u32> {
        tlb.all().map(|translation| translation.va).collect()
    }

    /// Intel SDM vol. 3, 4.10.4.1.
    #[test]
    fn a_cr3_load_leaves_global_translations_alone() {
        let mut tlb = full();
        assert!(tlb.ways_to(TABLE).eq([(1, PDE)]));
        tlb.drop_all_but_global();
        assert_eq!(pages(&tlb), [0xA000]);
        assert_eq!(tlb.ways_to(TABLE).count(), 0);
    }

    #[test]
    fn invlpg_drops_a_page_global_or_not_and_all_upper_levels() {
        let mut tlb = full();
        tlb.drop_page(0xA123);
        assert_eq!(pages(&tlb), [0x8000, 0x9000]);
        assert_eq!(tlb.ways_to(TABLE).count(), 0, "of other pages, too");
    }

    #[test]
    fn the_order_of_fills_leaves_no_trace() {
        let mut other = Tlb::default();
        for translation in full().all().collect::<Vec<_>>().into_iter().rev() {
            other.add(translation);
        }
        other.add_upper(1, PDE);
        assert_eq!(other, full());
    }
}
