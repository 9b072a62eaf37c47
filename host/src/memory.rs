//! Physical memory: what is at which address.
//!
//! | from | what |
//! |---|---|
//! | 0 | the page that TMPADDR shows when nothing else is there, the kernel's code |
//! | 2 MB | page directories, private page tables and `Mach` pages of the CPUs, page tables of the window |
//! | 4 MB | page tables from xspanalloc |
//! | 16 MB | pages of the page allocator that the window shows |
//! | 512 MB | pages of the page allocator above the window |
//! | 1 GB | devices, which have no content |

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use mmu386::arch::WordName;
use mmu386::entry::{PTEUSER, PTEVALID, PTEWRITE};
use mmu386::layout::{BY2PG, Frame, MAXMACH, PC386};
use parking_lot::Mutex;

use crate::config::Config;
use crate::word::Word;

/// Physical address of the kernel's code.
pub(crate) const TEXT: u32 = 0x10_0000;
/// Pages of the kernel's code.
pub(crate) const TEXT_PAGES: u32 = 4;
const CPUS: u32 = 0x20_0000;
const TABLES: u32 = 0x40_0000;
const PAGES: u32 = 0x100_0000;
const PAGES_ABOVE: u32 = 0x2000_0000;
/// Physical address of the first device.
pub const DEVICES: u32 = 0x4000_0000;
/// Where the leftovers in a fresh page lead.
const GARBAGE: u32 = 0xBAD0_0000;
/// Pages that a CPU takes of the kernel's memory.
const PAGES_OF_A_CPU: u32 = 3;

fn nth(base: u32, n: usize) -> Frame {
    Frame::containing(base + n as u32 * BY2PG)
}

/// CPU `n`'s own page directory.
pub(crate) fn mach_pdb(n: usize) -> Frame {
    nth(CPUS, n)
}

/// The page table for KZERO that CPU `n` has to itself.
pub(crate) fn private_table(n: usize) -> Frame {
    nth(CPUS, MAXMACH + n)
}

/// The page of CPU `n`'s `Mach`.
pub(crate) fn mach_page(n: usize) -> Frame {
    nth(CPUS, 2 * MAXMACH + n)
}

/// The CPU whose `Mach` is in a frame.
pub(crate) fn mach_of(frame: Frame) -> Option<usize> {
    (0..MAXMACH).find(|&n| mach_page(n) == frame)
}

/// The page table of the window's directory entry `index`, where there are no large pages.
pub(crate) fn window_table(index: usize) -> Frame {
    nth(CPUS, PAGES_OF_A_CPU as usize * MAXMACH + index - PC386.kzero)
}

/// Words of a page, made when they are first looked for.
struct Run {
    base: u32,
    frames: Vec<OnceLock<Box<[Word]>>>,
    /// What is in a page that nobody has written yet.
    fresh: fn(usize) -> u32,
}

impl Run {
    fn new(base: u32, frames: usize, fresh: fn(usize) -> u32) -> Self {
        Self { base, frames: (0..frames).map(|_| OnceLock::new()).collect(), fresh }
    }

    fn get(&self, frame: Frame) -> Option<&[Word]> {
        let at = (frame.pa().checked_sub(self.base)? / BY2PG) as usize;
        let words = self.frames.get(at)?.get_or_init(|| {
            let word = |index| Word::new(WordName::Entry(frame, index), (self.fresh)(index));
            (0..PC386.entries()).map(word).collect()
        });
        Some(words)
    }
}

/// The page allocator's free pages, and whether each page is free.
#[derive(Default)]
struct Allocator {
    free: Vec<Frame>,
    is_free: Vec<bool>,
    /// How often each page was given out.
    taken: Vec<usize>,
}

/// All of physical memory that has content.
pub(crate) struct Memory {
    kernel: Run,
    pages: Run,
    above: Run,
    allocator: Mutex<Allocator>,
    tables: AtomicUsize,
    last_table: usize,
}

fn cleared(_: usize) -> u32 {
    0
}

/// What the former owner left: entries that a walker would believe.
fn leftover(index: usize) -> u32 {
    (GARBAGE + index as u32 * BY2PG) | PTEUSER | PTEWRITE | PTEVALID
}

impl Memory {
    pub fn new(config: &Config) -> Self {
        let kernel = (TABLES / BY2PG) as usize + config.tables;
        let memory = Self {
            kernel: Run::new(0, kernel, cleared),
            pages: Run::new(PAGES, config.pages, leftover),
            above: Run::new(PAGES_ABOVE, config.pages_above, leftover),
            allocator: Mutex::default(),
            tables: AtomicUsize::new(0),
            last_table: config.tables,
        };
        {
            let mut allocator = memory.allocator.lock();
            // The two kinds in turn, so that lists mix them.
            for n in (0..config.pages.max(config.pages_above)).rev() {
                let both = [(n < config.pages, PAGES), (n < config.pages_above, PAGES_ABOVE)];
                let there = both.into_iter().filter(|(there, _)| *there);
                allocator.free.extend(there.map(|(_, base)| nth(base, n)));
            }
            allocator.is_free = vec![true; config.pages + config.pages_above];
            allocator.taken = vec![0; config.pages + config.pages_above];
        }
        memory
    }

    /// The words of a frame; `None` if it has no content.
    pub fn words(&self, frame: Frame) -> Option<&[Word]> {
        let run = match frame.pa() {
            PAGES_ABOVE.. => &self.above,
            PAGES.. => &self.pages,
            _ => &self.kernel,
        };
        run.get(frame)
    }

    /// A word of a frame that the machine itself filled.
    pub fn entry(&self, frame: Frame, index: usize) -> &Word {
        &self.words(frame).expect("a frame of the kernel has content")[index]
    }

    /// The number of a page of the page allocator.
    pub fn number(&self, page: Frame) -> Option<usize> {
        let within = |run: &Run| {
            let n = (page.pa().checked_sub(run.base)? / BY2PG) as usize;
            (n < run.frames.len()).then_some(n)
        };
        within(&self.pages).or_else(|| Some(self.pages.frames.len() + within(&self.above)?))
    }

    /// Pages of the page allocator, free or not.
    pub fn all_pages(&self) -> impl Iterator<Item = Frame> {
        let of = |run: &Run| (0..run.frames.len()).map(|n| nth(run.base, n)).collect::<Vec<_>>();
        of(&self.pages).into_iter().chain(of(&self.above))
    }

    /// Free pages, the next to be given out last.
    pub fn free_pages(&self) -> Vec<Frame> {
        self.allocator.lock().free.clone()
    }

    /// Whether a page of the page allocator is free.
    pub fn is_free(&self, page: Frame) -> bool {
        self.number(page).is_some_and(|n| self.allocator.lock().is_free[n])
    }

    /// How often a page was given out.
    pub fn times_taken(&self, page: Frame) -> usize {
        self.number(page).map_or(0, |n| self.allocator.lock().taken[n])
    }

    /// Whether a page has not been given back since it had been given out so often.
    pub fn is_taken_since(&self, page: Frame, taken: usize) -> bool {
        let allocator = self.allocator.lock();
        // One look at both: between two, the page may come back and be given out again.
        self.number(page).is_some_and(|n| !allocator.is_free[n] && allocator.taken[n] == taken)
    }

    /// Takes the page that was given back last, or one of the few before it.
    pub fn take(&self, depth: usize) -> Option<Frame> {
        let mut allocator = self.allocator.lock();
        let last = allocator.free.len().checked_sub(1)?;
        let page = allocator.free.remove(last - depth.min(last));
        let n = self.number(page).expect("only pages are free");
        allocator.is_free[n] = false;
        allocator.taken[n] += 1;
        Some(page)
    }

    /// Gives a page back, with leftovers in it.
    ///
    /// # Panics
    /// If it is no page of the allocator's, or free already.
    pub fn give(&self, page: Frame) {
        let Some(n) = self.number(page) else {
            panic!("freepage: {:#010x} is no page of the page allocator", page.pa());
        };
        for (index, word) in self.words(page).into_iter().flatten().enumerate() {
            word.value.store(leftover(index), Ordering::Relaxed);
        }
        let mut allocator = self.allocator.lock();
        assert!(!allocator.is_free[n], "freepage: {:#010x} is free already", page.pa());
        allocator.is_free[n] = true;
        allocator.free.push(page);
    }

    /// A cleared page table that is never freed.
    pub fn table(&self) -> Option<Frame> {
        let n = self.tables.fetch_add(1, Ordering::Relaxed);
        (n < self.last_table).then(|| nth(TABLES, n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mmu386::entry::Entry;

    fn memory() -> Memory {
        Memory::new(&Config { pages: 2, pages_above: 3, tables: 1, ..Config::default() })
    }

    #[test]
    fn pages_lie_on_both_sides_of_the_window_and_hold_leftovers() {
        let memory = memory();
        let mut pages = Vec::new();
        while let Some(page) = memory.take(1) {
            assert!(!memory.is_free(page));
            assert!(Entry(memory.entry(page, 9).value.load(Ordering::Relaxed)).valid());
            pages.push(page);
        }
        assert_eq!(pages.len(), 5);
        assert_eq!(pages.iter().filter(|page| page.pa() < PC386.window).count(), 2);
        let mut numbers: Vec<_> = pages.iter().filter_map(|&page| memory.number(page)).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_page_that_comes_back_is_dirty_again() {
        let memory = memory();
        let page = memory.take(0).expect("there are pages");
        memory.entry(page, 5).value.store(0, Ordering::Relaxed);
        memory.give(page);
        assert!(memory.is_free(page));
        assert_ne!(memory.entry(page, 5).value.load(Ordering::Relaxed), 0);
    }

    #[test]
    #[should_panic(expected = "is free already")]
    fn a_page_is_given_back_once() {
        let memory = memory();
        let page = memory.take(0).expect("there are pages");
        memory.give(page);
        memory.give(page);
    }

    #[test]
    fn tables_are_cleared_and_run_out() {
        let memory = memory();
        let table = memory.table().expect("there is one");
        assert_eq!(memory.entry(table, 7).value.load(Ordering::Relaxed), 0);
        assert_eq!(memory.table(), None);
    }

    #[test]
    fn devices_have_no_content() {
        assert!(memory().words(Frame::containing(DEVICES)).is_none());
        assert!(memory().words(Frame::containing(GARBAGE)).is_none());
    }
}
