//! Frames: page directories and page tables, and device memory, which has no contents.

use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use mmu386::arch::WordName;
use mmu386::entry::{PTEUSER, PTEVALID, PTEWRITE};
use mmu386::layout::{BY2PG, Frame};

use super::GEOMETRY;
use crate::engine::{Sharing, Word};

const MACH_PDBS: usize = 1;
const PRIVATE: usize = 10;
const TABLES: usize = 20;
/// First frame that newpage gives out.
pub const PAGES: usize = 40;
/// Frames below device memory.
pub const FRAMES: usize = 56;
const MAX_TABLES: usize = 8;

fn frame(number: usize) -> Frame {
    Frame::containing(number as u32 * BY2PG)
}

/// CPU `n`'s own page directory.
pub fn mach_pdb(n: usize) -> Frame {
    frame(MACH_PDBS + n)
}

/// Physical address of a device's memory, aligned to a large page.
pub fn device(n: u32) -> u32 {
    0x10_0000 + n * GEOMETRY.large_page()
}

/// What a frame is for, as a person would say it.
pub fn role_of(frame: Frame) -> Option<String> {
    match frame.number() {
        MACH_PDBS => Some("master pdb".into()),
        n @ MACH_PDBS..PRIVATE => Some(format!("cpu {} pdb", n - MACH_PDBS)),
        n @ PRIVATE..TABLES => Some(format!("private table of cpu {}", n - PRIVATE)),
        n @ TABLES..PAGES => Some(format!("vmap table {}", n - TABLES)),
        n @ PAGES..FRAMES => Some(format!("page {}", n - PAGES)),
        _ => None,
    }
}

/// The CPU whose private page table an entry names.
pub fn private_of(entry: u32) -> Option<usize> {
    let number = Frame::containing(entry).number();
    (PRIVATE..TABLES).contains(&number).then(|| number - PRIVATE)
}

/// All frames that the machine can read entries from.
pub struct Memory {
    tables: Vec<OnceLock<Vec<Word>>>,
    next_table: AtomicUsize,
    free: Mutex<Vec<Frame>>,
}

impl Memory {
    /// Memory with a page directory for each CPU: its own KZERO and VPT, and nothing else.
    pub fn new(cpus: usize) -> Self {
        let memory = Self {
            tables: (0..FRAMES).map(|_| OnceLock::new()).collect(),
            next_table: AtomicUsize::new(TABLES),
            free: Mutex::new((PAGES..FRAMES).rev().map(frame).collect()),
        };
        for n in 0..cpus {
            let pdb = mach_pdb(n);
            let vmap = GEOMETRY.vmap..GEOMETRY.vmap + GEOMETRY.vmap_slots;
            // VMAP entries of the master are everybody's; all else in a CPU's own page directory
            // is that CPU's.
            memory.fill(pdb, |index| {
                let value = if index == GEOMETRY.kzero {
                    frame(PRIVATE + n).pa() | PTEWRITE | PTEVALID
                } else if index == GEOMETRY.vpt {
                    pdb.pa() | PTEWRITE | PTEVALID
                } else {
                    0
                };
                let shared = n == 0 && vmap.contains(&index);
                (value, if shared { Sharing::Shared } else { Sharing::Owned })
            });
        }
        memory
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
        let number = self.next_table.fetch_add(1, Relaxed);
        if number >= TABLES + MAX_TABLES {
            return None;
        }
        self.fill(frame(number), |_| (0, Sharing::Shared));
        Some(frame(number))
    }

    /// A page for a page directory or user page table, with garbage in it that a walker would take
    /// for user mappings.
    pub fn page(&self) -> Frame {
        let page = self.free.lock().expect("no panic while it is held").pop();
        let page = page.expect("a model takes fewer pages than the machine has");
        self.fill(page, |_| (device(7) | PTEUSER | PTEVALID, Sharing::Owned));
        page
    }

    /// Gives a page back.
    pub fn free(&self, page: Frame) {
        self.free.lock().expect("no panic while it is held").push(page);
    }

    /// An entry of a frame.
    ///
    /// # Panics
    /// If the frame holds no table: the core or the walker went astray.
    pub fn entry(&self, frame: Frame, index: usize) -> &Word {
        let table = self.tables.get(frame.number()).and_then(OnceLock::get);
        let Some(table) = table else {
            panic!("cpu?: frame {:#x} is no table", frame.pa());
        };
        &table[index]
    }

    /// The pages that nobody has.
    pub fn free_pages(&self) -> Vec<Frame> {
        self.free.lock().expect("no panic while it is held").clone()
    }
}
