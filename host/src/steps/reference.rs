//! What an address of VMAP must lead to, as a plain map. Shares nothing with mmu386, nor with the
//! ledger.

use std::collections::{BTreeSet, HashMap};

use crate::memory::DEVICES;

const PAGE: u32 = 4096;
const SLOT: u32 = 0x40_0000;
const VMAP: u32 = 0xE000_0000;
const SLOTS: u32 = 62;
/// Bytes from one device to the next.
const DEVICE: u32 = 0x100_0000;
/// Devices before the first comes again.
const DEVICE_COUNT: u32 = 112;
/// Mappings that are gone and still looked for.
const GONE: usize = 16;

/// A range that vmap returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub va: u32,
    pub pa: u32,
    pub size: u32,
    /// Its vunmap has been called.
    pub going: bool,
}

impl Mapping {
    fn first(&self) -> u32 {
        self.va & !(PAGE - 1)
    }

    pub fn pages(&self) -> u32 {
        (self.va % PAGE + self.size).div_ceil(PAGE)
    }

    /// An address within page `n`.
    pub fn address(&self, n: u32) -> u32 {
        (self.first() + n * PAGE).max(self.va)
    }

    fn slots(&self) -> std::ops::RangeInclusive<u32> {
        let slot = |page: u32| (self.first() + page * PAGE - VMAP) / SLOT;
        slot(0)..=slot(self.pages() - 1)
    }

    /// Whether its first page is a large one.
    pub fn begins_large(&self) -> bool {
        let bytes = self.pages() * PAGE;
        bytes >= SLOT && (self.pa & !(PAGE - 1)).is_multiple_of(SLOT)
    }
}

/// What VMAP is to hold.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    /// Oldest first.
    pub mappings: Vec<Mapping>,
    gone: Vec<Mapping>,
    /// From page to frame, of mappings that are live or going.
    frames: HashMap<u32, u32>,
    /// Slots that hold a page table, for ever.
    tables: BTreeSet<u32>,
    devices: u32,
    /// What vmap was asked for and has not returned.
    asked: Vec<(u32, u32)>,
}

/// What an access may come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It leads there.
    Leads(u32),
    /// It leads there, or nowhere.
    Maybe(u32),
    /// It leads nowhere.
    Nowhere,
}

impl Reference {
    /// A device that was not mapped lately.
    pub fn device(&mut self) -> u32 {
        self.devices = (self.devices + 1) % DEVICE_COUNT;
        DEVICES + self.devices * DEVICE
    }

    /// vmap is about to be called.
    pub fn asks(&mut self, pa: u32, size: u32) {
        self.asked.push((pa & !(PAGE - 1), pa % PAGE + size));
    }

    /// vmap has returned, and what it returned is known here.
    pub fn answered(&mut self, pa: u32, size: u32) {
        let range = (pa & !(PAGE - 1), pa % PAGE + size);
        if let Some(at) = self.asked.iter().position(|one| *one == range) {
            self.asked.remove(at);
        }
    }

    /// Whether a vmap that has not returned may have mapped `pa` already.
    pub fn is_asked(&self, pa: u32) -> bool {
        self.asked.iter().any(|&(first, size)| pa.wrapping_sub(first) < size.next_multiple_of(PAGE))
    }

    pub fn mapped(&mut self, va: u32, pa: u32, size: u32, large_pages: bool) {
        let mapping = Mapping { va, pa, size, going: false };
        let first = mapping.first();
        for page in 0..mapping.pages() {
            let (at, frame) = (first + page * PAGE, (pa & !(PAGE - 1)) + page * PAGE);
            self.frames.insert(at, frame);
            let left = (mapping.pages() - page) * PAGE;
            let whole = (at | frame) & (SLOT - 1) == 0 && left >= SLOT;
            if at.is_multiple_of(SLOT) || page == 0 {
                // A slot whose start is mapped by a large page is so for its whole length.
                if !(large_pages && whole) {
                    self.tables.insert((at - VMAP) / SLOT);
                }
            }
        }
        self.mappings.push(mapping);
    }

    /// A live mapping that fits is about to be unmapped: nobody else unmaps it meanwhile.
    pub fn going(&mut self, nth: usize, fits: impl Fn(&Mapping) -> bool) -> Option<Mapping> {
        let live = self.mappings.iter().filter(|m| !m.going && fits(m)).count();
        let mut fitting = self.mappings.iter_mut().filter(|m| !m.going && fits(m));
        let mapping = fitting.nth(nth % live.max(1))?;
        mapping.going = true;
        Some(*mapping)
    }

    pub fn kept(&mut self, mapping: Mapping) {
        for one in self.mappings.iter_mut().filter(|one| **one == mapping) {
            one.going = false;
        }
    }

    pub fn gone(&mut self, mapping: Mapping) {
        self.mappings.retain(|one| *one != mapping);
        for page in 0..mapping.pages() {
            let (at, frame) =
                (mapping.first() + page * PAGE, (mapping.pa & !(PAGE - 1)) + page * PAGE);
            if self.frames.get(&at) == Some(&frame) {
                self.frames.remove(&at);
            }
        }
        if self.gone.len() == GONE {
            self.gone.remove(0);
        }
        self.gone.push(mapping);
    }

    /// The nth mapping, newest first, those that are gone behind the others.
    pub fn nth(&self, nth: usize) -> Option<Mapping> {
        let all = self.mappings.iter().rev().chain(self.gone.iter().rev());
        let count = self.mappings.len() + self.gone.len();
        all.copied().nth(nth % count.max(1))
    }

    pub fn expected(&self, va: u32) -> Expected {
        let page = va & !(PAGE - 1);
        let Some(frame) = self.frames.get(&page) else { return Expected::Nowhere };
        let pa = frame + va % PAGE;
        let covers = |m: &&Mapping| page.wrapping_sub(m.first()) / PAGE < m.pages();
        let going = self.mappings.iter().filter(covers).any(|m| m.going);
        if going { Expected::Maybe(pa) } else { Expected::Leads(pa) }
    }

    /// Slots that live mappings take.
    pub fn slots(&self) -> usize {
        self.taken().len()
    }

    fn taken(&self) -> BTreeSet<u32> {
        self.mappings.iter().flat_map(Mapping::slots).collect()
    }

    /// Whether vmap can find addresses for so many pages, by Plan 9's rules.
    pub fn has_room(&self, pages: u32) -> bool {
        let mut taken = self.taken();
        taken.extend(&self.tables);
        let run = |n: u32| {
            (0..=SLOTS - n.min(SLOTS))
                .any(|at| n <= SLOTS && (at..at + n).all(|s| !taken.contains(&s)))
        };
        if pages >= SLOT / PAGE {
            return run(pages.div_ceil(SLOT / PAGE));
        }
        let mut hole = 0;
        let in_tables = self.tables.iter().any(|slot| {
            hole = 0;
            (0..SLOT / PAGE).any(|page| {
                let free = !self.frames.contains_key(&(VMAP + slot * SLOT + page * PAGE));
                hole = if free { hole + 1 } else { 0 };
                hole >= pages
            })
        });
        in_tables || run(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_comes_and_goes() {
        let mut reference = Reference::default();
        let pa = reference.device() + 0x123;
        reference.mapped(VMAP + 0x123, pa, 0x1000, true);
        assert_eq!(reference.expected(VMAP + 0x1001), Expected::Leads(pa - 0x123 + 0x1001));
        assert_eq!(reference.expected(VMAP + 0x2000), Expected::Nowhere);
        let going = reference.going(9, |_| true).expect("there is one");
        assert_eq!(reference.going(0, |_| true), None);
        assert_eq!(reference.expected(VMAP), Expected::Maybe(pa - 0x123));
        reference.gone(going);
        assert_eq!(reference.expected(VMAP), Expected::Nowhere);
        assert_eq!(reference.nth(3), Some(Mapping { going: true, ..going }));
    }

    #[test]
    fn room_is_what_mmu_c_would_find() {
        let mut reference = Reference::default();
        assert!(reference.has_room(1) && reference.has_room(62 * 1024));
        assert!(!reference.has_room(62 * 1024 + 1));
        reference.mapped(VMAP + SLOT, DEVICES, PAGE, true);
        // A page table takes its slot for ever.
        assert!(reference.has_room(60 * 1024) && !reference.has_room(61 * 1024));
        let going = reference.going(0, |_| true).expect("there is one");
        reference.gone(going);
        assert!(!reference.has_room(61 * 1024));
        // A large page does not.
        reference.mapped(VMAP, DEVICES, SLOT, true);
        let going = reference.going(0, |_| true).expect("there is one");
        reference.gone(going);
        assert!(reference.has_room(60 * 1024) && reference.tables.len() == 1);
    }
}
