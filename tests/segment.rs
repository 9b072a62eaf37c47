//! Shared segments on the host machine.

mod common;

use std::sync::Arc;

use common::{boot, enter, leave, on, reach};
use mmu386::arch::{Arch, Owned};
use mmu386::error::{KmapError, PutmmuError, SegmentError};
use mmu386::function::Function;
use mmu386::layout::Frame;
use mmu386::segment::Segment;
use mmu386::variant::{Fixed, Fixes, Minus, Seed, Upstream, Variant};

const BASE: u32 = 0x1000_0000;

#[test]
fn a_fault_maps_a_cleared_page_and_the_next_process_gets_the_same() {
    let machine = boot::<Fixed>();
    let (cpu, other) = (on(&machine, 0), on(&machine, 1));
    enter(&cpu, 0);
    enter(&other, 1);
    let segment = Segment::<_, 4>::new(BASE);
    segment.fault(&cpu, BASE + 0x2345).expect("it is in the segment");
    let page = reach(&cpu, BASE + 0x2000).expect("it is mapped");
    let va = mmu386::kmap::kmap(&cpu, mmu386::layout::Frame::containing(page)).expect("room");
    for offset in (0..4096).step_by(4) {
        assert_eq!(cpu.load(cpu.at(va + offset)), 0);
    }
    assert_eq!(reach(&cpu, BASE), None);
    segment.fault(&other, BASE + 0x2000).expect("it is in the segment");
    assert_eq!(reach(&other, BASE + 0x2000), Some(page));
}

#[test]
fn addresses_outside_are_refused() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let segment = Segment::<_, 4>::new(BASE);
    for va in [0, BASE - 1, BASE + 0x4000, u32::MAX] {
        assert_eq!(segment.fault(&cpu, va), Err(SegmentError::Outside { va }));
        assert_eq!(segment.free(&cpu, va, 1, |_| true), Err(SegmentError::Outside { va }));
    }
    let end = BASE + 0x4000;
    let past = segment.free(&cpu, BASE + 0x2000, 3, |_| true);
    assert_eq!(past, Err(SegmentError::Outside { va: end }));
    let kernel = Segment::<_, 1>::new(0xE000_0000);
    let refused = SegmentError::Putmmu(PutmmuError::NotUser { va: 0xE000_0000 });
    assert_eq!(kernel.fault(&cpu, 0xE000_0000), Err(refused));
}

/// Processes 0 and 1 use the segment on CPUs 0 and 1, process 2 sleeps; 0 frees the page.
fn freed_page_is_out_of_reach<V: Variant>() {
    let machine = boot::<V>();
    let (cpu, other, third) = (on(&machine, 0), on(&machine, 1), on(&machine, 2));
    let segment = Segment::<_, 2>::new(BASE);
    for (cpu, proc) in [(&third, 2), (&cpu, 0), (&other, 1)] {
        enter(cpu, proc);
        segment.fault(cpu, BASE).expect("it is in the segment");
        assert!(reach(cpu, BASE).is_some());
    }
    leave(&third);
    let free = machine.free_pages();
    segment.free(&cpu, BASE, 2, |proc| proc.index < 3).expect("it is in the segment");
    assert_eq!(machine.free_pages(), free + 1);
    for cpu in [&cpu, &other, &third] {
        assert_eq!(reach(cpu, BASE), None);
    }
    enter(&third, 2);
    assert_eq!(reach(&third, BASE), None, "the sleeper drops it before it runs");
    segment.fault(&other, BASE).expect("a new page");
    assert!(reach(&other, BASE).is_some());
}

#[test]
fn a_page_that_was_freed_is_out_of_everybodys_reach() {
    freed_page_is_out_of_reach::<Fixed>();
    freed_page_is_out_of_reach::<Seed>();
    freed_page_is_out_of_reach::<Upstream>();
    freed_page_is_out_of_reach::<Minus<{ Fixes::C1.bits() }>>();
    freed_page_is_out_of_reach::<Minus<{ Fixes::C2.bits() }>>();
}

#[test]
fn freeing_nothing_and_asking_nobody_is_no_harm() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let segment = Segment::<_, 2>::new(BASE);
    segment.free(&cpu, BASE, 2, |_| false).expect("there is nothing to free");
    segment.fault(&cpu, BASE).expect("it is in the segment");
    segment.free(&cpu, BASE, 0, |_| true).expect("no page is asked for");
    let flushes = cpu.load(&cpu.system().flushgen);
    segment.free(&cpu, BASE, 1, |_| true).expect("it is in the segment");
    assert_eq!(cpu.load(&cpu.system().flushgen), flushes + 1);
}

/// While the page is being made, another process makes one, too.
#[test]
fn of_two_pages_for_one_place_the_first_stays() {
    let machine = boot::<Fixed>();
    let (cpu, other) = (on(&machine, 0), on(&machine, 1));
    enter(&cpu, 0);
    enter(&other, 1);
    let segment = Arc::new(Segment::<_, 1>::new(BASE));
    let theirs = segment.clone();
    common::at_call(&cpu, Function::Kmap, move |cpu| {
        let other = on(cpu.machine(), 1);
        theirs.fault(&other, BASE).expect("it is in the segment");
    });
    segment.fault(&cpu, BASE).expect("it is in the segment");
    assert_eq!(reach(&cpu, BASE), reach(&other, BASE));
}

/// A flush comes between the look at the segment and putmmu: the fault looks again.
#[test]
fn a_fault_that_met_a_flush_looks_again() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let segment = Arc::new(Segment::<_, 1>::new(BASE));
    let theirs = segment.clone();
    common::at_call(&cpu, Function::Putmmu, move |cpu| {
        theirs.free(cpu, BASE, 1, |_| true).expect("it is in the segment");
    });
    segment.fault(&cpu, BASE).expect("it is in the segment");
    let page = Frame::containing(reach(&cpu, BASE).expect("it is mapped"));
    assert_eq!(cpu.page(page).refs.get(), 1, "what is mapped is not free");
    assert_eq!(machine.calls(Function::Putmmu), 2);
}

#[test]
fn a_process_without_kmaps_left_gives_the_page_back() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let page = common::below(&cpu);
    while mmu386::kmap::kmap(&cpu, page).is_ok() {}
    let free = machine.free_pages();
    let segment = Segment::<_, 1>::new(BASE);
    let full = SegmentError::Kmap(KmapError::Full { slots: 1024 });
    assert_eq!(segment.fault(&cpu, BASE), Err(full));
    assert_eq!(machine.free_pages(), free);
}
