//! What an auditor may look at.
//!
//! A view is taken of a machine that stands still: nobody stores, and nobody is in the middle of a
//! store. Threads of control may well be in the middle of a call of the MMU code; what such a call
//! is changing step by step is marked [`busy`](Cpu::busy) and not judged, everything else is.

/// Bytes of a page.
pub(crate) const PAGE: u32 = 4096;

/// How a page directory divides the address space: indices of page directory entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Entries of a table, a power of two; 1024 on the 386.
    pub entries: usize,
    /// First entry of VMAP. Everything below belongs to processes.
    pub vmap: usize,
    /// Entries of VMAP.
    pub vmap_slots: usize,
    /// The entry of KMAP.
    pub kmap: usize,
    /// The entry of the VPT, which names the directory itself.
    pub vpt: usize,
    /// The entry of KZERO, which names a page table private to each CPU.
    pub kzero: usize,
}

impl Layout {
    /// Bytes that a page directory entry maps.
    pub fn large_page(self) -> u32 {
        PAGE * self.entries as u32
    }
    /// Index of a virtual address into the page directory.
    pub fn directory_index(self, va: u32) -> usize {
        (va / self.large_page()) as usize % self.entries
    }
    /// Index of a virtual address into the page table.
    pub fn table_index(self, va: u32) -> usize {
        (va / PAGE) as usize % self.entries
    }
    /// The page that entry `second` of the table under directory entry `first` maps.
    pub fn address(self, first: usize, second: usize) -> u32 {
        first as u32 * self.large_page() + second as u32 * PAGE
    }
    /// The page directory entries of VMAP.
    pub(crate) fn vmap_indices(self) -> core::ops::Range<usize> {
        self.vmap..self.vmap + self.vmap_slots
    }
}

/// A CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    /// Its own page directory.
    pub pdb: u32,
    /// The page directory that CR3 holds.
    pub cr3: u32,
    /// The page table that entry KZERO of a directory must name while this CPU has it loaded.
    pub private: u32,
    /// It takes part in shootdowns. What an offline CPU has cached is not judged: it flushes before
    /// it goes online, or is found out then.
    pub online: bool,
    /// The process that it runs (`up`), until CR3 no longer holds that process's directory.
    pub runs: Option<usize>,
    /// Generation of large VMAP entries up to which `pdb` was swept.
    pub swept: u32,
    /// First page directory of its pool; the others follow by [`Page::next`].
    pub pdbpool: Option<u32>,
    /// What it takes for the length of its pool.
    pub pdbcnt: u32,
    /// What its page for temporary mappings must show; `None` between tmpmap and tmpunmap.
    pub tmp: Option<Temporary>,
    /// A call that takes from its pool or adds to it is under way.
    pub busy: bool,
}

/// The page of a CPU at TMPADDR while nothing is mapped there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Temporary {
    /// Its index in the CPU's private page table.
    pub index: usize,
    /// The frame that it shows then, as the one-to-one window does.
    pub frame: u32,
}

/// A process slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// It is neither dead nor unborn.
    pub alive: bool,
    /// Its page directory.
    pub pdb: Option<u32>,
    /// First of its page tables in use; the others follow by [`Page::next`].
    pub mmuused: Option<u32>,
    /// First of the pages that it keeps for its next page tables, likewise.
    pub mmufree: Option<u32>,
    /// The page table of its KMAP.
    pub kmaptable: Option<u32>,
    /// What it takes for the number of its kmaps.
    pub nkmap: i32,
    /// It is to drop its user page tables before it runs again.
    pub newtlb: bool,
    /// A call of the MMU code for it is under way, or sleeps: its lists and kmaps may be half changed,
    /// and one page may be on no list. In the middle of mmurelease, which has more in hand, P1 is
    /// not to be judged.
    pub busy: bool,
}

/// The record of a page frame that the page allocator owns or owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The next page of the list that the page is on.
    pub next: Option<u32>,
    /// References.
    pub refs: u32,
    /// Page directory index that the page serves as a page table for.
    pub daddr: usize,
    /// If the page is a page directory: generation of large VMAP entries up to which it was swept.
    pub swept: u32,
}

/// What a TLB holds of a page, small or large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Translation {
    /// Virtual address of the page.
    pub va: u32,
    /// Physical address of the page.
    pub pa: u32,
    /// It is a large page, and both addresses are a large page's.
    pub large: bool,
    /// No load of CR3 drops it.
    pub global: bool,
    /// It can be written through.
    pub writable: bool,
    /// User mode can use it.
    pub user: bool,
}

/// A machine that stands still, read-only.
///
/// Lists of pages are followed by the auditor, from their first page by [`Page::next`], so that one
/// that goes round in a circle ends and is reported. Iterators may come in any order.
pub trait View {
    /// The layout of the address space.
    fn layout(&self) -> Layout;
    /// An entry of the table or directory in a frame; `None` if the frame can hold none.
    fn entry(&self, table: u32, index: usize) -> Option<u32>;

    /// CPUs, online or not. CPU 0's own page directory is the master of VMAP.
    fn cpus(&self) -> usize;
    /// CPU `n`.
    fn cpu(&self, n: usize) -> Cpu;
    /// What the TLB of CPU `n` holds, below KZERO at least; `None` if it cannot be seen.
    fn tlb(&self, n: usize) -> Option<impl Iterator<Item = Translation>>;

    /// Process slots, used or not.
    fn processes(&self) -> usize;
    /// Process slot `n`.
    fn process(&self, n: usize) -> Process;

    /// The record of a page frame, if it has one.
    fn page(&self, pa: u32) -> Option<Page>;
    /// All pages that the page allocator was ever given, each once.
    fn pages(&self) -> impl Iterator<Item = u32>;
    /// The pages that the page allocator has to give. One that goes round in a circle need not end.
    fn free(&self) -> impl Iterator<Item = u32>;
    /// The pages that neither the MMU code nor the page allocator has: segments, tests. Each once,
    /// however many processes share it.
    fn held(&self) -> impl Iterator<Item = u32>;

    /// Generation of removed large VMAP entries. A directory that was swept up to another is behind:
    /// its owner sweeps it before it is loaded.
    fn generation(&self) -> u32;

    /// Most page directories that a pool may hold; 10 in Plan 9.
    fn pool_max(&self) -> u32 {
        10
    }
}
