//! Page directories and their pools on the host machine.

mod common;

use common::{boot, die, enter, on};
use mmu386::arch::{Arch, Owned};
use mmu386::entry::{Entry, PTEHELD};
use mmu386::function::Function;
use mmu386::layout::{Frame, PC386};
use mmu386::pool::{PDBPOOL_MAX, mmupdballoc, mmupdbfree, upallocpdb};
use mmu386::tmpmap::{tmpmap, tmpunmap};
use mmu386::variant::Fixed;

fn entry(cpu: &common::Cpu<Fixed>, page: Frame, index: usize) -> Entry {
    cpu.at_splhi(|| {
        let tmp = tmpmap(cpu, page);
        let entry = Entry(cpu.load(tmp.entry(cpu, index)));
        tmpunmap(cpu, tmp);
        entry
    })
}

#[test]
fn a_new_page_directory_is_a_copy_of_the_cpus_own_with_a_vpt_of_its_own() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 1);
    enter(&cpu, 0);
    let page = mmupdballoc(&cpu);
    for index in 0..PC386.entries() {
        let own = cpu.load(cpu.at(PC386.kzero_base() + cpu.m().pdb.pa() + index as u32 * 4));
        let entry = entry(&cpu, page, index);
        if index == PC386.vpt {
            assert_eq!(entry.frame(), page);
        } else {
            assert_eq!(entry.0 & !0x60, own & !0x60, "entry {index}");
        }
    }
    assert!(!entry(&cpu, page, 0).valid(), "nothing of the page's former owner");
}

#[test]
fn a_held_entry_of_the_master_is_not_copied() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let slot = PC386.kzero_base() + cpu.master().pa() + PC386.vmap as u32 * 4;
    cpu.store(cpu.at(slot), PTEHELD);
    let page = mmupdballoc(&cpu);
    assert_eq!(entry(&cpu, page, PC386.vmap), Entry(0));
    cpu.store(cpu.at(slot), 0);
}

#[test]
fn the_pool_keeps_ten_and_gives_the_latest() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let pages: Vec<Frame> = (0..PDBPOOL_MAX + 2).map(|_| mmupdballoc(&cpu)).collect();
    let up = cpu.up().expect("a process");
    cpu.splhi();
    assert_eq!(cpu.m().pdballoc.get(), 12);
    for &page in &pages {
        mmupdbfree(&cpu, up, page);
    }
    assert_eq!((cpu.m().pdbcnt.get(), cpu.m().pdbfree.get()), (10, 12));
    let mut spare = Vec::new();
    let mut next = up.mmufree.get();
    while let Some(page) = next {
        spare.push(page);
        next = cpu.page(page).next.get();
    }
    assert_eq!(spare, [pages[11], pages[10]], "the others are page tables from now on");
    cpu.spllo();
    for expected in pages[..10].iter().rev() {
        assert_eq!(mmupdballoc(&cpu), *expected);
    }
    cpu.splhi();
    assert_eq!(cpu.m().pdbcnt.get(), 0);
}

#[test]
fn a_process_gets_one_page_directory_and_runs_on_it() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    assert_eq!(cpu.getcr3(), cpu.m().pdb);
    upallocpdb(&cpu);
    let page = cpu.up().and_then(|up| up.mmupdb.get());
    assert!(page.is_some());
    assert_eq!(Some(cpu.getcr3()), page);
    upallocpdb(&cpu);
    assert_eq!(cpu.up().and_then(|up| up.mmupdb.get()), page);
}

/// mmu.c: "Perhaps we got an interrupt while mmupdballoc was sleeping and that interrupt allocated an
/// mmupdb?"
#[test]
fn a_page_directory_that_came_meanwhile_is_kept() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    common::at_call(&cpu, Function::Mmupdballoc, upallocpdb);
    upallocpdb(&cpu);
    assert_eq!(Some(cpu.getcr3()), cpu.up().and_then(|up| up.mmupdb.get()));
    cpu.splhi();
    assert_eq!(cpu.m().pdballoc.get(), 2);
    assert_eq!(cpu.m().pdbcnt.get(), 1, "the second is in the pool");
    assert_ne!(cpu.m().pdbpool.get(), Some(cpu.getcr3()));
}

#[test]
fn a_dead_processes_page_directory_is_the_next_ones() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    upallocpdb(&cpu);
    let page = cpu.up().and_then(|up| up.mmupdb.get());
    die(&cpu);
    assert_eq!(cpu.getcr3(), cpu.m().pdb);
    enter(&cpu, 1);
    upallocpdb(&cpu);
    assert_eq!(cpu.up().and_then(|up| up.mmupdb.get()), page);
    common::audit(&machine);
}

#[test]
#[should_panic(expected = "cpu0: mmupdbfree: islo")]
fn interrupts_must_be_off_to_give_one_back() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let page = mmupdballoc(&cpu);
    cpu.spllo();
    mmupdbfree(&cpu, cpu.up().expect("a process"), page);
}

#[test]
#[should_panic(expected = "cpu0: upallocpdb: no process")]
fn no_process_no_page_directory() {
    let machine = boot::<Fixed>();
    upallocpdb(&on(&machine, 0));
}
