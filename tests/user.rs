//! putmmu, checkmmu and mmurelease on the host machine.

mod common;

use common::{boot, boot_with, device, enter, leave, on, reach};
use host::{Chances, Config};
use mmu386::arch::{Arch, Owned};
use mmu386::error::{Mismatch, PutmmuError};
use mmu386::gdt::Ldt;
use mmu386::kmap::{kmap, kunmap};
use mmu386::layout::PC386;
use mmu386::state::DEAD;
use mmu386::user::{checkfault, checkmmu, fault_begins, flushpg, mmurelease, putmmu};
use mmu386::variant::{Fixed, Fixes, Minus, Seed, Upstream, Variant};

const VA: u32 = 0x0800_3000;

fn put<V: Variant>(cpu: &common::Cpu<V>, va: u32, pa: u32) {
    let ticket = fault_begins(cpu);
    putmmu(cpu, va, pa, ticket).expect("nobody flushes");
}

#[test]
fn putmmu_maps_one_page_for_the_user() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    put(&cpu, VA, device(0) | 2);
    assert_eq!(reach(&cpu, VA), Some(device(0)));
    assert_eq!(cpu.load(cpu.at(PC386.vpt_entry(VA))) & !0x60, device(0) | 7);
    // Its page table is clear but for that, whatever the page held before.
    for page in 0..1024u32 {
        let va = (VA & !0x3F_FFFF) + page * 0x1000;
        assert_eq!(reach(&cpu, va).is_some(), va == VA);
    }
    put(&cpu, VA + 0x1000, device(1));
    assert_eq!(reach(&cpu, VA + 0x1000), Some(device(1)));
    common::audit(&machine);
}

#[test]
fn a_page_that_is_replaced_is_flushed() {
    for invlpg in [true, false] {
        let machine = boot_with::<Fixed>(|config| config.features.invlpg = invlpg);
        let cpu = on(&machine, 0);
        enter(&cpu, 0);
        put(&cpu, VA, device(0));
        assert_eq!(reach(&cpu, VA), Some(device(0)));
        put(&cpu, VA, device(1));
        assert_eq!(reach(&cpu, VA), Some(device(1)));
    }
}

#[test]
fn flushpg_drops_one_page() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    put(&cpu, VA, device(0));
    assert!(reach(&cpu, VA).is_some());
    cpu.store(cpu.at(PC386.vpt_entry(VA)), 0);
    assert!(reach(&cpu, VA).is_some(), "the TLB has it");
    flushpg(&cpu, VA + 0x1000);
    assert!(reach(&cpu, VA).is_some(), "another page was flushed");
    flushpg(&cpu, VA);
    assert_eq!(reach(&cpu, VA), None);
}

#[test]
fn kernel_addresses_are_refused() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    for va in [0xE000_0000, 0xEF80_0000, 0xF000_0000, u32::MAX] {
        let ticket = fault_begins(&cpu);
        assert_eq!(putmmu(&cpu, va, device(0), ticket), Err(PutmmuError::NotUser { va }));
    }
}

/// C4: what a fresh page holds looks like user mappings, until it is cleared.
fn walks_to_leftovers<V: Variant>() -> bool {
    let machine = boot::<V>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    // The walker comes between any two accesses of putmmu.
    let other = VA ^ 0x10_0000;
    machine.interest(other);
    machine.set_chances(Chances { accesses: 1, ..Chances::NONE });
    put(&cpu, VA, device(0));
    reach(&cpu, other).is_some()
}

#[test]
fn nobody_walks_to_what_a_page_table_held_before() {
    assert!(!walks_to_leftovers::<Fixed>());
    assert!(walks_to_leftovers::<Seed>());
    assert!(walks_to_leftovers::<Minus<{ Fixes::C4.bits() }>>());
}

/// C1: the flush comes between the look at the segment and putmmu.
fn maps_what_was_flushed<V: Variant>() -> Result<(), PutmmuError> {
    let machine = boot::<V>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let ticket = fault_begins(&cpu);
    mmu386::shootdown::procflushmmu(&cpu, |proc| proc.index == 0);
    let result = putmmu(&cpu, VA, device(0), ticket);
    assert_eq!(reach(&cpu, VA).is_some(), result.is_ok());
    result
}

#[test]
fn putmmu_refuses_what_was_found_before_a_flush() {
    assert_eq!(maps_what_was_flushed::<Fixed>(), Err(PutmmuError::Flushed));
    assert_eq!(maps_what_was_flushed::<Minus<{ Fixes::C1.bits() }>>(), Ok(()));
    assert_eq!(maps_what_was_flushed::<Seed>(), Ok(()));
    assert_eq!(maps_what_was_flushed::<Upstream>(), Ok(()));
}

#[test]
#[should_panic(expected = "cpu0 proc 0: putmmu: CR3 is not the process's: va=0x08003000")]
fn a_process_on_another_page_directory_is_noticed() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    put(&cpu, VA, device(0));
    let pdb = cpu.m().pdb;
    cpu.putcr3(pdb);
    put(&cpu, VA, device(0));
}

fn check<V: Variant>() {
    let machine = boot::<V>();
    let cpu = on(&machine, 0);
    enter(&cpu, 2);
    assert_eq!(checkmmu(&cpu, VA, device(0)), Ok(()), "no page directory");
    put(&cpu, VA, device(0));
    assert_eq!(checkmmu(&cpu, VA, device(0)), Ok(()));
    assert_eq!(checkmmu(&cpu, VA + 0x1000, device(0)), Ok(()), "no page");
    assert_eq!(checkmmu(&cpu, 0, device(0)), Ok(()), "no page table");
    let pte = cpu.load(cpu.at(PC386.vpt_entry(VA)));
    let found = checkmmu(&cpu, VA, device(1));
    assert_eq!(found, Err(Mismatch { proc: 2, va: VA, pa: device(1), pte }));
    assert!(cpu.islo(), "the level is the caller's");
    checkfault(&cpu, VA, device(0));
}

#[test]
fn checkmmu_tells_of_another_page() {
    check::<Fixed>();
    check::<Seed>();
}

/// C3: the tick that comes between checkmmu's two looks has a flush to serve. Whether and where one
/// comes is a matter of the seed.
fn checkmmu_meets_a_flush<V: Variant>() -> bool {
    let meets = |seed| {
        let config = Config { cpus: 1, chances: Chances::NONE, ..Config::default() };
        let machine = host::Machine::<V>::boot(config, seed);
        let cpu = on(&machine, 0);
        enter(&cpu, 0);
        put(&cpu, VA, device(0));
        cpu.store(&cpu.up().expect("a process").newtlb, 1);
        common::ask_for_a_flush(&cpu, 0);
        machine.set_chances(Chances { accesses: 2, ..Chances::NONE });
        let check = || checkmmu(&cpu, VA, device(0));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_err()
    };
    (0..100).any(meets)
}

#[test]
fn checkmmu_does_not_fault_when_a_flush_comes_between_its_looks() {
    assert!(!checkmmu_meets_a_flush::<Fixed>());
    assert!(checkmmu_meets_a_flush::<Seed>());
}

#[test]
fn a_dead_process_gives_everything_back() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let free = machine.free_pages();
    enter(&cpu, 0);
    let proc = cpu.up().expect("a process");
    proc.ldt.set(Some(Ldt { base: 0xF080_0000, n: 2 }));
    for table in 0..3 {
        put(&cpu, table * 0x40_0000, device(table));
    }
    let page = common::below(&cpu);
    let va = kmap(&cpu, page).expect("there is room");
    kunmap(&cpu, va);
    machine.give_back(page);
    common::die(&cpu);
    assert_eq!(machine.free_pages(), free - 1, "all but the page directory in the pool");
    assert_eq!(machine.freed_ldts(), [0xF080_0000]);
    assert!(proc.mmupdb.peek().is_none() && proc.kmaptable.peek().is_none());
    assert!(proc.mmufree.peek().is_none() && proc.mmuused.peek().is_none());
    assert!(proc.ldt.peek().is_none());
    common::audit(&machine);
}

#[test]
#[should_panic(expected = "mmurelease: kmaps are left")]
fn a_dead_process_has_no_kmaps() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let page = common::below(&cpu);
    let _ = kmap(&cpu, page);
    common::die(&cpu);
}

fn released(change: impl FnOnce(&common::Cpu<Fixed>)) {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    put(&cpu, VA, device(0));
    let page = common::below(&cpu);
    let va = kmap(&cpu, page).expect("there is room");
    kunmap(&cpu, va);
    change(&cpu);
    common::die(&cpu);
}

#[test]
#[should_panic(expected = "mmurelease: page is referenced elsewhere")]
fn a_page_table_has_one_reference() {
    released(|cpu| {
        let used = cpu.up().and_then(|up| up.mmuused.get()).expect("a page table");
        cpu.page(used).refs.set(2);
    });
}

#[test]
#[should_panic(expected = "mmurelease: bad kmap entry")]
fn the_kmap_entry_names_the_kmaptable() {
    released(|cpu| cpu.store(cpu.at(PC386.vpd_entry(PC386.kmap_base())), device(0) | 3));
}

#[test]
#[should_panic(expected = "mmurelease: no mmupdb")]
fn a_kmaptable_needs_a_page_directory() {
    released(|cpu| cpu.up().expect("a process").mmupdb.set(None));
}

#[test]
#[should_panic(expected = "cpu0: mmurelease: islo")]
fn interrupts_must_be_off_to_bury() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let proc = cpu.up().expect("a process");
    leave(&cpu);
    cpu.store(&proc.state, DEAD);
    cpu.spllo();
    mmurelease(&cpu, cpu.proc(0), 0);
}
