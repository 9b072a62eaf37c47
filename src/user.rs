//! User mappings of the current process: one page at a time in, all out at the end.

use crate::arch::{Arch, Owned};
use crate::entry::{Entry, PTEUSER, PTEVALID, PTEWRITE};
use crate::error::{broken, expect_splhi};
use crate::layout::{BY2WD, Frame};
use crate::pool::{mmupdbfree, upallocpdb};
use crate::state::Proc;
use crate::switch::{mmuleave, mmuptefree};

/// Drops this CPU's translations of the page of `va`.
///
/// Callable at any level; with interrupts on it speaks for whatever CPU it happens to run on.
pub fn flushpg<A: Arch>(arch: &A, va: u32) {
    arch.invlpg(va);
}

/// Maps the user page of `va` to `pa`, whose low bits are flags such as
/// [`PTEWRITE`], in the current process.
///
/// Callable at any level, from a process. Turns interrupts on and may sleep while it needs a page
/// table, and wake on another CPU.
///
/// # Panics
/// If this CPU runs no process, or runs it on another page directory than its own.
pub fn putmmu<A: Arch>(arch: &A, va: u32, pa: u32) {
    let g = &A::GEOMETRY;
    upallocpdb(arch);
    let up = arch.up().expect("putmmu: no process");
    let level = arch.splhi();
    if !Entry(arch.load(arch.vpt(g.vpd_entry(va)))).valid() {
        let page = match up.mmufree.get() {
            Some(page) => {
                up.mmufree.set(arch.page(page).next.get());
                page
            }
            None => {
                arch.spllo();
                let page = arch.newpage();
                arch.splhi();
                page
            }
        };
        arch.store(arch.vpt(g.vpd_entry(va)), page.pa() | PTEUSER | PTEWRITE | PTEVALID);
        // The page table shows in the VPT from here on: clear it there.
        for index in 0..g.entries() {
            arch.store(arch.vpt(g.vpt_page(g.pdx(va)) + index as u32 * BY2WD), 0);
        }
        let record = arch.page(page);
        record.daddr.set(g.pdx(va));
        record.next.set(up.mmuused.get());
        up.mmuused.set(Some(page));
    }
    let pte = arch.vpt(g.vpt_entry(va));
    let old = Entry(arch.load(pte));
    arch.store(pte, pa | PTEUSER | PTEVALID);
    if old.valid() {
        flushpg(arch, va);
    }
    if Some(arch.getcr3()) != up.mmupdb.get() {
        broken(arch, "putmmu: CR3 is not the process's", va, pa, arch.getcr3().pa());
    }
    arch.splx(level);
}

/// Gives back all that the MMU code holds for `proc`, which is dead: its page directory goes to this
/// CPU's pool, its page tables to the page allocator. This CPU runs on its own page directory and
/// on `stack` afterwards.
///
/// Called by the scheduler of the CPU on which `proc` died, with interrupts off.
///
/// # Panics
/// If interrupts are on, or a page table is referenced from elsewhere.
pub fn mmurelease<A: Arch>(arch: &A, proc: &Proc<A>, stack: u32) {
    expect_splhi(arch, "mmurelease");
    mmuleave(arch, stack);
    if let Some(pdb) = proc.mmupdb.get() {
        mmuptefree(arch, proc);
        mmupdbfree(arch, proc, pdb);
        proc.mmupdb.set(None);
    }
    let mut free = proc.mmufree.get();
    while let Some(page) = free {
        free = arch.page(page).next.get();
        release(arch, page);
    }
    proc.mmufree.set(None);
}

/// Drops the only reference to a page and gives it back.
fn release<A: Arch>(arch: &A, page: Frame) {
    let record = arch.page(page);
    let refs = record.refs.get();
    if refs != 1 {
        broken(arch, "mmurelease: page is referenced elsewhere", 0, page.pa(), refs);
    }
    record.refs.set(0);
    arch.freepage(page);
}
