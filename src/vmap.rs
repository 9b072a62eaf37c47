//! Device mappings: the same for all processes and CPUs, in VMAP.
//!
//! The master, the page directory of CPU 0, holds the truth; every other page directory is brought
//! up to date by faults. Adding a mapping needs no other CPU: a TLB never caches that an entry was
//! not there. Removing one needs them all.

use crate::arch::Arch;
use crate::entry::{PTEHELD, PTEUNCACHED, PTEWRITE};
use crate::error::{VmapError, VunmapError, broken};
use crate::event::Event;
use crate::function::Function;
use crate::hole::vmapalloc;
use crate::kernelmap::{RemovedLarge, pdbcheck, pdbmap, pdbrelease, pdbunmap};
use crate::layout::BY2PG;
use crate::shootdown::Handshake;
use crate::slots;
use crate::variant::{Fixes, Variant};

/// Maps `size` bytes of device memory at physical address `pa`, uncached and writable, and returns
/// the virtual address of the first byte. Neither needs to be aligned.
///
/// Callable at any level, with or without a process. Does not sleep.
///
/// # Errors
/// [`VmapError::ZeroPhysical`] and [`VmapError::NoSpace`], where mmu.c returns nil.
/// [`VmapError::BadSize`] for sizes that mmu.c computes wrongly with (fix A9).
///
/// # Panics
/// If the addresses that it chose are mapped already, or there is no memory for a page table.
pub fn vmap<A: Arch>(arch: &A, pa: u32, size: u32) -> Result<u32, VmapError> {
    arch.trace(Event::Call(Function::Vmap));
    let offset = pa % BY2PG;
    let base = pa - offset;
    if base == 0 {
        return Err(VmapError::ZeroPhysical);
    }
    let bytes = if A::Variant::FIXES.has(Fixes::A9) {
        match size.checked_add(offset).and_then(|n| n.checked_next_multiple_of(BY2PG)) {
            Some(n)
                if size != 0
                    && n <= A::GEOMETRY.vmap_size()
                    && base.checked_add(n - 1).is_some() =>
            {
                n
            }
            _ => return Err(VmapError::BadSize { pa, size }),
        }
    } else {
        round_as_c(size, offset)
    };
    let locked = arch.system().vmaplock.ilock(arch);
    let va = vmapalloc(arch, bytes).ok_or(VmapError::NoSpace { size: bytes })?;
    pdbmap(arch, arch.master(), base | PTEUNCACHED | PTEWRITE, va, bytes);
    drop(locked);
    arch.trace(Event::Mapped { va, pa: base, size: bytes });
    Ok(va + offset)
}

/// Removes the mapping of `size` bytes at `va`, which [`vmap`] returned for that size. When it
/// returns, no CPU can reach the old memory through these addresses, and vmap may hand them out
/// again.
///
/// Callable at any level and with locks held that other CPUs spin on, if they do so through
/// [`ilock`](crate::lock::Lock::ilock); with or without a process. Does not sleep; waits for every
/// other CPU that is online. In [`Seed`](crate::variant::Seed) little of this is true.
///
/// # Errors
/// Ranges that are not what vmap gave (fix A9); nothing is changed then.
///
/// # Panics
/// If part of the range is not mapped.
pub fn vunmap<A: Arch>(arch: &A, va: u32, size: u32) -> Result<(), VunmapError> {
    arch.trace(Event::Call(Function::Vunmap));
    let (va, size) = if A::Variant::FIXES.has(Fixes::A9) {
        unmap_range::<A>(va, size)?
    } else {
        unmap_range_as_c(arch, va, size)
    };
    arch.trace(Event::Unmapping { va, size });
    let removed = clear(arch, va, size)?;
    if removed.0 {
        slots::changed_large(arch);
    }
    arch.trace(Event::Requesting);
    <A::Variant as Variant>::Handshake::flush_everywhere(arch);
    if A::Variant::FIXES.has(Fixes::A3) {
        // No lock: the entries are held, so they are this caller's alone until they are 0.
        pdbrelease(arch, arch.master(), va, size);
    }
    arch.trace(Event::Unmapped { va, size });
    Ok(())
}

/// Clears the master's entries. With fix A3 they stay held, and vmaplock makes check and clearing
/// one step against another vunmap of the same range; the seed takes no lock and frees at once.
fn clear<A: Arch>(arch: &A, va: u32, size: u32) -> Result<RemovedLarge, VunmapError> {
    let master = arch.master();
    if !A::Variant::FIXES.has(Fixes::A3) {
        if A::Variant::FIXES.has(Fixes::A9) {
            pdbcheck(arch, master, va, size)?;
        }
        return Ok(pdbunmap(arch, master, va, size, 0));
    }
    let _locked = arch.system().vmaplock.ilock(arch);
    if A::Variant::FIXES.has(Fixes::A9) {
        pdbcheck(arch, master, va, size)?;
    }
    Ok(pdbunmap(arch, master, va, size, PTEHELD))
}

/// The whole pages that `size` bytes at `va` touch, if they lie in VMAP.
fn unmap_range<A: Arch>(va: u32, size: u32) -> Result<(u32, u32), VunmapError> {
    let offset = va % BY2PG;
    let base = va - offset;
    let Some(bytes) = size.checked_add(offset).and_then(|n| n.checked_next_multiple_of(BY2PG))
    else {
        return Err(VunmapError::BadSize { va, size });
    };
    if size == 0 {
        return Err(VunmapError::BadSize { va, size });
    }
    let g = &A::GEOMETRY;
    if base < g.vmap_base() || base.checked_add(bytes).is_none_or(|end| end > g.vmap_end()) {
        return Err(VunmapError::OutsideVmap { va, size });
    }
    Ok((base, bytes))
}

/// As the seed has it: sums may wrap, and the comparison that should notice sees the wrapped one.
fn unmap_range_as_c<A: Arch>(arch: &A, va: u32, size: u32) -> (u32, u32) {
    let g = &A::GEOMETRY;
    let offset = va % BY2PG;
    let base = va - offset;
    let bytes = round_as_c(size, offset);
    if (bytes as i32) < 0 || base < g.vmap_base() || base.wrapping_add(bytes) > g.vmap_end() {
        broken(arch, "vunmap: range not in VMAP", base, 0, bytes);
    }
    (base, bytes)
}

/// `size += o; size = ROUND(size, BY2PG)` in C's int.
fn round_as_c(size: u32, offset: u32) -> u32 {
    size.wrapping_add(offset).wrapping_add(BY2PG - 1) & !(BY2PG - 1)
}
