//! The window: physical memory as the kernel sees it, from KZERO on.
//!
//! Its translations never change, so what is reached through it needs no flush, ever.

use crate::arch::Arch;
use crate::error::broken;
use crate::event::Event;
use crate::function::Function;
use crate::layout::{BY2WD, Frame};

/// The address of the byte at physical address `pa`. Callable at any level.
///
/// # Panics
/// If the window does not show it.
pub fn kaddr<A: Arch>(arch: &A, pa: u32) -> u32 {
    arch.trace(Event::Call(Function::Kaddr));
    if pa >= A::GEOMETRY.window {
        broken(arch, "kaddr: above the window", 0, pa, 0);
    }
    A::GEOMETRY.kzero_base() + pa
}

/// The physical address of the byte at `va`, which is in the window. Callable at any level.
///
/// # Panics
/// If it is not in the window.
pub fn paddr<A: Arch>(arch: &A, va: u32) -> u32 {
    arch.trace(Event::Call(Function::Paddr));
    match va.checked_sub(A::GEOMETRY.kzero_base()) {
        Some(pa) if pa < A::GEOMETRY.window => pa,
        _ => broken(arch, "paddr: not in the window", va, 0, 0),
    }
}

/// How many bytes from physical address `pa` on the window shows; 0 if [`kaddr`] would panic.
/// Callable at any level.
pub fn cankaddr<A: Arch>(arch: &A, pa: u32) -> u32 {
    arch.trace(Event::Call(Function::Cankaddr));
    A::GEOMETRY.window.saturating_sub(pa)
}

/// The entry at `index` of a table in kernel memory.
pub(crate) fn kentry<A: Arch>(arch: &A, table: Frame, index: usize) -> &A::Word {
    arch.at(kaddr(arch, table.pa()) + index as u32 * BY2WD)
}
