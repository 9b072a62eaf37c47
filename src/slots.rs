//! Stale large entries in copied page directories (fix A1).
//!
//! vmapsync copies master entries into page directories in use. A copy that names a page table can
//! never go stale, because page tables are never taken away; a copy that maps a large page is stale
//! as soon as vunmap has cleared the master's. Nobody could walk all page directories to clear the
//! copies: most belong to processes that run elsewhere, or lie in another CPU's pool. So each page
//! directory carries the generation up to which it was swept, and its owner compares it with the
//! system's whenever the directory is about to be walked again: before it is loaded, and when this
//! CPU serves a shootdown with the directory loaded.

use crate::arch::{Arch, Owned};
use crate::entry::Entry;
use crate::event::Event;
use crate::layout::Frame;
use crate::variant::{Fixes, Variant};

/// vunmap has cleared large entries of the master: no page directory is swept up to now.
///
/// The LOCKed add makes the clearing visible first, and comes before the request that makes the
/// other CPUs look.
pub(crate) fn removed_large<A: Arch>(arch: &A) {
    if A::Variant::FIXES.has(Fixes::A1) {
        arch.fetch_add(&arch.system().slotgen, 1);
    }
}

/// Clears the large VMAP entries of a page directory unless it was swept since the last removal.
///
/// Called by the owner of `pdb` with interrupts off, before `pdb` is loaded or flushed. Entries that
/// the master still has come back by faults.
pub(crate) fn sweep<A: Arch>(arch: &A, pdb: Frame) {
    if !A::Variant::FIXES.has(Fixes::A1) || pdb == arch.master() {
        return;
    }
    let m = arch.m();
    let swept = if pdb == m.pdb { &m.slotgen } else { &arch.page(pdb).slotgen };
    // Read before the entries are looked at: a removal after this load leaves the generation behind
    // and makes the next sweep look again.
    let now = arch.load(&arch.system().slotgen);
    if swept.get() == now {
        return;
    }
    for index in A::GEOMETRY.vmap..A::GEOMETRY.vmap + A::GEOMETRY.vmap_slots {
        let slot = arch.entry(pdb, index);
        if Entry(arch.load(slot)).large() {
            arch.store(slot, 0);
        }
    }
    swept.set(now);
    arch.trace(Event::Swept);
}

/// The generation that a copy of this CPU's page directory, made now, is swept up to.
///
/// Called with interrupts off, before the copying starts.
pub(crate) fn generation_of_copy<A: Arch>(arch: &A) -> u32 {
    let m = arch.m();
    if m.pdb == arch.master() {
        // The master is never stale, but it may lose entries while it is copied.
        arch.load(&arch.system().slotgen)
    } else {
        m.slotgen.get()
    }
}
