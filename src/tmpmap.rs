//! Reaching a page that is not loaded, for a moment: to edit page directories.
//!
//! What the window shows is reached there. For a page above it, each CPU has one page of addresses,
//! TMPADDR, whose page table is its own: what one CPU maps there no other sees, and a process that
//! moved would not find it again, so interrupts stay off until tmpunmap.

use crate::arch::Arch;
use crate::entry::{Entry, PTEVALID, PTEWRITE};
use crate::error::{broken, expect_splhi};
use crate::event::Event;
use crate::function::Function;
use crate::kaddr::kaddr;
use crate::layout::{BY2WD, Frame};
use crate::user::flushpg;

/// A page that can be reached until [`tmpunmap`].
#[derive(Debug)]
#[must_use = "a page that stays at TMPADDR stops the next tmpmap; pass this to tmpunmap"]
pub struct Tmp(u32);

impl Tmp {
    /// The word at `index` of the page.
    pub fn entry<'a, A: Arch>(&self, arch: &'a A, index: usize) -> &'a A::Word {
        arch.at(self.0 + index as u32 * BY2WD)
    }
}

/// Makes the words of a page reachable.
///
/// Called with interrupts off, which stay off until [`tmpunmap`]. One page above the window at a
/// time.
///
/// # Panics
/// If interrupts are on, if another page is mapped already, or if TMPADDR has no entry.
pub fn tmpmap<A: Arch>(arch: &A, page: Frame) -> Tmp {
    arch.trace(Event::Call(Function::Tmpmap));
    expect_splhi(arch, "tmpmap");
    let g = &A::GEOMETRY;
    if page.pa() < g.window {
        return Tmp(kaddr(arch, page.pa()));
    }
    // The page table of TMPADDR is private to the CPU and in every directory that it loads.
    let word = arch.at(g.vpt_entry(g.tmpaddr()));
    let entry = Entry(arch.load(word));
    if !entry.valid() {
        broken(arch, "tmpmap: no entry", g.tmpaddr(), page.pa(), 0);
    }
    if entry.frame().pa() != g.tmp {
        broken(arch, "tmpmap: already mapped", g.tmpaddr(), entry.frame().pa(), 0);
    }
    arch.store(word, page.pa() | PTEWRITE | PTEVALID);
    flushpg(arch, g.tmpaddr());
    Tmp(g.tmpaddr())
}

/// Undoes [`tmpmap`], on the same CPU.
///
/// # Panics
/// If interrupts are on, or if nothing is mapped.
pub fn tmpunmap<A: Arch>(arch: &A, tmp: Tmp) {
    arch.trace(Event::Call(Function::Tmpunmap));
    expect_splhi(arch, "tmpunmap");
    let g = &A::GEOMETRY;
    if tmp.0 != g.tmpaddr() {
        return;
    }
    let word = arch.at(g.vpt_entry(g.tmpaddr()));
    let entry = Entry(arch.load(word));
    if !entry.valid() || entry.frame().pa() == g.tmp {
        broken(arch, "tmpunmap: not mapped", g.tmpaddr(), entry.frame().pa(), 0);
    }
    arch.store(word, g.tmp | PTEWRITE | PTEVALID);
    flushpg(arch, g.tmpaddr());
}
