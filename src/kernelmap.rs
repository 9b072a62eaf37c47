//! Filling in and clearing kernel mappings of a page directory.
//!
//! Page tables are never taken away again, only their entries are; so a page directory entry that
//! names a page table may be copied and kept. Entries that map large pages have no such promise.

use crate::arch::{Arch, Feature};
use crate::entry::{Entry, PTEFLAGS, PTEHELD, PTESIZE, PTEVALID};
use crate::error::{VunmapError, broken};
use crate::event::Event;
use crate::function::Function;
use crate::kaddr::kentry;
use crate::layout::{BY2PG, Frame};
use crate::walk::{Level, mmuwalk};

/// Maps `size` bytes at `va` to `pa`, whose low bits are the flags of the entries. Uses large pages
/// where both addresses are aligned, enough is left, and the CPU can.
///
/// Callable at any level, with vmaplock held if `pdb` is the master. Does not sleep.
///
/// # Panics
/// If part of the range is mapped already, or there is no memory for a page table.
pub fn pdbmap<A: Arch>(arch: &A, pdb: Frame, pa: u32, va: u32, size: u32) {
    arch.trace(Event::Call(Function::Pdbmap));
    let g = &A::GEOMETRY;
    let flags = pa & PTEFLAGS;
    let pa = pa & !PTEFLAGS;
    let pse = arch.has(Feature::Pse);
    let mut off = 0;
    while off < size {
        let (va, pa) = (va.wrapping_add(off), pa.wrapping_add(off));
        let slot = kentry(arch, pdb, g.pdx(va));
        if Entry(arch.load(slot)).large() {
            broken(arch, "vmap: mapped already by a large page", va, pa, size);
        }
        let large = g.large_page();
        if pse && pa.is_multiple_of(large) && va.is_multiple_of(large) && size - off >= large {
            arch.store(slot, pa | flags | PTESIZE | PTEVALID);
            off += large;
        } else {
            let Some(pte) = mmuwalk(arch, pdb, va, Level::Table, true) else {
                broken(arch, "vmap: no page table", va, pa, size);
            };
            if Entry(arch.load(pte)).valid() {
                broken(arch, "vmap: mapped already", va, pa, size);
            }
            arch.store(pte, pa | flags | PTEVALID);
            off += BY2PG;
        }
    }
}

/// Whether the removal of a range took large entries away, of which copies may exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemovedLarge(pub bool);

/// Clears the entries of `size` bytes at `va`: each becomes `left`, which is 0 or
/// [`PTEHELD`]. A large page is cleared whole.
///
/// Callable at any level. The range must be mapped, and the caller's own.
///
/// # Panics
/// If part of the range is not mapped, or the range starts within a large page.
pub fn pdbunmap<A: Arch>(arch: &A, pdb: Frame, va: u32, size: u32, left: u32) -> RemovedLarge {
    arch.trace(Event::Call(Function::Pdbunmap));
    let g = &A::GEOMETRY;
    let end = va.wrapping_add(size);
    let mut removed = RemovedLarge(false);
    let mut va = va;
    while va < end {
        let slot = kentry(arch, pdb, g.pdx(va));
        let entry = Entry(arch.load(slot));
        if !entry.valid() {
            broken(arch, "vunmap: not mapped", va, 0, end - va);
        }
        if entry.large() {
            if !va.is_multiple_of(g.large_page()) {
                broken(arch, "vunmap: misaligned", va, entry.frame().pa(), end - va);
            }
            arch.store(slot, left);
            removed.0 = true;
            va += g.large_page();
            continue;
        }
        let pte = kentry(arch, entry.frame(), g.ptx(va));
        if !Entry(arch.load(pte)).valid() {
            broken(arch, "vunmap: not mapped", va, 0, end - va);
        }
        arch.store(pte, left);
        va += BY2PG;
    }
    removed
}

/// Checks, before anything is changed, that [`pdbunmap`] will take away nothing but the range
/// (fix A9).
pub(crate) fn pdbcheck<A: Arch>(
    arch: &A,
    pdb: Frame,
    va: u32,
    size: u32,
) -> Result<(), VunmapError> {
    let g = &A::GEOMETRY;
    let large = g.large_page();
    let end = va + size;
    let mut va = va;
    while va < end {
        if Entry(arch.load(kentry(arch, pdb, g.pdx(va)))).large()
            && (!va.is_multiple_of(large) || end - va < large)
        {
            return Err(VunmapError::PartOfLargePage { va, size: end - va });
        }
        va = (va / large + 1) * large;
    }
    Ok(())
}

/// Makes entries that [`pdbunmap`] left held free for vmap (fix A3). The caller cleared them itself
/// and has every CPU's word that nothing of them is cached.
pub(crate) fn pdbrelease<A: Arch>(arch: &A, pdb: Frame, va: u32, size: u32) {
    let g = &A::GEOMETRY;
    let end = va + size;
    let mut va = va;
    while va < end {
        let slot = kentry(arch, pdb, g.pdx(va));
        let entry = Entry(arch.load(slot));
        let (word, step) = if entry.table() {
            (kentry(arch, entry.frame(), g.ptx(va)), BY2PG)
        } else {
            (slot, g.large_page())
        };
        if arch.load(word) != PTEHELD {
            broken(arch, "vunmap: entry was reused before it was released", va, 0, end - va);
        }
        arch.store(word, 0);
        va += step;
    }
}
