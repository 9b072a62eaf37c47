//! Page directories: making them, and keeping a few ready on each CPU.

use crate::arch::{Arch, Owned};
use crate::entry::{Entry, PTEVALID, PTEWRITE};
use crate::error::{expect_splhi, running};
use crate::event::Event;
use crate::function::Function;
use crate::kaddr::kentry;
use crate::layout::Frame;
use crate::slots;
use crate::state::Proc;
use crate::tmpmap::{tmpmap, tmpunmap};

/// Most page directories that a CPU of mmu.c keeps in its pool.
pub const PDBPOOL_MAX: u32 = 10;

/// A page directory that maps the kernel and nothing else: from this CPU's pool, or a new copy of
/// this CPU's own.
///
/// Callable at any level, from a process. Turns interrupts on and may sleep if the pool is empty,
/// and wake on another CPU: `m` is taken again then. A pool is touched only by its CPU with
/// interrupts off, which is why it needs no lock.
pub fn mmupdballoc<A: Arch>(arch: &A) -> Frame {
    arch.trace(Event::Call(Function::Mmupdballoc));
    let level = arch.splhi();
    let m = arch.m();
    m.pdballoc.set(m.pdballoc.get().wrapping_add(1));
    let page = match m.pdbpool.get() {
        Some(page) => {
            m.pdbpool.set(arch.page(page).next.get());
            m.pdbcnt.set(m.pdbcnt.get() - 1);
            page
        }
        None => {
            arch.spllo();
            let page = arch.newpage();
            arch.splhi();
            copy_mach_pdb(arch, page);
            page
        }
    };
    arch.splx(level);
    page
}

/// Makes `page` a copy of this CPU's page directory, with a VPT of its own.
fn copy_mach_pdb<A: Arch>(arch: &A, page: Frame) {
    let g = &A::GEOMETRY;
    let pdb = tmpmap(arch, page);
    arch.page(page).slotgen.set(slots::generation_of_copy(arch));
    let prototype = arch.m().pdb;
    for index in 0..g.entries() {
        let entry = Entry(arch.load(kentry(arch, prototype, index)));
        // A held entry means something in the master alone.
        let copied = if entry.valid() { entry.0 } else { 0 };
        arch.store(pdb.entry(arch, index), copied);
    }
    arch.store(pdb.entry(arch, g.vpt), page.pa() | PTEWRITE | PTEVALID);
    tmpunmap(arch, pdb);
}

/// Takes a page directory back: into this CPU's pool, or, if that is full, among the free page
/// tables of `proc`. It holds no user entries any more, and no CPU has it loaded.
///
/// Called with interrupts off.
///
/// # Panics
/// If interrupts are on.
pub fn mmupdbfree<A: Arch>(arch: &A, proc: &Proc<A>, page: Frame) {
    arch.trace(Event::Call(Function::Mmupdbfree));
    expect_splhi(arch, "mmupdbfree");
    let m = arch.m();
    m.pdbfree.set(m.pdbfree.get().wrapping_add(1));
    if m.pdbcnt.get() >= A::PDBPOOL_MAX {
        arch.page(page).next.set(proc.mmufree.get());
        proc.mmufree.set(Some(page));
    } else {
        arch.page(page).next.set(m.pdbpool.get());
        m.pdbpool.set(Some(page));
        m.pdbcnt.set(m.pdbcnt.get() + 1);
    }
}

/// Gives the current process a page directory, if it has none, and loads it.
///
/// Callable at any level, from a process. May sleep and wake on another CPU.
///
/// # Panics
/// If this CPU runs no process.
pub fn upallocpdb<A: Arch>(arch: &A) {
    arch.trace(Event::Call(Function::Upallocpdb));
    let up = running(arch, "upallocpdb");
    if up.mmupdb.get().is_some() {
        return;
    }
    let page = mmupdballoc(arch);
    let level = arch.splhi();
    if up.mmupdb.get().is_some() {
        // An interrupt allocated one while mmupdballoc slept.
        mmupdbfree(arch, up, page);
        arch.splx(level);
        return;
    }
    adopt(arch, page);
    up.mmupdb.set(Some(page));
    arch.putcr3(page);
    arch.splx(level);
}

/// Readies a page directory to be loaded on this CPU: MACHADDR in it shows this CPU's `Mach`, and
/// no large entry of it is stale.
///
/// Called with interrupts off, which stay off until the directory is loaded.
pub(crate) fn adopt<A: Arch>(arch: &A, page: Frame) {
    let kzero = A::GEOMETRY.kzero;
    let pdb = tmpmap(arch, page);
    let private = arch.load(kentry(arch, arch.m().pdb, kzero));
    arch.store(pdb.entry(arch, kzero), private);
    slots::sweep_mapped(arch, page, &pdb);
    tmpunmap(arch, pdb);
}
