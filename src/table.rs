//! Putting a page table into the loaded page directory.

use crate::arch::Arch;
use crate::entry::PTEVALID;
use crate::layout::{BY2WD, Frame};
use crate::tmpmap::{tmpmap, tmpunmap};
use crate::variant::{Fixes, Variant};

/// Makes `page`, which may hold anything, a page table without entries, and names it at `pdx` of the
/// loaded page directory, where nothing is.
///
/// Called with interrupts off.
pub(crate) fn install<A: Arch>(arch: &A, pdx: usize, page: Frame, flags: u32) {
    let g = &A::GEOMETRY;
    let shown = g.vpt_page(pdx);
    if A::Variant::FIXES.has(Fixes::C4) {
        // Before it can be walked: nobody flushes what a CPU caches of the page's old contents.
        let table = tmpmap(arch, page);
        for index in 0..g.entries() {
            arch.store(table.entry(arch, index), 0);
        }
        tmpunmap(arch, table);
    }
    arch.store(arch.at(g.vpd_entry(g.base(pdx))), page.pa() | flags | PTEVALID);
    if !A::Variant::FIXES.has(Fixes::C4) {
        // As mmu.c does, where the VPT shows it from here on.
        for index in 0..g.entries() {
            arch.store(arch.at(shown + index as u32 * BY2WD), 0);
        }
    }
}
