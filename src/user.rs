//! User mappings of the current process: one page at a time in, all out at the end.

use crate::arch::{Arch, Feature, Owned};
use crate::entry::{Entry, PTEUSER, PTEVALID, PTEWRITE};
use crate::error::{Mismatch, PutmmuError, broken, expect_splhi, running};
use crate::event::Event;
use crate::function::Function;
use crate::layout::Frame;
use crate::pool::{mmupdbfree, upallocpdb};
use crate::state::Proc;
use crate::switch::{load_own, mmuptefree};
use crate::table::install;
use crate::tmpmap::{tmpmap, tmpunmap};
use crate::variant::{Fixes, Variant};

/// Drops this CPU's translations of the page of `va`.
///
/// Callable at any level; with interrupts on it speaks for whatever CPU it happens to run on.
pub fn flushpg<A: Arch>(arch: &A, va: u32) {
    arch.trace(Event::Call(Function::Flushpg));
    if arch.has(Feature::Invlpg) {
        arch.invlpg(va);
    } else {
        arch.putcr3(arch.getcr3());
    }
}

/// When a user fault began. What was found for it since then is good as long as nobody has asked the
/// process to drop its mappings (fix C1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a fault that never ends maps nothing; pass this to putmmu"]
pub struct Ticket(u32);

/// A user fault of the current process begins: called before the page is looked for.
///
/// Callable at any level, from a process.
///
/// # Panics
/// If this CPU runs no process.
pub fn fault_begins<A: Arch>(arch: &A) -> Ticket {
    Ticket(arch.load(&running(arch, "fault").flushes))
}

/// Maps the user page of `va` to `pa`, whose low bits are flags such as
/// [`PTEWRITE`], in the current process. `ticket` is of before `pa` was found.
///
/// Callable at any level, from a process. Turns interrupts on and may sleep while it needs a page
/// table, and wake on another CPU.
///
/// # Errors
/// [`PutmmuError::Flushed`] if `pa` may be stale (fix C1); [`PutmmuError::NotUser`] for an address
/// that is not a user's (fix A9). Nothing is mapped then.
///
/// # Panics
/// If this CPU runs no process, or runs it on another page directory than its own.
pub fn putmmu<A: Arch>(arch: &A, va: u32, pa: u32, ticket: Ticket) -> Result<(), PutmmuError> {
    arch.trace(Event::Call(Function::Putmmu));
    let g = &A::GEOMETRY;
    if A::Variant::FIXES.has(Fixes::A9) && !g.in_user(va) {
        return Err(PutmmuError::NotUser { va });
    }
    upallocpdb(arch);
    let up = running(arch, "putmmu");
    let level = arch.splhi();
    if !Entry(arch.load(arch.at(g.vpd_entry(va)))).valid() {
        add_table(arch, up, g.pdx(va));
    }
    // The last look comes with interrupts off. Whoever asks for a flush after it waits for this CPU,
    // which answers when they are on again, and drops what is stored here.
    if A::Variant::FIXES.has(Fixes::C1) && arch.load(&up.flushes) != ticket.0 {
        arch.trace(Event::Refused { va });
        arch.splx(level);
        return Err(PutmmuError::Flushed);
    }
    let pte = arch.at(g.vpt_entry(va));
    let old = Entry(arch.load(pte));
    arch.store(pte, pa | PTEUSER | PTEVALID);
    if old.valid() {
        flushpg(arch, va);
    }
    if Some(arch.getcr3()) != up.mmupdb.get() {
        broken(arch, "putmmu: CR3 is not the process's", va, pa, arch.getcr3().pa());
    }
    arch.splx(level);
    Ok(())
}

/// Gives the loaded page directory of `up` a cleared page table at `pdx`: one that it kept, or a new
/// one. Called with interrupts off; turns them on and may sleep if it needs a new one.
fn add_table<A: Arch>(arch: &A, up: &Proc<A>, pdx: usize) {
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
    install(arch, pdx, page, PTEUSER | PTEWRITE);
    let record = arch.page(page);
    record.daddr.set(pdx);
    record.next.set(up.mmuused.get());
    up.mmuused.set(Some(page));
}

/// Checks that the user page of `va`, if the current process maps it, is the one at `pa`.
///
/// Callable at any level, from a process, for a page that nobody takes away meanwhile.
///
/// # Errors
/// What is there instead; mmu.c prints it.
///
/// # Panics
/// If this CPU runs no process. With interrupts on, without fix C3, on a page fault in the VPT.
pub fn checkmmu<A: Arch>(arch: &A, va: u32, pa: u32) -> Result<(), Mismatch> {
    arch.trace(Event::Call(Function::Checkmmu));
    let g = &A::GEOMETRY;
    let up = running(arch, "checkmmu");
    if up.mmupdb.get().is_none() {
        return Ok(());
    }
    // A tick between the two looks may drop the page table, and the second would fault.
    let level = A::Variant::FIXES.has(Fixes::C3).then(|| arch.splhi());
    let mut pte = Entry(0);
    if Entry(arch.load(arch.at(g.vpd_entry(va)))).valid() {
        pte = Entry(arch.load(arch.at(g.vpt_entry(va))));
    }
    if let Some(level) = level {
        arch.splx(level);
    }
    if pte.valid() && pte.frame() != Frame::containing(pa) {
        return Err(Mismatch { proc: up.index, va, pa, pte: pte.0 });
    }
    Ok(())
}

/// A user fault at `va` has ended with `pa` mapped: tells the observer. An empty hook in mmu.c.
///
/// Callable at any level, from a process.
pub fn checkfault<A: Arch>(arch: &A, va: u32, pa: u32) {
    arch.trace(Event::Call(Function::Checkfault));
    arch.trace(Event::Fault { va, pa });
}

/// Gives back all that the MMU code holds for `proc`, which is dead: its page directory goes to this
/// CPU's pool, its page tables to the page allocator. This CPU runs on its own page directory and
/// on `stack` afterwards.
///
/// Called by the scheduler of the CPU on which `proc` died, with interrupts off.
///
/// # Panics
/// If interrupts are on, if the process has kmaps left, or if a page of its is referenced from
/// elsewhere.
pub fn mmurelease<A: Arch>(arch: &A, proc: &Proc<A>, stack: u32) {
    arch.trace(Event::Call(Function::Mmurelease));
    expect_splhi(arch, "mmurelease");
    load_own(arch, stack);
    if let Some(table) = proc.kmaptable.get() {
        release_kmaptable(arch, proc, table);
    }
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
    if let Some(ldt) = proc.ldt.get() {
        arch.freeldt(ldt.base);
        proc.ldt.set(None);
    }
}

/// Takes the page table of KMAP out of the page directory, before that is put up for reuse.
fn release_kmaptable<A: Arch>(arch: &A, proc: &Proc<A>, table: Frame) {
    let kmap = A::GEOMETRY.kmap;
    let Some(page) = proc.mmupdb.get() else {
        broken(arch, "mmurelease: no mmupdb", 0, table.pa(), 0);
    };
    if proc.nkmap.get() != 0 {
        broken(arch, "mmurelease: kmaps are left", 0, table.pa(), proc.nkmap.get() as u32);
    }
    let pdb = tmpmap(arch, page);
    let entry = Entry(arch.load(pdb.entry(arch, kmap)));
    if entry.frame() != table {
        broken(arch, "mmurelease: bad kmap entry", 0, entry.frame().pa(), 0);
    }
    arch.store(pdb.entry(arch, kmap), 0);
    tmpunmap(arch, pdb);
    release(arch, table);
    proc.kmaptable.set(None);
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
