//! Segment descriptors, and the task state segment: flat segments, so that paging alone protects.
//!
//! `gdt` of mmu.c, `mem.h`; Intel SDM vol. 3, 3.4.5 and 7.2.

use crate::arch::{Arch, Owned};

/// A segment descriptor (`Segdesc`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Segdesc {
    /// Low word: limit 15..0, base 15..0.
    pub d0: u32,
    /// High word: base, type, privilege, limit 19..16, granularity.
    pub d1: u32,
}

/// Bytes of a descriptor.
pub const BY2SEGDESC: u32 = 8;
/// Entries of the interrupt descriptor table.
pub const NIDT: u32 = 256;

// Index of each descriptor in the GDT. 6 is also the first of three that an APM BIOS may have.
/// The null descriptor.
pub const NULLSEG: usize = 0;
/// Kernel data and stack.
pub const KDSEG: usize = 1;
/// Kernel code.
pub const KESEG: usize = 2;
/// User data and stack.
pub const UDSEG: usize = 3;
/// User code.
pub const UESEG: usize = 4;
/// The CPU's task state segment.
pub const TSSSEG: usize = 5;
/// The first of three for an APM BIOS; mmu.c leaves them to the kernel around it.
pub const APMCSEG: usize = 6;
/// Kernel code of 16 bits, for calls to a BIOS.
pub const KESEG16: usize = 9;
/// The current process's local descriptor table.
pub const LDTSEG: usize = 10;
/// The first of the current process's own segments.
pub const PROCSEG0: usize = 11;
/// How many segments of its own a process may have.
pub const NPROCSEG: usize = 3;
/// Entries of the GDT.
pub const NGDT: usize = 14;

const SEGDATA: u32 = 0x10 << 8;
const SEGEXEC: u32 = 0x18 << 8;
const SEGTSS: u32 = 0x9 << 8;
const SEGLDT: u32 = 0x2 << 8;
const SEGP: u32 = 1 << 15;
/// Data may be written.
const SEGW: u32 = 1 << 9;
/// Code may be read.
const SEGR: u32 = 1 << 9;
/// Code is of 32 bits; data is a stack of 32 bits (`SEGB`).
const SEGD: u32 = 1 << 22;
/// The limit counts pages.
const SEGG: u32 = 1 << 23;
const LIMIT_HIGH: u32 = 0xF << 16;

const fn segpl(privilege: u32) -> u32 {
    privilege << 13
}

impl Segdesc {
    const fn flat(kind: u32, privilege: u32) -> Self {
        Self { d0: 0xFFFF, d1: SEGG | LIMIT_HIGH | SEGP | segpl(privilege) | kind }
    }
    /// All memory, to be read and written at a privilege level (`DATASEGM`).
    pub const fn data(privilege: u32) -> Self {
        Self::flat(SEGD | SEGDATA | SEGW, privilege)
    }
    /// All memory, to be run and read at a privilege level (`EXECSEGM`).
    pub const fn exec(privilege: u32) -> Self {
        Self::flat(SEGD | SEGEXEC | SEGR, privilege)
    }
    /// As [`exec`](Self::exec), for code of 16 bits (`EXEC16SEGM`).
    pub const fn exec16(privilege: u32) -> Self {
        Self::flat(SEGEXEC | SEGR, privilege)
    }
    /// A system segment at `base` of the kernel's privilege. `limit` has 16 bits.
    const fn system(kind: u32, base: u32, limit: u32) -> Self {
        Self {
            d0: base << 16 | limit & 0xFFFF,
            d1: base & 0xFF00_0000 | base >> 16 & 0xFF | kind | SEGP,
        }
    }
    /// A task state segment at `base` (`TSSSEGM`). As in mmu.c the limit is the size, one too many.
    pub const fn tss(base: u32) -> Self {
        Self::system(SEGTSS, base, BY2TSS)
    }
    /// A local descriptor table of `n` descriptors at `base`.
    pub const fn ldt(base: u32, n: u32) -> Self {
        Self::system(SEGLDT, base, n * BY2SEGDESC - 1)
    }
}

/// What every CPU's GDT starts from.
#[doc(alias = "gdt")]
pub const GDT: [Segdesc; NGDT] = {
    let mut gdt = [Segdesc { d0: 0, d1: 0 }; NGDT];
    gdt[KDSEG] = Segdesc::data(0);
    gdt[KESEG] = Segdesc::exec(0);
    gdt[UDSEG] = Segdesc::data(3);
    gdt[UESEG] = Segdesc::exec(3);
    gdt[TSSSEG] = Segdesc::tss(0);
    gdt[KESEG16] = Segdesc::exec16(0);
    gdt
};

/// A segment selector: index into the GDT, and privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Selector(pub u16);

impl Selector {
    /// No segment.
    pub const NULL: Self = Self(0);
    /// Kernel data (`KDSEL`).
    pub const KD: Self = Self::new(KDSEG, 0);
    /// Kernel code (`KESEL`).
    pub const KE: Self = Self::new(KESEG, 0);
    /// User data (`UDSEL`).
    pub const UD: Self = Self::new(UDSEG, 3);
    /// User code (`UESEL`).
    pub const UE: Self = Self::new(UESEG, 3);
    /// The task state segment (`TSSSEL`).
    pub const TSS: Self = Self::new(TSSSEG, 0);
    /// The local descriptor table (`LDTSEL`).
    pub const LDT: Self = Self::new(LDTSEG, 0);

    /// The selector of a descriptor of the GDT.
    pub const fn new(index: usize, privilege: u16) -> Self {
        Self((index as u16) << 3 | privilege)
    }
}

/// A process's local descriptor table: its own memory, outside of what the MMU code manages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ldt {
    /// Address of the first descriptor.
    pub base: u32,
    /// Descriptors in it; none if it is to be ignored.
    pub n: u32,
}

/// Bytes of a task state segment.
pub const BY2TSS: u32 = 104;
/// Words of a task state segment.
pub const TSSWORDS: usize = BY2TSS as usize / 4;
/// Word of the stack pointer for privilege level 0; level n is two words per level further on, and
/// its stack segment in the word behind (Intel SDM vol. 3, figure 7-2).
pub const TSS_ESP0: usize = 1;
/// Word of the offset of the I/O permission map, in its upper half.
pub const TSS_IOMAP: usize = 25;
/// Offset of an I/O permission map that lies beyond the segment: no port is permitted.
pub const NO_IOMAP: u32 = 0xDFFF << 16;

/// A CPU's descriptor table and task state segment, which the processor reads where they lie: the
/// machine puts them there, apart from `Mach`, and says at which address.
///
/// Fields belong to that CPU, and only with interrupts off.
#[repr(C)]
pub struct Descriptors<A: Arch> {
    /// `m->gdt`.
    pub gdt: [A::Owned<Segdesc>; NGDT],
    /// `m->tss`.
    pub tss: [A::Owned<u32>; TSSWORDS],
    base: u32,
}

impl<A: Arch> Descriptors<A> {
    /// Bytes from the start of a `Descriptors` to its task state segment.
    pub const TSS_OFFSET: u32 = NGDT as u32 * BY2SEGDESC;

    /// Cleared descriptors, to lie at address `base`, where the machine knows addresses.
    pub fn new(base: u32) -> Self {
        Self {
            gdt: core::array::from_fn(|_| A::Owned::new(Segdesc::default())),
            tss: core::array::from_fn(|_| A::Owned::new(0)),
            base,
        }
    }
    /// Address of the descriptor table.
    pub fn gdt_base(&self) -> u32 {
        self.base
    }
    /// Address of the task state segment.
    pub fn tss_base(&self) -> u32 {
        self.base + Self::TSS_OFFSET
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 9front `pc/mem.h` and the table in `pc/mmu.c`, computed by hand; Intel SDM vol. 3, 3.4.5.
    #[test]
    fn descriptors_are_mmu_cs() {
        let word = |index: usize| (GDT[index].d0, GDT[index].d1);
        assert_eq!(word(NULLSEG), (0, 0));
        assert_eq!(word(KDSEG), (0xFFFF, 0x00CF_9200));
        assert_eq!(word(KESEG), (0xFFFF, 0x00CF_9A00));
        assert_eq!(word(UDSEG), (0xFFFF, 0x00CF_F200));
        assert_eq!(word(UESEG), (0xFFFF, 0x00CF_FA00));
        assert_eq!(word(TSSSEG), (104, 0x0000_8900));
        assert_eq!(word(KESEG16), (0xFFFF, 0x008F_9A00));
        for index in [APMCSEG, 7, 8, LDTSEG, PROCSEG0, 12, 13] {
            assert_eq!(word(index), (0, 0));
        }
    }

    /// `DATASEGM`, `EXECSEGM` and `EXEC16SEGM` differ in three bits, and in the privilege.
    #[test]
    fn kinds_and_privileges_are_told_apart() {
        for privilege in 0..4 {
            let high = 0x00CF_9200 | privilege << 13;
            assert_eq!(Segdesc::data(privilege).d1, high);
            assert_eq!(Segdesc::exec(privilege).d1, high | 0x800);
            assert_eq!(Segdesc::exec16(privilege).d1, (high | 0x800) & !0x40_0000);
        }
        assert_eq!(Selector::new(PROCSEG0, 3), Selector(0x5B));
    }

    #[test]
    fn a_base_is_spread_over_both_words() {
        let tss = Segdesc::tss(0x1234_5678);
        assert_eq!((tss.d0, tss.d1), (0x5678_0068, 0x1200_8934));
        let ldt = Segdesc::ldt(0xF012_3450, 4);
        assert_eq!((ldt.d0, ldt.d1), (0x3450_001F, 0xF000_8212));
    }

    /// 9front `pc/mem.h`.
    #[test]
    fn selectors_are_plan_9s() {
        assert_eq!(Selector::KD.0, 0x08);
        assert_eq!(Selector::KE.0, 0x10);
        assert_eq!(Selector::UD.0, 0x1B);
        assert_eq!(Selector::UE.0, 0x23);
        assert_eq!(Selector::TSS.0, 0x28);
        assert_eq!(Selector::LDT.0, 0x50);
        assert_eq!(Selector::NULL.0, 0);
    }
}
