//! Write combining: memory types by the page attribute table (Intel SDM vol. 3, 11.12).

use crate::arch::{Arch, Feature};
use crate::entry::{Entry, PTEPAT, PTEPATLARGE, PTEUNCACHED, PTEWT};
use crate::error::broken;
use crate::event::Event;
use crate::function::Function;
use crate::layout::BY2PG;
use crate::shootdown::Handshake;
use crate::slots;
use crate::variant::{Fixes, Variant};
use crate::walk::{Level, mmuwalk};

/// The MSR that holds the table (`IA32_PAT`): eight entries of a byte.
pub const IA32_PAT: u32 = 0x277;
/// The entry that mmuinit sets to write combining.
pub const PATWC: u32 = 7;
/// The memory type write combining.
const WC: u64 = 1;
/// Bits of a page table entry that choose a table entry.
const MASK: u32 = PTEWT | PTEUNCACHED | PTEPAT;
/// The same of a page directory entry that maps a large page.
const MASK_LARGE: u32 = PTEWT | PTEUNCACHED | PTEPATLARGE;
/// What chooses entry [`PATWC`], in either kind of entry.
const ATTR: u32 = (PATWC & 3) << 3 | (PATWC & 4) << 5 | (PATWC & 4) << 10;

/// Makes entry [`PATWC`] of this CPU's table write combining, if there is a table. mmuinit's part.
pub(crate) fn set_up<A: Arch>(arch: &A) {
    if arch.has(Feature::Pat)
        && let Some(table) = arch.rdmsr(IA32_PAT)
    {
        let shift = PATWC * 8;
        arch.wrmsr(IA32_PAT, table & !(0xFF << shift) | WC << shift);
    }
}

/// Whether entry [`PATWC`] of this CPU's table is write combining.
fn usable<A: Arch>(arch: &A) -> bool {
    arch.has(Feature::Pat)
        && arch.rdmsr(IA32_PAT).is_some_and(|table| table >> (PATWC * 8) & 7 == WC)
}

/// Makes the kernel mappings of `size` bytes at `va` write combining, as a framebuffer wants it.
/// Returns whether the processor can; if not, nothing is changed. A large page is changed whole.
///
/// When it returns, no CPU uses the old memory type any more (fix A10). As [`vunmap`] it is callable
/// at any level, with or without a process, does not sleep, and waits for every other CPU. The range
/// must be the caller's own.
///
/// # Panics
/// If part of the range is not mapped.
///
/// [`vunmap`]: crate::vmap::vunmap
pub fn patwc<A: Arch>(arch: &A, va: u32, size: u32) -> bool {
    arch.trace(Event::Call(Function::Patwc));
    if !usable(arch) {
        return false;
    }
    let (mut va, mut left) = (va, size);
    let mut large = false;
    while left > 0 {
        let (step, was_large) = change(arch, va);
        large |= was_large;
        va = va.wrapping_add(step);
        left = left.saturating_sub(step);
    }
    if A::Variant::FIXES.has(Fixes::A10) && size > 0 {
        if large {
            slots::changed_large(arch);
        }
        <A::Variant as Variant>::Handshake::flush_everywhere(arch);
    }
    true
}

/// Changes the master's entry for `va`. Returns how many bytes from `va` on it maps, and whether it
/// maps a large page.
fn change<A: Arch>(arch: &A, va: u32) -> (u32, bool) {
    let master = arch.master();
    let slot = mmuwalk(arch, master, va, Level::Directory, false);
    let large = slot.filter(|slot| Entry(arch.load(slot)).large());
    let (word, page, mask) = match large {
        Some(slot) => (slot, A::GEOMETRY.large_page(), MASK_LARGE),
        None => match mmuwalk(arch, master, va, Level::Table, false) {
            Some(pte) if Entry(arch.load(pte)).valid() => (pte, BY2PG, MASK),
            _ => broken(arch, "patwc: not mapped", va, 0, 0),
        },
    };
    // The processor sets accessed and dirty bits in between; a lost one costs a walk and no more.
    arch.store(word, arch.load(word) & !mask | ATTR & mask);
    (page - (va & (page - 1)), large.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 9front `pc/mmu.c`: attribute 0x1098; masks `3<<3 | 1<<12` and `3<<3 | 1<<7`.
    #[test]
    fn masks_are_mmu_cs() {
        assert_eq!(ATTR, 0x1098);
        assert_eq!(MASK_LARGE, 0x1018);
        assert_eq!(MASK, 0x98);
        assert_eq!(ATTR & MASK_LARGE, 0x1018);
        assert_eq!(ATTR & MASK, 0x98);
    }
}
