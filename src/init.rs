//! Readying a CPU: its segments, its page directory, its page attribute table.

use crate::arch::{Arch, Feature, Owned};
use crate::entry::{Entry, PTEGLOBAL, PTEVALID, PTEWRITE};
use crate::error::{broken, expect_splhi};
use crate::event::Event;
use crate::function::Function;
use crate::gdt::{
    BY2SEGDESC, Descriptors, GDT, NGDT, NIDT, NO_IOMAP, Segdesc, Selector, TSS_IOMAP, TSSSEG,
};
use crate::kaddr::kentry;
use crate::layout::{BY2PG, MAXMACH};
use crate::patwc;
use crate::switch::taskswitch;
use crate::user::flushpg;
use crate::variant::{Fixes, Variant};
use crate::walk::{Level, mmuwalk};

/// Readies this CPU: global kernel mappings, the VPT, descriptor table and task state segment,
/// kernel code that nobody may write, write combining as an entry of the page attribute table. The
/// CPU enters the kernel on `stack` when it runs no process.
///
/// Called once on each CPU with interrupts off, running on its own page directory, CPU 0 first and
/// before the others' page directories are copied from its own.
///
/// # Panics
/// If interrupts are on, if kernel code is not mapped by page tables, or if there are more than
/// [`MAXMACH`] CPUs: sets of them are words with a bit for each.
pub fn mmuinit<A: Arch>(arch: &A, stack: u32) {
    arch.trace(Event::Call(Function::Mmuinit));
    expect_splhi(arch, "mmuinit");
    assert!(arch.nmach() <= MAXMACH, "mmuinit: more than {MAXMACH} CPUs");
    let pdb = arch.m().pdb;
    memglobal(arch);
    arch.store(kentry(arch, pdb, A::GEOMETRY.vpt), pdb.pa() | PTEWRITE | PTEVALID);
    load_tables(arch, arch.descriptors());
    protect_text(arch);
    taskswitch(arch, pdb, stack);
    arch.ltr(Selector::TSS);
    patwc::set_up(arch);
}

/// Fills in this CPU's descriptor table and task state segment, and has the processor use them.
fn load_tables<A: Arch>(arch: &A, descriptors: &Descriptors<A>) {
    for word in &descriptors.tss {
        word.set(0);
    }
    descriptors.tss[TSS_IOMAP].set(NO_IOMAP);
    for (index, descriptor) in GDT.into_iter().enumerate() {
        descriptors.gdt[index].set(descriptor);
    }
    descriptors.gdt[TSSSEG].set(Segdesc::tss(descriptors.tss_base()));
    arch.lgdt(descriptors.gdt_base(), (NGDT as u32 * BY2SEGDESC - 1) as u16);
    arch.lidt((NIDT * BY2SEGDESC - 1) as u16);
}

/// Takes away the right to write kernel code.
fn protect_text<A: Arch>(arch: &A) {
    let pdb = arch.m().pdb;
    for va in arch.text().step_by(BY2PG as usize) {
        let Some(pte) = mmuwalk(arch, pdb, va, Level::Table, false) else {
            broken(arch, "mmuinit: kernel code is not mapped", va, 0, 0);
        };
        arch.store(pte, arch.load(pte) & !PTEWRITE);
        // memglobal has made the old translation global, and the load of CR3 that comes next keeps
        // those.
        if A::Variant::FIXES.has(Fixes::D1) {
            flushpg(arch, va);
        }
    }
}

/// Makes the kernel's own mappings global, so that they survive loads of CR3. They are never taken
/// away, so nobody need ever flush them; VMAP and KMAP lie below KZERO and stay as they are.
///
/// CPU 0 does this once, before the others' page directories are copied from its own; on others, and
/// on a CPU without global pages, it does nothing.
pub fn memglobal<A: Arch>(arch: &A) {
    arch.trace(Event::Call(Function::Memglobal));
    let g = &A::GEOMETRY;
    if arch.m().machno != 0 || !arch.has(Feature::Pge) {
        return;
    }
    let pdb = arch.m().pdb;
    for index in g.kzero..g.entries() {
        let slot = kentry(arch, pdb, index);
        let pde = Entry(arch.load(slot));
        if !pde.valid() {
            continue;
        }
        arch.store(slot, pde.0 | PTEGLOBAL);
        if !pde.table() {
            continue;
        }
        for index in 0..g.entries() {
            let pte = kentry(arch, pde.frame(), index);
            let entry = Entry(arch.load(pte));
            if entry.valid() {
                arch.store(pte, entry.0 | PTEGLOBAL);
            }
        }
    }
}
