//! KMAP: a process maps single pages for itself, in the kernel, for a short while.
//!
//! It is rare that a process has more than a few kmaps. They are local to the process: all use the
//! same addresses without any agreement, and no other CPU need ever flush for them. The process may
//! move: a CPU that it enters has loaded CR3 and holds nothing of KMAP.

use crate::arch::{Arch, Owned};
use crate::entry::{Entry, PTEVALID, PTEWRITE};
use crate::error::{KmapError, broken, running};
use crate::event::Event;
use crate::function::Function;
use crate::layout::{BY2PG, BY2WD, Frame};
use crate::pool::upallocpdb;
use crate::state::Proc;
use crate::table::install;
use crate::user::flushpg;

/// Maps `page`, writable, for the current process; returns its address.
///
/// Callable at any level, from a process, but not by an interrupt handler: it may come between
/// [`kunmap`]'s clearing of a slot and its flush, take that slot, and see the old page there. The
/// first turns interrupts on and may sleep, and wake on another CPU.
///
/// # Errors
/// [`KmapError::Full`] if there is no slot, where mmu.c panics.
///
/// # Panics
/// If this CPU runs no process, or if the process's count or page table of KMAP is broken.
pub fn kmap<A: Arch>(arch: &A, page: Frame) -> Result<u32, KmapError> {
    arch.trace(Event::Call(Function::Kmap));
    let g = &A::GEOMETRY;
    let up = running(arch, "kmap");
    upallocpdb(arch);
    if up.nkmap.get() < 0 {
        broken(arch, "kmap: negative nkmap", 0, page.pa(), up.nkmap.get() as u32);
    }
    let level = arch.splhi();
    up.nkmap.set(up.nkmap.get() + 1);
    let slot = if !Entry(arch.load(arch.at(g.vpd_entry(g.kmap_base())))).valid() {
        add_kmaptable(arch, up, page);
        Some(0)
    } else if up.kmaptable.get().is_none() {
        broken(arch, "kmap: no kmaptable", g.kmap_base(), page.pa(), 0);
    } else {
        free_slot(arch, up.lastkmap.get() + 1)
    };
    let Some(slot) = slot else {
        up.nkmap.set(up.nkmap.get() - 1);
        arch.splx(level);
        return Err(KmapError::Full { slots: g.nkpt() });
    };
    // The slot was not valid, and no TLB caches that: no flush.
    arch.store(kpt(arch, slot), page.pa() | PTEWRITE | PTEVALID);
    up.lastkmap.set(slot);
    arch.splx(level);
    Ok(g.kmap_base() + slot as u32 * BY2PG)
}

/// Gives the current process, `up`, a cleared page table for KMAP. Called with interrupts off; turns
/// them on and may sleep.
fn add_kmaptable<A: Arch>(arch: &A, up: &Proc<A>, page: Frame) {
    let g = &A::GEOMETRY;
    if up.kmaptable.get().is_some() {
        broken(arch, "kmap: kmaptable is not in the pdb", g.kmap_base(), page.pa(), 0);
    }
    arch.spllo();
    let table = arch.newpage();
    arch.splhi();
    up.kmaptable.set(Some(table));
    install(arch, g.kmap, table, PTEWRITE);
    flushpg(arch, g.vpt_page(g.kmap));
}

/// The slot of KMAP that is free and comes first, counted round from `first`.
fn free_slot<A: Arch>(arch: &A, first: usize) -> Option<usize> {
    let slots = A::GEOMETRY.nkpt();
    (0..slots).map(|i| (first + i) % slots).find(|&slot| arch.load(kpt(arch, slot)) == 0)
}

/// Entry of the page table of KMAP, through the VPT.
fn kpt<A: Arch>(arch: &A, index: usize) -> &A::Word {
    let g = &A::GEOMETRY;
    arch.at(g.vpt_page(g.kmap) + index as u32 * BY2WD)
}

/// Undoes [`kmap`], whose return value is `va`. The slot may show another page at once.
///
/// Callable at any level, from the process that mapped it.
///
/// # Panics
/// If nothing is mapped there by kmap.
pub fn kunmap<A: Arch>(arch: &A, va: u32) {
    arch.trace(Event::Call(Function::Kunmap));
    let g = &A::GEOMETRY;
    let up = running(arch, "kunmap");
    if up.mmupdb.get().is_none() || !Entry(arch.load(arch.at(g.vpd_entry(g.kmap_base())))).valid() {
        broken(arch, "kunmap: no kmaps", va, 0, 0);
    }
    if !g.in_kmap(va) {
        broken(arch, "kunmap: bad address", va, 0, 0);
    }
    let pte = arch.at(g.vpt_entry(va));
    if !Entry(arch.load(pte)).valid() {
        broken(arch, "kunmap: not mapped", va, 0, 0);
    }
    up.nkmap.set(up.nkmap.get() - 1);
    if up.nkmap.get() < 0 {
        broken(arch, "kunmap: negative nkmap", va, 0, up.nkmap.get() as u32);
    }
    arch.store(pte, 0);
    // If the process moves before this, the CPU that it left has loaded CR3, and so has the next.
    flushpg(arch, va);
}
