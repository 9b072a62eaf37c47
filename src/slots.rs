//! Stale large entries in copied page directories (fixes A1 and A10).
//!
//! vmapsync copies master entries into page directories in use. A copy that names a page table can
//! never go stale, because page tables are never taken away; a copy that maps a large page is stale
//! as soon as vunmap has cleared the master's, or patwc changed it. Nobody could walk all page
//! directories to clear the copies: most belong to processes that run elsewhere, or lie in another
//! CPU's pool. So each page directory carries the generation up to which it was swept, and its owner
//! compares it with the system's whenever the directory is about to be walked again: before it is
//! loaded, and when this CPU serves a shootdown with the directory loaded.

use crate::arch::{Arch, Owned};
use crate::entry::Entry;
use crate::event::Event;
use crate::kaddr::kentry;
use crate::layout::Frame;
use crate::tmpmap::Tmp;
use crate::variant::{Fixes, Variant};

/// The master lost large entries, or they are not what they were: no page directory is swept up to
/// now.
///
/// The LOCKed add makes the change visible first, and comes before the request that makes the other
/// CPUs look.
pub(crate) fn changed_large<A: Arch>(arch: &A) {
    if A::Variant::FIXES.has(Fixes::A1) {
        arch.fetch_add(&arch.system().slotgen, 1);
    }
}

/// Sweeps this CPU's own page directory, loaded or not.
///
/// Called with interrupts off, before it is loaded.
pub(crate) fn sweep_own<A: Arch>(arch: &A) {
    let m = arch.m();
    if m.pdb != arch.master() {
        sweep(arch, &m.slotgen, |index| kentry(arch, m.pdb, index));
    }
}

/// Sweeps the page directory that this CPU has loaded.
///
/// Called with interrupts off, before CR3 is loaded again.
pub(crate) fn sweep_loaded<A: Arch>(arch: &A) {
    let pdb = arch.getcr3();
    let m = arch.m();
    if pdb == m.pdb {
        return sweep_own(arch);
    }
    let g = &A::GEOMETRY;
    sweep(arch, &arch.page(pdb).slotgen, |index| arch.at(g.vpd_entry(g.base(index))));
}

/// Sweeps a process's page directory, which is not loaded here.
///
/// Called by its owner with interrupts off, before it is loaded.
pub(crate) fn sweep_mapped<A: Arch>(arch: &A, page: Frame, tmp: &Tmp) {
    sweep(arch, &arch.page(page).slotgen, |index| tmp.entry(arch, index));
}

/// Clears the large VMAP entries of a page directory unless it was swept since the last change.
/// Entries that the master still has come back by faults.
fn sweep<'a, A: Arch>(arch: &'a A, swept: &A::Owned<u32>, slot: impl Fn(usize) -> &'a A::Word) {
    if !A::Variant::FIXES.has(Fixes::A1) {
        return;
    }
    // Read before the entries are looked at: a change after this load leaves the generation behind
    // and makes the next sweep look again.
    let now = arch.load(&arch.system().slotgen);
    if swept.get() == now {
        return;
    }
    for index in A::GEOMETRY.vmap..A::GEOMETRY.vmap + A::GEOMETRY.vmap_slots {
        let slot = slot(index);
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
