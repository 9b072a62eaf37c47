//! Entering, leaving and flushing on the host machine.

mod common;

use common::{boot, enter, leave, on};
use mmu386::arch::{Arch, Owned};
use mmu386::gdt::{LDTSEG, Ldt, PROCSEG0, Segdesc, Selector, TSS_ESP0};
use mmu386::layout::PC386;
use mmu386::pool::upallocpdb;
use mmu386::switch::{flushmmu, mmuenter, mmuptefree, mmuswitch, taskswitch};
use mmu386::user::{fault_begins, putmmu};
use mmu386::variant::{Fixed, Seed, Variant};

#[test]
fn taskswitch_loads_the_stack_of_every_level_and_cr3() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 1);
    cpu.splhi();
    let pdb = cpu.m().pdb;
    taskswitch(&cpu, pdb, 0xF123_4000);
    for level in 0..3 {
        assert_eq!(cpu.descriptors().tss[TSS_ESP0 + 2 * level].get(), 0xF123_4000);
        assert_eq!(cpu.descriptors().tss[TSS_ESP0 + 2 * level + 1].get(), 0x08);
    }
    assert_eq!(cpu.getcr3(), pdb);
}

fn says_what_it_runs<V: Variant>() {
    let machine = boot::<V>();
    let cpu = on(&machine, 0);
    assert_eq!(cpu.load(&cpu.m().proc), 0);
    enter(&cpu, 3);
    assert_eq!(cpu.load(&cpu.m().proc), 4);
    let stack = cpu.proc(3).kstack;
    assert_eq!(cpu.descriptors().tss[TSS_ESP0].peek(), stack);
    leave(&cpu);
    assert_eq!(cpu.load(&cpu.m().proc), 0);
    assert_eq!(cpu.getcr3(), cpu.m().pdb);
}

#[test]
fn a_cpu_says_which_process_it_runs() {
    says_what_it_runs::<Fixed>();
    says_what_it_runs::<Seed>();
}

#[test]
fn a_process_that_moves_finds_its_mappings_and_the_new_cpus_mach() {
    let machine = boot::<Fixed>();
    let (cpu, other) = (on(&machine, 0), on(&machine, 1));
    enter(&cpu, 0);
    let ticket = fault_begins(&cpu);
    putmmu(&cpu, 0x40_0000, common::device(0) | 2, ticket).expect("nobody flushes");
    assert_eq!(common::reach(&cpu, 0x40_0000), Some(common::device(0)));
    leave(&cpu);
    assert_eq!(common::reach(&cpu, 0x40_0000), None);
    enter(&other, 0);
    assert_eq!(other.machno(), 1);
    assert_eq!(common::reach(&other, 0x40_0000), Some(common::device(0)));
}

#[test]
fn a_process_has_its_own_segments_wherever_it_runs() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let own = Segdesc { d0: 1, d1: 2 };
    enter(&cpu, 0);
    let up = cpu.up().expect("a process");
    up.gdt[1].set(own);
    up.ldt.set(Some(Ldt { base: 0xF080_0000, n: 2 }));
    leave(&cpu);
    enter(&cpu, 0);
    assert_eq!(cpu.descriptors().gdt[PROCSEG0 + 1].peek(), own);
    assert_eq!(cpu.descriptors().gdt[PROCSEG0].peek(), Segdesc::default());
    assert_eq!(cpu.descriptors().gdt[LDTSEG].peek(), Segdesc::ldt(0xF080_0000, 2));
    assert_eq!(machine.registers(0).ldt, Selector::LDT);
    leave(&cpu);
    enter(&cpu, 1);
    assert_eq!(cpu.descriptors().gdt[PROCSEG0 + 1].peek(), Segdesc::default());
    assert_eq!(machine.registers(0).ldt, Selector::NULL);
    leave(&cpu);
    // A table without descriptors is none.
    enter(&cpu, 2);
    cpu.up().expect("a process").ldt.set(Some(Ldt { base: 0xF080_0000, n: 0 }));
    leave(&cpu);
    enter(&cpu, 2);
    assert_eq!(machine.registers(0).ldt, Selector::NULL);
}

#[test]
fn newtlb_drops_the_page_tables_before_the_process_runs() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    for table in 0..3u32 {
        let ticket = fault_begins(&cpu);
        putmmu(&cpu, table * 0x40_0000, common::device(table) | 2, ticket).expect("no flush");
    }
    let up = cpu.up().expect("a process");
    leave(&cpu);
    cpu.store(&up.newtlb, 1);
    enter(&cpu, 0);
    assert_eq!(cpu.load(&up.newtlb), 0);
    for table in 0..3 {
        assert_eq!(common::reach(&cpu, table * 0x40_0000), None);
        assert_eq!(cpu.load(cpu.at(PC386.vpd_entry(table * 0x40_0000))), 0);
    }
    assert_eq!(up.mmuused.get(), None);
    let mut kept = 0;
    let mut next = up.mmufree.get();
    while let Some(page) = next {
        kept += 1;
        next = cpu.page(page).next.get();
    }
    assert_eq!(kept, 3, "the page tables stay with the process");
    common::audit(&machine);
}

#[test]
fn flushmmu_drops_what_the_cpu_has_cached() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let ticket = fault_begins(&cpu);
    putmmu(&cpu, 0x5000, common::device(0), ticket).expect("no flush");
    assert!(common::reach(&cpu, 0x5000).is_some());
    flushmmu(&cpu);
    assert_eq!(common::reach(&cpu, 0x5000), None);
    // Nothing to drop is no harm.
    flushmmu(&cpu);
    leave(&cpu);
}

#[test]
fn mmuptefree_without_page_tables_changes_nothing() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let up = cpu.up().expect("a process");
    cpu.splhi();
    mmuptefree(&cpu, up);
    cpu.spllo();
    upallocpdb(&cpu);
    cpu.splhi();
    mmuptefree(&cpu, up);
    assert!(up.mmupdb.get().is_some() && up.mmufree.get().is_none());
}

#[test]
fn a_process_without_a_page_directory_runs_on_the_cpus_own() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 2);
    enter(&cpu, 0);
    cpu.splhi();
    mmuswitch(&cpu, cpu.up().expect("a process"));
    assert_eq!(cpu.getcr3(), cpu.m().pdb);
    mmuenter(&cpu, cpu.up().expect("a process"));
    assert_eq!(cpu.getcr3(), cpu.m().pdb);
}

#[test]
#[should_panic(expected = "cpu0: flushmmu: no process")]
fn flushmmu_needs_a_process() {
    let machine = boot::<Fixed>();
    flushmmu(&on(&machine, 0));
}
