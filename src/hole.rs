//! Finding free addresses in VMAP.

use crate::arch::Arch;
use crate::entry::Entry;
use crate::event::Event;
use crate::function::Function;
use crate::kaddr::kentry;
use crate::layout::{BY2PG, Frame};

/// The index of the first of `count` free entries in a row among the `n` entries of `table` from
/// `first` on, counted from `first`. An entry is free if it is 0; a held one is not.
///
/// Callable at any level, with whatever guards the table held.
pub fn findhole<A: Arch>(
    arch: &A,
    table: Frame,
    first: usize,
    n: usize,
    count: usize,
) -> Option<usize> {
    arch.trace(Event::Call(Function::Findhole));
    let mut have = 0;
    for i in 0..n {
        have = if arch.load(kentry(arch, table, first + i)) == 0 { have + 1 } else { 0 };
        if have >= count {
            return Some(i + 1 - have);
        }
    }
    None
}

/// Free addresses in VMAP for `size` bytes, which are whole pages. Large pages' worth and more gets
/// page directory entries of its own; less shares a page table, or starts one.
///
/// Called with vmaplock held: what it returns stays free only until the lock is released.
pub fn vmapalloc<A: Arch>(arch: &A, size: u32) -> Option<u32> {
    arch.trace(Event::Call(Function::Vmapalloc));
    let g = &A::GEOMETRY;
    let large = g.large_page();
    let master = arch.master();
    let slots = |count| findhole(arch, master, g.vmap, g.vmap_slots, count);
    if size >= large {
        // Wraps as the C does; fix A9 keeps such sizes away from here.
        let n = size.wrapping_add(large - 1) / large;
        return slots(n as usize).map(|o| g.base(g.vmap + o));
    }
    let n = size.div_ceil(BY2PG) as usize;
    for i in 0..g.vmap_slots {
        let entry = Entry(arch.load(kentry(arch, master, g.vmap + i)));
        if entry.table()
            && let Some(o) = findhole(arch, entry.frame(), 0, g.entries(), n)
        {
            return Some(g.base(g.vmap + i) + o as u32 * BY2PG);
        }
    }
    // A hole could span two page tables; as in mmu.c, that is not looked for.
    slots(1).map(|o| g.base(g.vmap + o))
}
