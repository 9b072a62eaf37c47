//! Bringing a page directory up to date with the master after a fault.

use crate::arch::Arch;
use crate::entry::Entry;
use crate::event::Event;
use crate::function::Function;
use crate::kaddr::kentry;
use crate::variant::{Fixes, Variant};

/// Handles a kernel fault at `va`: if the master maps it, makes the loaded page directory do so,
/// too. Returns whether the access is worth another try.
///
/// Called from the fault handler with interrupts off. Takes no lock. No flush is needed after it, as a TLB
/// caches no entry that is not valid. The copy may be stale the moment it is stored: a vunmap that
/// comes between the load and the store asks this CPU to flush, and this CPU answers only after it
/// has stored, sweeping what it stored (fix A1). On a CPU that runs on the master itself there is
/// nothing to copy, and storing would bring a removed entry back (fix A6).
pub fn vmapsync<A: Arch>(arch: &A, va: u32) -> bool {
    arch.trace(Event::Call(Function::Vmapsync));
    let g = &A::GEOMETRY;
    if !g.in_vmap(va) {
        return false;
    }
    let master = arch.master();
    let entry = Entry(arch.load(kentry(arch, master, g.pdx(va))));
    if !entry.valid() {
        return false;
    }
    if entry.table() {
        // Make sure that the entry will help.
        let pte = kentry(arch, entry.frame(), g.ptx(va));
        if !Entry(arch.load(pte)).valid() {
            return false;
        }
    }
    if A::Variant::FIXES.has(Fixes::A6) && arch.getcr3() == master {
        return true;
    }
    arch.store(arch.at(g.vpd_entry(va)), entry.0);
    arch.trace(Event::Synced { va });
    true
}
