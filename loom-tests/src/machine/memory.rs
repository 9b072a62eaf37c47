//! The contents of frames, and the page allocator.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use mmu386::arch::WordName;
use mmu386::entry::{PTEGLOBAL, PTEUSER, PTEVALID, PTEWRITE};
use mmu386::layout::Frame;

use super::digest::{PAGES_FREE, TABLES_LEFT};
use super::frames::{
    FRAMES, HIGH, PAGES, TABLES, TEXT, device, frame, mach_page, mach_pdb, private_table,
    second_table,
};
use super::{GEOMETRY, Pages};
use crate::engine::{How, Part, Sharing, Word, hidden, touches};

/// All frames that entries can be read from.
pub struct Memory {
    tables: Vec<OnceLock<Vec<Word>>>,
    next_table: AtomicUsize,
    free: Part<Vec<Frame>>,
    /// What the entries of a page are that was never given out before; 0 if pages are cleared
    /// whenever they are given out.
    leftover: u32,
}

impl Memory {
    /// Memory with a page directory and a private page table for each CPU. `ready` CPUs have theirs
    /// as mmuinit leaves them; the others as the boot code does. With `garbage`, pages from newpage
    /// hold what a walker would take for user mappings; with `global`, mmuinit makes the kernel's
    /// mappings global.
    pub fn new(cpus: usize, ready: usize, pages: Pages, garbage: bool, global: bool) -> Self {
        let mut free: Vec<Frame> = (PAGES..FRAMES).rev().map(frame).collect();
        if pages == Pages::AboveTheWindow {
            free.rotate_left(FRAMES - HIGH);
        }
        let memory = Self {
            tables: (0..FRAMES).map(|_| OnceLock::new()).collect(),
            next_table: AtomicUsize::new(TABLES),
            free: Part::new(PAGES_FREE, free),
            leftover: if garbage { device(7) | PTEUSER | PTEVALID } else { 0 },
        };
        let all_global = if global && ready > 0 { PTEGLOBAL } else { 0 };
        memory.fill(second_table(), |index| {
            let shown = frame(GEOMETRY.entries() + index);
            (shown.pa() | all_global | PTEWRITE | PTEVALID, Sharing::Owned)
        });
        for n in 0..cpus {
            let global = if global && n < ready { PTEGLOBAL } else { 0 };
            memory.directory(n, n < ready, global);
            memory.private(n, n < ready, global);
        }
        memory
    }

    /// VMAP entries of the master are everybody's; all else in a CPU's own page directory is that
    /// CPU's.
    fn directory(&self, n: usize, ready: bool, global: u32) {
        let vmap = GEOMETRY.vmap..GEOMETRY.vmap + GEOMETRY.vmap_slots;
        self.fill(mach_pdb(n), |index| {
            let value = if index == GEOMETRY.kzero {
                private_table(n).pa() | global | PTEWRITE | PTEVALID
            } else if index > GEOMETRY.kzero {
                second_table().pa() | global | PTEWRITE | PTEVALID
            } else if index == GEOMETRY.vpt && ready {
                mach_pdb(n).pa() | PTEWRITE | PTEVALID
            } else {
                0
            };
            let shared = n == 0 && vmap.contains(&index);
            (value, if shared { Sharing::Shared } else { Sharing::Owned })
        });
    }

    fn private(&self, n: usize, ready: bool, global: u32) {
        self.fill(private_table(n), |index| {
            let shown =
                if index == GEOMETRY.ptx(GEOMETRY.mach) { mach_page(n) } else { frame(index) };
            let write = if ready && TEXT.contains(&index) { 0 } else { PTEWRITE };
            (shown.pa() | global | write | PTEVALID, Sharing::Owned)
        });
    }

    fn fill(&self, frame: Frame, entry: impl Fn(usize) -> (u32, Sharing)) {
        self.tables[frame.number()].get_or_init(|| {
            (0..GEOMETRY.entries())
                .map(|index| {
                    let (value, sharing) = entry(index);
                    Word::new(WordName::Entry(frame, index), value, sharing)
                })
                .collect()
        });
    }

    /// A cleared page table for VMAP, shared by all.
    pub fn table(&self) -> Option<Frame> {
        hidden("page tables of VMAP", 0, (), How::Change);
        touches(TABLES_LEFT, true);
        let number = self.next_table.fetch_add(1, Relaxed);
        if number >= PAGES {
            return None;
        }
        self.fill(frame(number), |_| (0, Sharing::Shared));
        Some(frame(number))
    }

    /// A page, with whatever is in it.
    pub fn page(&self) -> Frame {
        hidden("free pages", 0, (), How::Change);
        let page = self.free.hold().pop();
        let page = page.expect("a model takes fewer pages than the machine has");
        self.fill(page, |_| (self.leftover, Sharing::Owned));
        if self.leftover == 0 {
            for index in 0..GEOMETRY.entries() {
                self.entry(page, index).store(0);
            }
        }
        page
    }

    /// Gives a page back.
    pub fn free(&self, page: Frame) {
        hidden("free pages", 0, (), How::Change);
        self.free.hold().push(page);
    }

    /// How many page tables of VMAP were given out, beside others.
    pub fn tables_taken(&self) -> usize {
        self.next_table.load(Relaxed)
    }

    /// An entry of a frame, or `None` if the frame has no contents.
    pub fn look(&self, frame: Frame, index: usize) -> Option<&Word> {
        let table = self.tables.get(frame.number())?.get();
        if table.is_none() {
            // It gets some as it is given out.
            touches(PAGES_FREE, false);
            touches(TABLES_LEFT, false);
        }
        table.map(|table| &table[index])
    }

    /// An entry of a frame.
    ///
    /// # Panics
    /// If the frame has no contents: the core or the walker went astray.
    pub fn entry(&self, frame: Frame, index: usize) -> &Word {
        self.look(frame, index)
            .unwrap_or_else(|| panic!("cpu?: frame {:#x} is no table", frame.pa()))
    }

    /// The pages that nobody has.
    pub fn free_pages(&self) -> Vec<Frame> {
        self.free.hold().clone()
    }

    /// Whether nobody has the page.
    pub fn is_free(&self, page: Frame) -> bool {
        self.free.hold().contains(&page)
    }
}
