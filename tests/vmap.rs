//! vmap, vunmap and the search for holes on the host machine.

mod common;

use common::{LARGE, boot, boot_with, device, enter, on};
use mmu386::arch::Arch;
use mmu386::entry::PTEHELD;
use mmu386::error::{VmapError, VunmapError};
use mmu386::event::Event;
use mmu386::hole::{findhole, vmapalloc};
use mmu386::layout::{BY2PG, PC386};
use mmu386::variant::{Fixed, Fixes, Minus, Seed, Upstream, Variant};
use mmu386::vmap::{vmap, vunmap};
use mmu386::vmapsync::vmapsync;

const VMAP: u32 = 0xE000_0000;

/// 9front `pc/mmu.c`, findhole: the first run that is long enough.
#[test]
fn the_first_hole_that_is_large_enough_is_taken() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let master = cpu.master();
    let set = |index: u32, value| {
        cpu.store(cpu.at(PC386.kzero_base() + master.pa() + (896 + index) * 4), value);
    };
    set(1, 0x1001);
    set(4, PTEHELD);
    let hole = |n, count| findhole(&cpu, master, 896, n, count);
    assert_eq!(hole(8, 1), Some(0));
    assert_eq!(hole(8, 2), Some(2));
    assert_eq!(hole(8, 3), Some(5), "a held entry is not free");
    assert_eq!(hole(7, 3), None);
    assert_eq!(hole(0, 1), None);
    set(1, 0);
    set(4, 0);
}

/// 9front `pc/mmu.c`, vmapalloc: small mappings share a page table, large ones take whole slots.
#[test]
fn small_mappings_fill_page_tables_before_they_start_new_ones() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let map = |pa, size| vmap(&cpu, pa, size).expect("there is room");
    assert_eq!(map(device(0), 0x3000), VMAP);
    assert_eq!(map(device(1), LARGE), VMAP + LARGE);
    assert_eq!(map(device(2), 0x1000), VMAP + 0x3000);
    // What does not fit behind the others starts a table of its own, though a hole could span two.
    assert_eq!(map(device(3), 1022 * BY2PG), VMAP + 2 * LARGE);
    assert_eq!(map(device(4), 2 * BY2PG), VMAP + 0x4000);
    assert_eq!(map(device(5) + 0x1000, LARGE + 0x1000), VMAP + 3 * LARGE);
    vunmap(&cpu, VMAP + 0x1000, 0x1000).expect("a page of the first");
    assert_eq!(map(device(6), 0x1000), VMAP + 0x1000, "the first hole");
}

#[test]
fn a_full_vmap_says_so() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let all = vmap(&cpu, 0x4000_0000, PC386.vmap_size());
    assert_eq!(all, Ok(VMAP));
    for size in [BY2PG, LARGE] {
        assert_eq!(vmap(&cpu, device(0), size), Err(VmapError::NoSpace { size }));
    }
    assert_eq!(vmapalloc(&cpu, BY2PG), None);
    vunmap(&cpu, VMAP, PC386.vmap_size()).expect("it is mapped");
    assert_eq!(vmap(&cpu, device(0), BY2PG), Ok(VMAP));
}

#[test]
fn an_offset_into_the_page_is_kept() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let va = vmap(&cpu, device(0) + 0x123, 0x1000).expect("there is room");
    assert_eq!(va, VMAP + 0x123);
    assert_eq!(common::reach(&cpu, VMAP), Some(device(0)));
    assert_eq!(common::reach(&cpu, VMAP + 0x1000), Some(device(0) + 0x1000));
    assert_eq!(common::reach(&cpu, VMAP + 0x2000), None);
    vunmap(&cpu, va, 0x1000).expect("both pages");
    assert_eq!(common::reach(&cpu, VMAP), None);
    assert_eq!(common::reach(&cpu, VMAP + 0x1000), None);
}

#[test]
fn sizes_that_are_none_are_refused() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let zero = vmap(&cpu, 0xFFF, 16);
    assert_eq!(zero, Err(VmapError::ZeroPhysical));
    let pa = device(0) + 8;
    for size in [0, u32::MAX, u32::MAX - 0x1000, PC386.vmap_size()] {
        assert_eq!(vmap(&cpu, pa, size), Err(VmapError::BadSize { pa, size }));
    }
    let (pa, size) = (0xFFFF_F000, 0x2000);
    assert_eq!(vmap(&cpu, pa, size), Err(VmapError::BadSize { pa, size }));
    assert!(vmap(&cpu, pa, 0x1000).is_ok(), "the last page of memory is a range");
}

#[test]
fn ranges_that_vmap_never_gave_are_refused() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let va = vmap(&cpu, device(0), LARGE).expect("there is room");
    for size in [0, u32::MAX, u32::MAX - 0x10] {
        let at = va + 1;
        assert_eq!(vunmap(&cpu, at, size), Err(VunmapError::BadSize { va: at, size }));
    }
    let end = PC386.vmap_end();
    for (va, size) in
        [(VMAP - 0x1000, 0x1000), (end, 0x1000), (end - 0x1000, 0x2000), (va, 0x8000_0000)]
    {
        assert_eq!(vunmap(&cpu, va, size), Err(VunmapError::OutsideVmap { va, size }));
    }
    for (va, size) in [(va, 0x1000), (va + 0x1000, LARGE - 0x1000)] {
        assert_eq!(vunmap(&cpu, va, size), Err(VunmapError::PartOfLargePage { va, size }));
    }
    assert_eq!(common::reach(&cpu, va), Some(device(0)), "nothing was changed");
}

/// A9 on Seed: what C's int makes of such sizes.
#[test]
fn seed_maps_no_bytes_and_unmaps_a_whole_large_page_for_one() {
    let machine = boot::<Seed>();
    let cpu = on(&machine, 0);
    assert!(vmap(&cpu, device(0), 0).is_ok());
    let va = vmap(&cpu, device(1), LARGE).expect("there is room");
    assert_eq!(vunmap(&cpu, va, 0x1000), Ok(()));
    assert_eq!(common::reach(&cpu, va + 0x1000), None, "all of it is gone");
}

#[test]
#[should_panic(expected = "vunmap: range not in VMAP: va=0xdffff000 pa=0x00000000 size=0x1000")]
fn seed_panics_on_a_range_outside() {
    let machine = boot::<Seed>();
    let _ = vunmap(&on(&machine, 0), VMAP - 0x1000, 0x1000);
}

/// Without fix A3 alone, check and clearing are two steps, and nothing is held.
#[test]
fn without_a3_part_of_a_large_page_is_refused_all_the_same() {
    const A3: u32 = Fixes::A3.bits();
    let machine = boot::<Minus<A3>>();
    let cpu = on(&machine, 0);
    let va = vmap(&cpu, device(0), LARGE).expect("there is room");
    assert!(vunmap(&cpu, va, 0x1000).is_err());
    assert_eq!(vunmap(&cpu, va, LARGE), Ok(()));
}

/// Without fix A9 alone, vmaplock is held all the same.
#[test]
fn without_a9_entries_are_held_all_the_same() {
    const A9: u32 = Fixes::A9.bits();
    let machine = boot::<Minus<A9>>();
    let cpu = on(&machine, 0);
    let va = vmap(&cpu, device(0), 0x1000).expect("there is room");
    assert_eq!(vunmap(&cpu, va, 0x1000), Ok(()));
    assert_eq!(vmap(&cpu, device(1), 0x1000), Ok(va));
}

#[test]
#[should_panic(expected = "vunmap: entry was reused before it was released")]
fn an_entry_that_changed_while_it_was_held_is_noticed() {
    let machine = boot_with::<Fixed>(|config| config.cpus = 2);
    let cpu = on(&machine, 0);
    let va = vmap(&cpu, device(0), 0x1000).expect("there is room");
    let pte = common::walk_entry(&cpu, va);
    // The other CPU answers in the midst of vunmap: a moment at which to break the rule.
    machine.at_events(move |cpu, event| {
        if event == Event::Acknowledging && cpu.id() == 1 {
            cpu.store(cpu.at(pte), device(1) | 1);
        }
    });
    let _ = vunmap(&cpu, va, 0x1000);
}

fn unmap_with_a_process<V: Variant>() {
    let machine = boot::<V>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let other = on(&machine, 1);
    enter(&other, 1);
    let va = vmap(&cpu, device(0), 0x1000).expect("there is room");
    assert_eq!(common::reach(&other, va), Some(device(0)));
    vunmap(&cpu, va, 0x1000).expect("it is mapped");
    assert_eq!(common::reach(&other, va), None);
    assert_eq!(common::reach(&cpu, va), None);
}

#[test]
fn every_variant_unmaps_on_cpus_that_run_processes() {
    unmap_with_a_process::<Fixed>();
    unmap_with_a_process::<Seed>();
    unmap_with_a_process::<Upstream>();
}

#[test]
fn vmapsync_mends_what_the_master_maps_and_nothing_else() {
    let machine = boot::<Fixed>();
    let (cpu, other) = (on(&machine, 0), on(&machine, 1));
    let small = vmap(&cpu, device(0), 0x1000).expect("there is room");
    let large = vmap(&cpu, device(1), LARGE).expect("there is room");
    other.splhi();
    let slot = |va| other.load(other.at(PC386.vpd_entry(va)));
    for va in [0, VMAP - 1, PC386.vmap_end(), 0xF000_0000] {
        assert!(!vmapsync(&other, va), "{va:#x} is not in VMAP");
    }
    assert!(!vmapsync(&other, small + 0x1000), "a page table without that page");
    assert!(!vmapsync(&other, large + LARGE), "no page table");
    assert_eq!(slot(small), 0);
    assert!(vmapsync(&other, small) && vmapsync(&other, large + 0x5000));
    assert_ne!(slot(small), 0);
    assert_eq!(slot(large) & !0x60, device(1) | 0x93);
    // On the master there is nothing to copy.
    cpu.splhi();
    assert!(vmapsync(&cpu, large));
}
