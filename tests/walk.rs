//! mmuwalk, pdbmap and pdbunmap on the host machine.

mod common;

use common::{LARGE, boot, boot_with, device, on};
use mmu386::arch::Arch;
use mmu386::entry::{Entry, PTEUNCACHED, PTEVALID, PTEWRITE};
use mmu386::kernelmap::{RemovedLarge, pdbmap, pdbunmap};
use mmu386::variant::Fixed;
use mmu386::walk::{Level, mmuwalk};

const VA: u32 = 0xE040_1000;

#[test]
fn a_walk_makes_a_page_table_only_if_it_is_asked_to() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let pdb = cpu.master();
    assert!(mmuwalk(&cpu, pdb, VA, Level::Directory, false).is_none());
    assert!(mmuwalk(&cpu, pdb, VA, Level::Table, false).is_none());
    let slot = mmuwalk(&cpu, pdb, VA, Level::Directory, true).expect("the directory is there");
    assert_eq!(cpu.load(slot), 0, "level 1 makes nothing");
    let pte = mmuwalk(&cpu, pdb, VA, Level::Table, true).expect("a table was made");
    assert_eq!(cpu.load(pte), 0, "a new table is cleared");
    let pde = Entry(cpu.load(slot));
    assert!(pde.table() && pde.0 & 0xFFF == PTEWRITE | PTEVALID);
    cpu.store(pte, 5);
    let again = mmuwalk(&cpu, pdb, VA, Level::Table, false).expect("it is there now");
    assert_eq!(cpu.load(again), 5, "and the same");
}

#[test]
#[should_panic(expected = "mmuwalk: page table entry of a large page: va=0xe0401000")]
fn a_large_page_has_no_page_table() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    pdbmap(&cpu, cpu.master(), device(0), 0xE040_0000, LARGE);
    mmuwalk(&cpu, cpu.master(), VA, Level::Table, false);
}

#[test]
#[should_panic(expected = "mmuwalk: no memory for a page table: va=0xe0401000")]
fn a_page_table_needs_memory() {
    let machine = boot_with::<Fixed>(|config| config.tables = 0);
    let cpu = on(&machine, 0);
    mmuwalk(&cpu, cpu.master(), VA, Level::Table, true);
}

fn pde(cpu: &common::Cpu<Fixed>, va: u32) -> Entry {
    let slot = mmuwalk(cpu, cpu.master(), va, Level::Directory, true).expect("a directory");
    Entry(cpu.load(slot))
}

fn pte(cpu: &common::Cpu<Fixed>, va: u32) -> u32 {
    cpu.load(mmuwalk(cpu, cpu.master(), va, Level::Table, false).expect("a table"))
}

/// 9front `pc/mmu.c`, pdbmap: a large page where both addresses are aligned and enough is left.
#[test]
fn large_pages_are_used_where_they_fit() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let (va, pa) = (0xE100_0000, device(2));
    pdbmap(&cpu, cpu.master(), pa | PTEUNCACHED | PTEWRITE, va, LARGE + 0x2000);
    assert_eq!(pde(&cpu, va).0, pa | 0x80 | PTEUNCACHED | PTEWRITE | PTEVALID);
    assert!(pde(&cpu, va + LARGE).table());
    for offset in [LARGE, LARGE + 0x1000] {
        assert_eq!(pte(&cpu, va + offset), (pa + offset) | PTEUNCACHED | PTEWRITE | PTEVALID);
    }
    assert_eq!(pte(&cpu, va + LARGE + 0x2000), 0);
}

#[test]
fn unaligned_memory_and_old_cpus_get_small_pages() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    pdbmap(&cpu, cpu.master(), device(0) + 0x1000, 0xE100_0000, LARGE);
    assert!(pde(&cpu, 0xE100_0000).table());
    assert_eq!(pte(&cpu, 0xE13F_F000), (device(0) + LARGE) | PTEVALID);

    let machine = boot_with::<Fixed>(|config| config.features.pse = false);
    let cpu = on(&machine, 0);
    pdbmap(&cpu, cpu.master(), device(0), 0xE100_0000, LARGE);
    assert!(pde(&cpu, 0xE100_0000).table());
}

#[test]
fn unmapping_clears_what_was_mapped_and_tells_of_large_pages() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let va = 0xE100_0000;
    pdbmap(&cpu, cpu.master(), device(0), va, LARGE + 0x2000);
    assert_eq!(pdbunmap(&cpu, cpu.master(), va, LARGE + 0x1000, 0), RemovedLarge(true));
    assert_eq!(pde(&cpu, va).0, 0);
    assert!(pde(&cpu, va + LARGE).table(), "page tables stay");
    assert_eq!(pte(&cpu, va + LARGE), 0);
    assert_ne!(pte(&cpu, va + LARGE + 0x1000), 0);
    let last = va + LARGE + 0x1000;
    assert_eq!(pdbunmap(&cpu, cpu.master(), last, 0x1000, 0), RemovedLarge(false));
}

#[test]
#[should_panic(expected = "vmap: mapped already by a large page: va=0xe1001000")]
fn a_large_page_is_not_mapped_over() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    pdbmap(&cpu, cpu.master(), device(0), 0xE100_0000, LARGE);
    pdbmap(&cpu, cpu.master(), device(1), 0xE100_1000, 0x1000);
}

#[test]
#[should_panic(expected = "vmap: mapped already: va=0xe1000000")]
fn a_page_is_not_mapped_over() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    pdbmap(&cpu, cpu.master(), device(0), 0xE100_0000, 0x1000);
    pdbmap(&cpu, cpu.master(), device(1), 0xE100_0000, 0x1000);
}

#[test]
#[should_panic(expected = "vunmap: not mapped: va=0xe1000000")]
fn what_has_no_page_table_is_not_unmapped() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    pdbunmap(&cpu, cpu.master(), 0xE100_0000, 0x1000, 0);
}

#[test]
#[should_panic(expected = "vunmap: not mapped: va=0xe1001000")]
fn what_has_no_entry_is_not_unmapped() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    pdbmap(&cpu, cpu.master(), device(0), 0xE100_0000, 0x1000);
    pdbunmap(&cpu, cpu.master(), 0xE100_0000, 0x2000, 0);
}

#[test]
#[should_panic(expected = "vunmap: misaligned: va=0xe1001000")]
fn part_of_a_large_page_is_not_unmapped() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    pdbmap(&cpu, cpu.master(), device(0), 0xE100_0000, LARGE);
    pdbunmap(&cpu, cpu.master(), 0xE100_1000, 0x1000, 0);
}
