//! Switching a CPU from one process to another, and dropping a process's user mappings.

use crate::arch::{Arch, Owned};
use crate::error::running;
use crate::event::Event;
use crate::function::Function;
use crate::gdt::{LDTSEG, NPROCSEG, PROCSEG0, Segdesc, Selector, TSS_ESP0};
use crate::layout::Frame;
use crate::pool::adopt;
use crate::slots;
use crate::state::Proc;
use crate::tmpmap::{tmpmap, tmpunmap};
use crate::variant::{Fixes, Variant};

/// Enters the kernel on `stack` from now on, whatever level comes from, and loads `pdb`.
///
/// Called with interrupts off.
pub fn taskswitch<A: Arch>(arch: &A, pdb: Frame, stack: u32) {
    arch.trace(Event::Call(Function::Taskswitch));
    let tss = &arch.descriptors().tss;
    for level in 0..3 {
        let esp = TSS_ESP0 + 2 * level;
        tss[esp + 1].set(u32::from(Selector::KD.0));
        tss[esp].set(stack);
    }
    arch.putcr3(pdb);
}

/// This CPU runs `proc` from now on: says so, and loads what is the process's.
///
/// Called by the scheduler with interrupts off, when [`Arch::up`] is `proc` already.
#[doc(alias = "sched")]
pub fn mmuenter<A: Arch>(arch: &A, proc: &Proc<A>) {
    let word = &arch.m().proc;
    let running = proc.index as u32 + 1;
    if A::Variant::FIXES.has(Fixes::C2) {
        // LOCKed, so that `newtlb` is read after this is visible. Partner of the exchange in
        // procflushmmu: either that one sees the process here, or this CPU sees the request.
        arch.swap(word, running);
    } else {
        arch.store(word, running);
    }
    mmuswitch(arch, proc);
}

/// This CPU's process goes: loads the CPU's own page directory, so that the process may be picked up
/// elsewhere. `stack` is the stack that the CPU idles on.
///
/// Called by the scheduler with interrupts off.
#[doc(alias = "sched")]
pub fn mmuleave<A: Arch>(arch: &A, stack: u32) {
    load_own(arch, stack);
    arch.store(&arch.m().proc, 0);
}

/// Loads this CPU's own page directory.
pub(crate) fn load_own<A: Arch>(arch: &A, stack: u32) {
    slots::sweep_own(arch);
    taskswitch(arch, arch.m().pdb, stack);
}

/// Loads the page directory of `proc`, or this CPU's own if it has none, and the process's segments.
/// Drops the process's user page tables first if somebody asked for that (`newtlb`).
///
/// Called with interrupts off, as the process is entered and by [`flushmmu`].
pub fn mmuswitch<A: Arch>(arch: &A, proc: &Proc<A>) {
    arch.trace(Event::Call(Function::Mmuswitch));
    if arch.load(&proc.newtlb) != 0 {
        mmuptefree(arch, proc);
        arch.store(&proc.newtlb, 0);
    }
    match proc.mmupdb.get() {
        Some(pdb) => {
            adopt(arch, pdb);
            taskswitch(arch, pdb, proc.kstack);
        }
        None => load_own(arch, proc.kstack),
    }
    load_segments(arch, proc);
}

/// Loads the segments of `proc` into this CPU's descriptor table.
fn load_segments<A: Arch>(arch: &A, proc: &Proc<A>) {
    let gdt = &arch.descriptors().gdt;
    for n in 0..NPROCSEG {
        gdt[PROCSEG0 + n].set(proc.gdt[n].get());
    }
    match proc.ldt.get() {
        Some(ldt) if ldt.n > 0 => {
            gdt[LDTSEG].set(Segdesc::ldt(ldt.base, ldt.n));
            arch.lldt(Selector::LDT);
        }
        _ => arch.lldt(Selector::NULL),
    }
}

/// Drops the user mappings of the current process, and everything that this CPU has cached. They
/// come back by faults.
///
/// Callable at any level, from a process.
///
/// # Panics
/// If this CPU runs no process.
pub fn flushmmu<A: Arch>(arch: &A) {
    arch.trace(Event::Call(Function::Flushmmu));
    let level = arch.splhi();
    let up = running(arch, "flushmmu");
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
    arch.trace(Event::Call(Function::Mmuptefree));
    let (Some(page), Some(first)) = (proc.mmupdb.get(), proc.mmuused.get()) else {
        return;
    };
    let level = arch.splhi();
    let pdb = tmpmap(arch, page);
    let mut last = first;
    loop {
        let record = arch.page(last);
        arch.store(pdb.entry(arch, record.daddr.get()), 0);
        match record.next.get() {
            Some(next) => last = next,
            None => break,
        }
    }
    tmpunmap(arch, pdb);
    arch.splx(level);
    arch.page(last).next.set(proc.mmufree.get());
    proc.mmufree.set(Some(first));
    proc.mmuused.set(None);
}
