//! patwc on the host machine.

mod common;

use common::{LARGE, boot, boot_with, device, on};
use mmu386::arch::Arch;
use mmu386::layout::PC386;
use mmu386::patwc::{IA32_PAT, PATWC, patwc};
use mmu386::variant::{Fixed, Fixes, Minus, Seed, Variant};
use mmu386::vmap::vmap;
use mmu386::walk::{Level, mmuwalk};

fn attributes<V: Variant>(cpu: &common::Cpu<V>, va: u32, level: Level) -> u32 {
    let word = mmuwalk(cpu, cpu.master(), va, level, false).expect("it is mapped");
    let mask = if level == Level::Directory { 0x1098 } else { 0x98 };
    cpu.load(word) & mask
}

#[test]
fn small_pages_get_the_attribute_page_by_page() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let va = vmap(&cpu, device(0), 0x4000).expect("there is room");
    // From within the second page to within the third.
    assert!(patwc(&cpu, va + 0x1800, 0x1000));
    let of = |page: u32| attributes(&cpu, va + page * 0x1000, Level::Table);
    assert_eq!([of(0), of(1), of(2), of(3)], [0x10, 0x98, 0x98, 0x10]);
}

#[test]
fn a_large_page_gets_it_whole() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let va = vmap(&cpu, device(0), LARGE + 0x2000).expect("there is room");
    assert!(patwc(&cpu, va + 0x5000, LARGE - 0x5000 + 0x1001));
    assert_eq!(attributes(&cpu, va, Level::Directory), 0x1098, "PAT is bit 12, and bit 7 its size");
    // The large page ends before the range does.
    let of = |page: u32| attributes(&cpu, va + LARGE + page * 0x1000, Level::Table);
    assert_eq!([of(0), of(1)], [0x98, 0x98]);
    let other = vmap(&cpu, device(3), LARGE).expect("there is room");
    assert!(patwc(&cpu, other, 0), "no bytes, no change");
    assert_eq!(attributes(&cpu, other, Level::Directory), 0x90);
}

#[test]
fn without_a_usable_table_nothing_is_changed() {
    let machine = boot_with::<Fixed>(|config| config.features.pat = false);
    let cpu = on(&machine, 0);
    let va = vmap(&cpu, device(0), 0x1000).expect("there is room");
    assert!(!patwc(&cpu, va, 0x1000));
    assert_eq!(attributes(&cpu, va, Level::Table), 0x10);

    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let va = vmap(&cpu, device(0), 0x1000).expect("there is room");
    cpu.splhi();
    cpu.wrmsr(IA32_PAT, 0);
    assert!(!patwc(&cpu, va, 0x1000));
}

#[test]
#[should_panic(expected = "patwc: not mapped: va=0xe0001000")]
fn what_is_not_mapped_has_no_memory_type() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let va = vmap(&cpu, device(0), 0x1000).expect("there is room");
    patwc(&cpu, va, 0x2000);
}

#[test]
#[should_panic(expected = "patwc: not mapped: va=0xe0400000")]
fn neither_has_what_has_no_page_table() {
    let machine = boot::<Fixed>();
    patwc(&on(&machine, 0), 0xE040_0000, 0x1000);
}

/// A10: another CPU has the entry, in its page directory and in its TLB.
fn old_type_is_left<V: Variant>(size: u32) -> bool {
    let machine = boot::<V>();
    let (cpu, other) = (on(&machine, 0), on(&machine, 1));
    let va = vmap(&cpu, device(0), size).expect("there is room");
    assert_eq!(common::reach(&other, va), Some(device(0)));
    assert!(patwc(&cpu, va, size));
    assert_eq!(common::reach(&other, va), Some(device(0)));
    let cached = common::cached_type(&other, va) != Some(PATWC);
    let slot = other.load(other.at(PC386.vpd_entry(va)));
    cached || (size >= LARGE && slot & 0x1018 != 0x1018)
}

#[test]
fn when_patwc_returns_no_cpu_has_the_old_memory_type() {
    assert!(!old_type_is_left::<Fixed>(0x1000));
    assert!(!old_type_is_left::<Fixed>(LARGE));
}

#[test]
fn seed_leaves_the_old_memory_type_on_other_cpus() {
    for size in [0x1000, LARGE] {
        assert!(old_type_is_left::<Seed>(size));
        assert!(old_type_is_left::<Minus<{ Fixes::A10.bits() }>>(size));
    }
}
