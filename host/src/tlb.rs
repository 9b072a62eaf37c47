//! A CPU's translation cache.
//!
//! What is in it stays until it is flushed: there is no eviction, so a flush that is missing is seen.
//! What is not valid is never in it (Intel SDM vol. 3, 4.10.2 to 4.10.4).

use mmu386::entry::{Entry, PTEGLOBAL, PTEPAT, PTEPATLARGE, PTEUNCACHED, PTEUSER, PTEWRITE, PTEWT};
use mmu386::layout::{BY2PG, PC386};

/// The translation of a page, small or large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Translation {
    /// First virtual address.
    pub va: u32,
    /// First physical address.
    pub pa: u32,
    /// It is of a large page.
    pub large: bool,
    /// A load of CR3 leaves it.
    pub global: bool,
    /// It may be written through.
    pub write: bool,
    /// User mode may use it.
    pub user: bool,
    /// The entry of the page attribute table that it chooses.
    pub pat: u32,
    /// The dirty bit is set in the table already.
    pub dirty: bool,
}

impl Translation {
    /// Of a small page, from both entries.
    pub(crate) fn small(va: u32, pde: Entry, pte: Entry, pge: bool) -> Self {
        let both = pde.0 & pte.0;
        Self {
            va: va & !(BY2PG - 1),
            pa: pte.frame().pa(),
            large: false,
            global: pge && pte.0 & PTEGLOBAL != 0,
            write: both & PTEWRITE != 0,
            user: both & PTEUSER != 0,
            pat: attribute(pte.0, PTEPAT),
            dirty: false,
        }
    }

    /// Of a large page, from its only entry.
    pub(crate) fn large(va: u32, pde: Entry, pge: bool) -> Self {
        let mask = !(PC386.large_page() - 1);
        Self {
            va: va & mask,
            pa: pde.0 & mask,
            large: true,
            global: pge && pde.0 & PTEGLOBAL != 0,
            write: pde.0 & PTEWRITE != 0,
            user: pde.0 & PTEUSER != 0,
            pat: attribute(pde.0, PTEPATLARGE),
            dirty: false,
        }
    }

    fn bytes(&self) -> u32 {
        if self.large { PC386.large_page() } else { BY2PG }
    }

    /// Whether it translates `va`.
    pub fn covers(&self, va: u32) -> bool {
        va.wrapping_sub(self.va) < self.bytes()
    }

    /// The physical address of `va`, which it covers.
    pub fn translate(&self, va: u32) -> u32 {
        self.pa + (va - self.va)
    }
}

fn attribute(entry: u32, highest: u32) -> u32 {
    let bit = |mask: u32| u32::from(entry & mask != 0);
    bit(highest) << 2 | bit(PTEUNCACHED) << 1 | bit(PTEWT)
}

/// A CPU's translations.
#[derive(Debug, Default)]
pub struct Tlb {
    entries: Vec<Translation>,
    /// Which one was used last: loops over a table find it there.
    last: usize,
}

impl Tlb {
    /// The translation of `va`, if one is cached. The oldest, if a small and a large page both are.
    pub fn lookup(&mut self, va: u32) -> Option<Translation> {
        if let Some(entry) = self.entries.get(self.last)
            && !entry.large
            && entry.covers(va)
        {
            return Some(*entry);
        }
        self.last = self.entries.iter().position(|entry| entry.covers(va))?;
        Some(self.entries[self.last])
    }

    /// Caches a translation that was just walked to, unless that very page is cached already.
    pub fn fill(&mut self, new: Translation) -> bool {
        let there = |old: &Translation| old.va == new.va && old.large == new.large;
        if self.entries.iter().any(there) {
            return false;
        }
        self.entries.push(new);
        true
    }

    /// The page of `va` has been written through `used`, and its dirty bit is set.
    pub(crate) fn written(&mut self, used: Translation) {
        for entry in self.entries.iter_mut().filter(|entry| **entry == used) {
            entry.dirty = true;
        }
    }

    /// A load of CR3: drops all but global translations.
    pub fn load_cr3(&mut self) {
        self.entries.retain(|entry| entry.global);
        self.last = 0;
    }

    /// INVLPG, and what a page fault does: drops the translations of the page of `va`, global or not.
    pub fn invlpg(&mut self, va: u32) {
        self.entries.retain(|entry| !entry.covers(va));
        self.last = 0;
    }

    /// All translations, oldest first.
    pub fn entries(&self) -> &[Translation] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mmu386::entry::{PTESIZE, PTEVALID};

    const VA: u32 = 0xE000_1000;

    fn small(va: u32, flags: u32) -> Translation {
        let pde = Entry(0x5000 | PTEUSER | PTEWRITE | PTEVALID);
        Translation::small(va, pde, Entry(0x4000_2000 | flags | PTEVALID), true)
    }

    fn large(va: u32) -> Translation {
        let pde = Entry(0x4080_0000 | PTEPATLARGE | PTESIZE | PTEWRITE | PTEVALID);
        Translation::large(va, pde, true)
    }

    #[test]
    fn rights_are_those_of_both_entries() {
        let pde = Entry(0x5000 | PTEWRITE | PTEVALID);
        let pte = Entry(0x4000_2000 | PTEUSER | PTEWRITE | PTEWT | PTEPAT | PTEVALID);
        let entry = Translation::small(VA + 5, pde, pte, true);
        assert_eq!((entry.va, entry.pa), (VA, 0x4000_2000));
        assert!(entry.write && !entry.user && !entry.global);
        assert_eq!(entry.pat, 5);
        assert_eq!(entry.translate(VA + 0x123), 0x4000_2123);
        assert_eq!(large(VA).pat, 4);
        assert_eq!(large(0xE080_1234).translate(0xE080_1234), 0x4080_1234);
    }

    #[test]
    fn what_is_cached_stays_until_it_is_flushed() {
        let mut tlb = Tlb::default();
        assert!(tlb.fill(small(VA, 0)));
        assert!(!tlb.fill(small(VA, PTEWRITE)), "the old one stays");
        assert_eq!(tlb.lookup(VA + 9), Some(small(VA, 0)));
        assert_eq!(tlb.lookup(VA + BY2PG), None);
        tlb.load_cr3();
        assert_eq!(tlb.lookup(VA), None);
    }

    #[test]
    fn a_load_of_cr3_leaves_what_is_global() {
        let mut tlb = Tlb::default();
        tlb.fill(small(VA, PTEGLOBAL));
        tlb.fill(small(VA + BY2PG, 0));
        tlb.load_cr3();
        assert!(tlb.lookup(VA).is_some_and(|entry| entry.global));
        assert_eq!(tlb.lookup(VA + BY2PG), None);
        tlb.invlpg(VA + 0xFFF);
        assert!(tlb.entries().is_empty());
    }

    #[test]
    fn nothing_is_global_where_the_cpu_cannot() {
        let pde = Entry(0x5000 | PTEVALID);
        let entry = Translation::small(VA, pde, Entry(0x6000 | PTEGLOBAL | PTEVALID), false);
        assert!(!entry.global);
    }

    #[test]
    fn invlpg_of_any_address_drops_a_large_page() {
        let mut tlb = Tlb::default();
        tlb.fill(large(0xE000_0000));
        tlb.fill(small(0xE040_0000, 0));
        tlb.invlpg(0xE03F_F000);
        assert_eq!(tlb.entries(), [small(0xE040_0000, 0)]);
    }

    #[test]
    fn a_small_and_a_large_page_may_both_be_cached() {
        let mut tlb = Tlb::default();
        tlb.fill(large(VA));
        tlb.fill(small(VA, 0));
        assert!(tlb.lookup(VA).is_some_and(|entry| entry.large), "the older one is used");
        tlb.invlpg(VA);
        assert!(tlb.entries().is_empty());
    }
}
