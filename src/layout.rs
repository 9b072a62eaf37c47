//! The address space: which part of it is what, and how an address splits into indices.
//!
//! All sizes derive from a [`Geometry`], because a model wants tables of a few entries where the
//! 386 has 1024. The page is 4096 bytes in both.

/// Bytes of a page (`BY2PG`).
pub const BY2PG: u32 = 4096;
const PGSHIFT: u32 = BY2PG.trailing_zeros();
/// Bytes of a page-table entry (`BY2WD`).
pub const BY2WD: u32 = 4;
/// Most CPUs that a system may have (`MAXMACH`): a set of them is a word with a bit for each.
pub const MAXMACH: usize = u32::BITS as usize;

/// A page frame, named by the physical address of its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame(u32);

impl Frame {
    /// The frame that holds physical address `pa` (`PPN`).
    pub const fn containing(pa: u32) -> Self {
        Self(pa & !(BY2PG - 1))
    }
    /// Physical address of the frame's first byte.
    pub const fn pa(self) -> u32 {
        self.0
    }
    /// Number of the frame, counted from physical address 0.
    pub const fn number(self) -> usize {
        (self.0 >> PGSHIFT) as usize
    }
}

/// Sizes of an address space: how many entries a table has, and which page directory entries the
/// kernel's regions take. Regions are given by their first page directory index (`PDX`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Binary logarithm of the entries in a table; 10 on the 386.
    pub table_bits: u32,
    /// `PDX(VMAP)`.
    pub vmap: usize,
    /// Page directory entries of VMAP.
    pub vmap_slots: usize,
    /// `PDX(KMAP)`.
    pub kmap: usize,
    /// `PDX(VPT)`.
    pub vpt: usize,
    /// `PDX(KZERO)`, the entry that holds MACHADDR and TMPADDR and is each CPU's own.
    pub kzero: usize,
    /// Bytes of physical memory that show from KZERO on (`-KZERO` in mmu.c).
    pub window: u32,
    /// `TMPADDR - KZERO`, also the physical page that shows there when nothing else does.
    pub tmp: u32,
    /// `MACHADDR - KZERO`.
    pub mach: u32,
}

/// The 386 as Plan 9 divides it (`mem.h`).
pub const PC386: Geometry = Geometry {
    table_bits: 10,
    vmap: 896,
    vmap_slots: 62,
    kmap: 958,
    vpt: 959,
    kzero: 960,
    window: 0x1000_0000,
    tmp: 0x8000,
    mach: 0x1_8000,
};

impl Geometry {
    /// Entries of a page table or page directory (`WD2PG`).
    pub const fn entries(&self) -> usize {
        1 << self.table_bits
    }
    /// Bytes that one page directory entry maps: a large page, 4 MB on the 386.
    pub const fn large_page(&self) -> u32 {
        BY2PG << self.table_bits
    }
    /// Index into the page directory (`PDX`).
    pub const fn pdx(&self, va: u32) -> usize {
        (va >> (PGSHIFT + self.table_bits)) as usize & (self.entries() - 1)
    }
    /// Index into the page table (`PTX`).
    pub const fn ptx(&self, va: u32) -> usize {
        (va >> PGSHIFT) as usize & (self.entries() - 1)
    }
    /// First address that page directory entry `pdx` maps.
    pub const fn base(&self, pdx: usize) -> u32 {
        (pdx as u32) << (PGSHIFT + self.table_bits)
    }
    /// First address of VMAP.
    pub const fn vmap_base(&self) -> u32 {
        self.base(self.vmap)
    }
    /// Bytes of VMAP (`VMAPSIZE`).
    pub const fn vmap_size(&self) -> u32 {
        self.large_page() * self.vmap_slots as u32
    }
    /// First address behind VMAP.
    pub const fn vmap_end(&self) -> u32 {
        self.vmap_base() + self.vmap_size()
    }
    /// Whether `va` lies in VMAP.
    pub const fn in_vmap(&self, va: u32) -> bool {
        self.vmap_base() <= va && va < self.vmap_end()
    }
    /// First address of KMAP.
    pub const fn kmap_base(&self) -> u32 {
        self.base(self.kmap)
    }
    /// Pages that fit in KMAP (`NKPT`).
    pub const fn nkpt(&self) -> usize {
        self.entries()
    }
    /// Whether `va` lies in KMAP.
    pub const fn in_kmap(&self, va: u32) -> bool {
        self.pdx(va) == self.kmap && self.kmap_base() <= va
    }
    /// Whether `va` is an address that a process may use in user mode: below VMAP.
    pub const fn in_user(&self, va: u32) -> bool {
        va < self.vmap_base()
    }
    /// The address of physical memory from 0 on (`KZERO`).
    pub const fn kzero_base(&self) -> u32 {
        self.base(self.kzero)
    }
    /// The page through which a CPU reaches a page that the window does not show (`TMPADDR`).
    pub const fn tmpaddr(&self) -> u32 {
        self.kzero_base() + self.tmp
    }
    /// The page that shows each CPU its own `Mach` (`MACHADDR`).
    pub const fn machaddr(&self) -> u32 {
        self.kzero_base() + self.mach
    }
    /// Address in the VPT of the page directory entry for `va` (`&vpd[PDX(va)]`).
    pub const fn vpd_entry(&self, va: u32) -> u32 {
        self.vpt_page(self.vpt) + self.pdx(va) as u32 * BY2WD
    }
    /// Address in the VPT of the page table entry for `va` (`&vpt[VPTX(va)]`).
    pub const fn vpt_entry(&self, va: u32) -> u32 {
        self.vpt_page(self.pdx(va)) + self.ptx(va) as u32 * BY2WD
    }
    /// Address of the page of the VPT that shows the page table of directory entry `pdx`.
    pub const fn vpt_page(&self, pdx: usize) -> u32 {
        self.base(self.vpt) + pdx as u32 * BY2PG
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 9front `pc/mem.h`.
    #[test]
    fn the_pc_layout_is_plan_9s() {
        let g = PC386;
        assert_eq!(g.entries(), 1024);
        assert_eq!(g.large_page(), 0x40_0000);
        assert_eq!(g.vmap_base(), 0xE000_0000);
        assert_eq!(g.vmap_size(), 0x0F80_0000);
        assert_eq!(g.vmap_end(), g.base(g.kmap));
        assert_eq!(g.base(g.vpt), 0xEFC0_0000);
        assert_eq!(g.base(g.kzero), 0xF000_0000);
        assert_eq!(g.vpd_entry(0), 0xEFFB_F000);
        assert_eq!(g.vpt_page(g.kmap), 0xEFFB_E000);
        assert_eq!((g.kmap_base(), g.nkpt()), (0xEF80_0000, 1024));
        assert_eq!(g.tmpaddr(), 0xF000_8000);
        assert_eq!(g.machaddr(), 0xF001_8000);
        assert_eq!(g.window, g.kzero_base().wrapping_neg());
    }

    #[test]
    fn a_frame_is_a_page_of_physical_memory() {
        let frame = Frame::containing(0x1234_5678);
        assert_eq!((frame.pa(), frame.number()), (0x1234_5000, 0x1_2345));
    }

    /// `vpt[VPTX(va)]` is `VPT + (va >> 12) * 4` when a table fills a page.
    #[test]
    fn vpt_entries_follow_the_address() {
        let g = PC386;
        for va in [0, 0x1000, 0xDFFF_F000, 0xE040_1000, 0xFFFF_F000] {
            assert_eq!(g.vpt_entry(va), g.base(g.vpt) + (va >> 12) * 4);
        }
    }
}
