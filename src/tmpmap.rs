//! Reaching page directories that are not loaded.

use crate::arch::Arch;
use crate::error::expect_splhi;
use crate::layout::Frame;

/// Makes the entries of `pdb` reachable through [`Arch::entry`] and returns it.
///
/// This is the fast path of mmu.c's tmpmap: page directories lie in the KADDR window, so there is
/// nothing to map, and tmpunmap has nothing to undo. [`Arch::entry`] panics for frames above the
/// window.
///
/// Called with interrupts off.
///
/// # Panics
/// If interrupts are on.
#[doc(alias = "tmpunmap")]
pub(crate) fn tmpmap<A: Arch>(arch: &A, pdb: Frame) -> Frame {
    expect_splhi(arch, "tmpmap");
    pdb
}
