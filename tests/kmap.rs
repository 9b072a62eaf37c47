//! kmap and kunmap on the host machine.

mod common;

use common::{above, below, boot, enter, leave, on, reach};
use mmu386::arch::{Arch, Owned};
use mmu386::error::KmapError;
use mmu386::kmap::{kmap, kunmap};
use mmu386::layout::PC386;
use mmu386::variant::Fixed;

const KMAP: u32 = 0xEF80_0000;

#[test]
fn slots_are_taken_one_after_the_other_and_round() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let (one, two) = (below(&cpu), above(&cpu));
    assert_eq!(kmap(&cpu, one), Ok(KMAP));
    assert_eq!(kmap(&cpu, two), Ok(KMAP + 0x1000));
    assert_eq!(reach(&cpu, KMAP), Some(one.pa()));
    assert_eq!(reach(&cpu, KMAP + 0x1000), Some(two.pa()));
    kunmap(&cpu, KMAP);
    assert_eq!(reach(&cpu, KMAP), None);
    assert_eq!(kmap(&cpu, one), Ok(KMAP + 0x2000), "the slot behind the last comes first");
    assert_eq!(cpu.up().map(|up| up.nkmap.get()), Some(2));
    cpu.store(cpu.at(KMAP + 0x1008), 5);
    leave(&cpu);
    assert_eq!(reach(&cpu, KMAP + 0x1000), None, "they are the process's own");
    let other = on(&machine, 1);
    enter(&other, 0);
    assert_eq!(other.load(other.at(KMAP + 0x1008)), 5, "wherever it runs");
}

#[test]
fn a_slot_that_is_reused_shows_the_new_page() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let (one, two) = (below(&cpu), below(&cpu));
    let va = kmap(&cpu, one).expect("there is room");
    assert_eq!(reach(&cpu, va), Some(one.pa()));
    kunmap(&cpu, va);
    // Once round: the last slot taken is the one before.
    cpu.up().expect("a process").lastkmap.set(1023);
    assert_eq!(kmap(&cpu, two), Ok(va));
    assert_eq!(reach(&cpu, va), Some(two.pa()));
}

#[test]
fn a_process_with_every_slot_taken_is_told_so() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let page = below(&cpu);
    for slot in 0..1024 {
        assert_eq!(kmap(&cpu, page), Ok(KMAP + slot * 0x1000));
    }
    assert_eq!(kmap(&cpu, page), Err(KmapError::Full { slots: 1024 }));
    assert_eq!(cpu.up().map(|up| up.nkmap.get()), Some(1024));
    assert!(cpu.islo());
    kunmap(&cpu, KMAP + 500 * 0x1000);
    assert_eq!(kmap(&cpu, page), Ok(KMAP + 500 * 0x1000));
}

fn broken_kmap(change: impl FnOnce(&common::Cpu<Fixed>)) {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let page = below(&cpu);
    let va = kmap(&cpu, page).expect("there is room");
    kunmap(&cpu, va);
    change(&cpu);
    let _ = kmap(&cpu, page);
}

#[test]
#[should_panic(expected = "cpu0 proc 0: kmap: negative nkmap")]
fn kmaps_are_not_fewer_than_none() {
    broken_kmap(|cpu| cpu.up().expect("a process").nkmap.set(-1));
}

#[test]
#[should_panic(expected = "kmap: no kmaptable")]
fn an_entry_without_a_kmaptable_is_noticed() {
    broken_kmap(|cpu| cpu.up().expect("a process").kmaptable.set(None));
}

#[test]
#[should_panic(expected = "kmap: kmaptable is not in the pdb")]
fn a_kmaptable_without_an_entry_is_noticed() {
    broken_kmap(|cpu| cpu.store(cpu.at(PC386.vpd_entry(KMAP)), 0));
}

#[test]
#[should_panic(expected = "cpu0: kmap: no process")]
fn kmap_needs_a_process() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let page = below(&cpu);
    let _ = kmap(&cpu, page);
}

fn broken_kunmap(va: u32, change: impl FnOnce(&common::Cpu<Fixed>)) {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let page = below(&cpu);
    kmap(&cpu, page).expect("there is room");
    change(&cpu);
    kunmap(&cpu, va);
}

#[test]
#[should_panic(expected = "kunmap: bad address: va=0xe0000000")]
fn an_address_outside_of_kmap_is_noticed() {
    broken_kunmap(0xE000_0000, |_| ());
}

#[test]
#[should_panic(expected = "kunmap: not mapped: va=0xef801000")]
fn a_slot_that_is_free_is_noticed() {
    broken_kunmap(KMAP + 0x1000, |_| ());
}

#[test]
#[should_panic(expected = "kunmap: negative nkmap")]
fn one_kunmap_too_many_is_noticed() {
    broken_kunmap(KMAP, |cpu| cpu.up().expect("a process").nkmap.set(0));
}

#[test]
#[should_panic(expected = "kunmap: no kmaps")]
fn kunmap_before_kmap_is_noticed() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    kunmap(&cpu, KMAP);
}
