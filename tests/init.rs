//! mmuinit and memglobal on the host machine.

mod common;

use common::{boot, cold, on, writable};
use mmu386::arch::{Arch, Owned};
use mmu386::entry::{Entry, PTEGLOBAL, PTEWRITE};
use mmu386::gdt::{Descriptors, GDT, NGDT, NO_IOMAP, Segdesc, Selector, TSS_IOMAP, TSSSEG};
use mmu386::init::{memglobal, mmuinit};
use mmu386::layout::PC386;
use mmu386::patwc::IA32_PAT;
use mmu386::state::{Page, System};
use mmu386::variant::{Fixed, Fixes, Minus, Seed};

const STACK: u32 = 0xF001_9000;

fn entry(cpu: &common::Cpu<Fixed>, table: u32, index: usize) -> Entry {
    Entry(cpu.load(cpu.at(PC386.kzero_base() + table + index as u32 * 4)))
}

#[test]
fn descriptors_are_filled_in_and_loaded() {
    let machine = cold::<Fixed>(|_| ());
    for n in 0..2 {
        let cpu = on(&machine, n);
        let stack = if n == 0 {
            mmuinit(&cpu, STACK);
            STACK
        } else {
            cpu.start();
            cpu.splhi();
            cpu.idle_stack()
        };
        let descriptors = cpu.descriptors();
        for index in (0..NGDT).filter(|index| *index != TSSSEG) {
            assert_eq!(descriptors.gdt[index].get(), GDT[index]);
        }
        let tss = descriptors.tss_base();
        assert_eq!(descriptors.gdt[TSSSEG].get(), Segdesc::tss(tss));
        assert_eq!(tss, descriptors.gdt_base() + Descriptors::<common::Cpu<Fixed>>::TSS_OFFSET);
        assert_eq!(descriptors.tss[TSS_IOMAP].get(), NO_IOMAP);
        // Stack pointer and segment of levels 0, 1 and 2.
        for level in 0..3 {
            assert_eq!(descriptors.tss[1 + 2 * level].get(), stack);
            assert_eq!(descriptors.tss[2 + 2 * level].get(), 8);
        }
        let loaded = machine.registers(n);
        assert_eq!(loaded.gdt, Some((descriptors.gdt_base(), 14 * 8 - 1)));
        assert_eq!(loaded.idt, Some(256 * 8 - 1));
        assert_eq!(loaded.task, Selector::TSS);
        assert_eq!(entry(&cpu, cpu.m().pdb.pa(), PC386.vpt).frame(), cpu.m().pdb);
        assert_eq!(cpu.getcr3(), cpu.m().pdb);
    }
}

#[test]
fn entry_7_of_the_page_attribute_table_is_write_combining() {
    let machine = cold::<Fixed>(|_| ());
    let cpu = on(&machine, 0);
    cpu.splhi();
    let before = cpu.rdmsr(IA32_PAT).expect("there is a table");
    mmuinit(&cpu, STACK);
    let after = cpu.rdmsr(IA32_PAT).expect("there is a table");
    assert_eq!(after >> 56, 1);
    assert_eq!(after << 8, before << 8, "the others stay");

    let machine = cold::<Fixed>(|config| config.features.pat = false);
    let cpu = on(&machine, 0);
    cpu.splhi();
    mmuinit(&cpu, STACK);
    assert_eq!(cpu.rdmsr(IA32_PAT), None);
}

#[test]
fn kernel_mappings_are_global_and_device_mappings_are_not() {
    let machine = cold::<Fixed>(|_| ());
    let cpu = on(&machine, 0);
    let va = mmu386::vmap::vmap(&cpu, common::device(0), common::LARGE).expect("there is room");
    cpu.splhi();
    let pdb = cpu.master().pa();
    // The window need not show all of physical memory.
    cpu.store(cpu.at(PC386.kzero_base() + pdb + 1000 * 4), 0);
    memglobal(&cpu);
    let mut tables = 0;
    for index in 0..PC386.entries() {
        let pde = entry(&cpu, pdb, index);
        assert_eq!(pde.0 & PTEGLOBAL != 0, index >= PC386.kzero && pde.valid(), "pde {index}");
        if index >= PC386.kzero && pde.table() {
            tables += 1;
            for slot in 0..PC386.entries() {
                let pte = entry(&cpu, pde.frame().pa(), slot);
                assert_eq!(pte.0 & PTEGLOBAL != 0, pte.valid(), "pte {slot} of pde {index}");
            }
        }
    }
    assert!(tables > 0 && va != 0);
}

#[test]
fn cpus_other_than_0_and_those_without_global_pages_change_nothing() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 1);
    let slot = PC386.kzero_base() + cpu.m().pdb.pa() + PC386.kzero as u32 * 4;
    cpu.store(cpu.at(slot), cpu.load(cpu.at(slot)) & !PTEGLOBAL);
    memglobal(&cpu);
    assert_eq!(entry(&cpu, cpu.m().pdb.pa(), PC386.kzero).0 & PTEGLOBAL, 0);

    let machine = cold::<Fixed>(|config| config.features.pge = false);
    let cpu = on(&machine, 0);
    cpu.splhi();
    mmuinit(&cpu, STACK);
    assert_eq!(entry(&cpu, cpu.master().pa(), PC386.kzero).0 & PTEGLOBAL, 0);
}

/// D1: a CPU that has looked at its code since memglobal made the entries global has a translation
/// that no load of CR3 drops.
fn code_stays_writable<V: mmu386::variant::Variant>() -> bool {
    let machine = cold::<V>(|_| ());
    let cpu = on(&machine, 0);
    cpu.splhi();
    memglobal(&cpu);
    for va in cpu.text().step_by(0x1000) {
        assert!(writable(&cpu, va), "code can be written before mmuinit");
    }
    mmuinit(&cpu, STACK);
    for va in cpu.text().step_by(0x1000) {
        let index = PC386.ptx(va);
        let private = Entry(cpu.load(cpu.at(PC386.vpd_entry(va))));
        let pte = cpu.load(cpu.at(PC386.kzero_base() + private.frame().pa() + index as u32 * 4));
        assert_eq!(pte & PTEWRITE, 0, "the entry at {va:#x}");
    }
    cpu.text().step_by(0x1000).any(|va| writable(&cpu, va))
}

#[test]
fn kernel_code_cannot_be_written_once_mmuinit_is_done() {
    assert!(!code_stays_writable::<Fixed>());
}

#[test]
fn seed_leaves_translations_through_which_code_can_be_written() {
    assert!(code_stays_writable::<Seed>());
    assert!(code_stays_writable::<Minus<{ Fixes::D1.bits() }>>());
}

#[test]
#[should_panic(expected = "cpu0: mmuinit: islo")]
fn interrupts_must_be_off() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    cpu.spllo();
    mmuinit(&cpu, STACK);
}

/// A set of CPUs is a word.
#[test]
#[should_panic(expected = "mmuinit: more than 32 CPUs")]
fn there_are_no_more_cpus_than_a_word_has_bits() {
    let machine = cold::<Fixed>(|config| config.cpus = 33);
    let cpu = on(&machine, 0);
    cpu.splhi();
    mmuinit(&cpu, STACK);
}

#[test]
fn records_begin_with_nothing_held_and_nothing_asked() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let system = System::<common::Cpu<Fixed>>::default();
    assert!(system.vmaplock.try_lock(&cpu).is_some());
    assert_eq!((cpu.load(&system.flushgen), cpu.load(&system.slotgen)), (0, 0));
    let page = Page::<common::Cpu<Fixed>>::default();
    assert_eq!((page.next.get(), page.refs.get()), (None, 0));
}
