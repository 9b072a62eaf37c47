//! Reaching an entry of a page directory that maps kernel memory.

use crate::arch::Arch;
use crate::entry::{Entry, PTEVALID, PTEWRITE};
use crate::error::broken;
use crate::event::Event;
use crate::function::Function;
use crate::kaddr::{kentry, paddr};
use crate::layout::Frame;

/// Which level of the tree [`mmuwalk`] is to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The page directory entry (level 1 in mmu.c).
    Directory,
    /// The page table entry (level 2 in mmu.c).
    Table,
}

/// The entry for `va` in the tree under `pdb`, or `None` if there is no page table and none is to
/// be made. A page table that has to be made comes from kernel memory and is never freed.
///
/// Callable at any level. Does not sleep. Whoever passes `create` holds vmaplock, or is alone.
///
/// # Panics
/// If the page table entry of a large page is asked for, or there is no memory for a page table.
pub fn mmuwalk<A: Arch>(
    arch: &A,
    pdb: Frame,
    va: u32,
    level: Level,
    create: bool,
) -> Option<&A::Word> {
    arch.trace(Event::Call(Function::Mmuwalk));
    let slot = kentry(arch, pdb, A::GEOMETRY.pdx(va));
    let mut entry = Entry(arch.load(slot));
    if !entry.valid() && !create {
        return None;
    }
    if level == Level::Directory {
        return Some(slot);
    }
    if entry.large() {
        broken(arch, "mmuwalk: page table entry of a large page", va, entry.frame().pa(), 0);
    }
    if !entry.valid() {
        let Some(table) = arch.xspanalloc() else {
            broken(arch, "mmuwalk: no memory for a page table", va, 0, 0);
        };
        entry = Entry(paddr(arch, table) | PTEWRITE | PTEVALID);
        // The table was cleared before this store, and stores stay in order: no walker can see the
        // old contents.
        arch.store(slot, entry.0);
    }
    Some(kentry(arch, entry.frame(), A::GEOMETRY.ptx(va)))
}
