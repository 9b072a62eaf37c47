//! Switching a CPU from one page directory to another, and dropping a process's user mappings.

use crate::arch::{Arch, Owned};
use crate::layout::Frame;
use crate::pool::adopt;
use crate::slots;
use crate::state::Proc;
use crate::tmpmap::tmpmap;

/// Enters the kernel on `stack` from now on, and loads `pdb`.
///
/// Called with interrupts off.
pub fn taskswitch<A: Arch>(arch: &A, pdb: Frame, stack: u32) {
    arch.set_kernel_stack(stack);
    arch.putcr3(pdb);
}

/// Loads the page directory of `proc`, or this CPU's own if it has none. Drops the process's user
/// page tables first if somebody asked for that (`newtlb`).
///
/// Called with interrupts off, by the scheduler as it enters `proc` and by [`flushmmu`].
pub fn mmuswitch<A: Arch>(arch: &A, proc: &Proc<A>) {
    if arch.load(&proc.newtlb) != 0 {
        mmuptefree(arch, proc);
        arch.store(&proc.newtlb, 0);
    }
    match proc.mmupdb.get() {
        Some(pdb) => {
            adopt(arch, pdb);
            taskswitch(arch, pdb, proc.kstack);
        }
        None => {
            let pdb = arch.m().pdb;
            slots::sweep(arch, pdb);
            taskswitch(arch, pdb, proc.kstack);
        }
    }
}

/// Loads this CPU's own page directory, as the scheduler does when it leaves a process, so that the
/// process may be picked up elsewhere. `stack` is the stack that the CPU idles on.
///
/// Called with interrupts off.
#[doc(alias = "sched")]
pub fn mmuleave<A: Arch>(arch: &A, stack: u32) {
    let pdb = arch.m().pdb;
    slots::sweep(arch, pdb);
    taskswitch(arch, pdb, stack);
}

/// Drops the user mappings of the current process, and everything that this CPU has cached. They
/// come back by faults.
///
/// Callable at any level, from a process.
///
/// # Panics
/// If this CPU runs no process.
pub fn flushmmu<A: Arch>(arch: &A) {
    let level = arch.splhi();
    let up = arch.up().expect("flushmmu: no process");
    arch.store(&up.newtlb, 1);
    mmuswitch(arch, up);
    arch.splx(level);
}

/// Clears the page directory entries of all page tables that `proc` uses, and keeps those page
/// tables for its next faults.
///
/// Called by whoever owns `proc`: the CPU that runs it, with interrupts off, or its reaper. The CPU
/// still has the old translations cached until CR3 is loaded.
pub fn mmuptefree<A: Arch>(arch: &A, proc: &Proc<A>) {
    let (Some(page), Some(first)) = (proc.mmupdb.get(), proc.mmuused.get()) else {
        return;
    };
    let level = arch.splhi();
    let pdb = tmpmap(arch, page);
    let mut last = first;
    loop {
        let record = arch.page(last);
        arch.store(arch.entry(pdb, record.daddr.get()), 0);
        match record.next.get() {
            Some(next) => last = next,
            None => break,
        }
    }
    arch.splx(level);
    arch.page(last).next.set(proc.mmufree.get());
    proc.mmufree.set(Some(first));
    proc.mmuused.set(None);
}
