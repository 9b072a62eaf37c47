//! The three shootdown protocols on the host machine.

mod common;

use common::{boot, device, enter, leave, on, reach};
use mmu386::arch::{Arch, Owned};
use mmu386::shootdown::{interrupt, offline, online, procflushmmu};
use mmu386::user::{fault_begins, putmmu};
use mmu386::variant::{Fixed, Fixes, Minus, Seed, Upstream, Variant};
use mmu386::vmap::{vmap, vunmap};

fn put<V: Variant>(cpu: &common::Cpu<V>, va: u32) {
    let ticket = fault_begins(cpu);
    putmmu(cpu, va, device(0), ticket).expect("nobody flushes");
}

fn tick<V: Variant>(cpu: &common::Cpu<V>) {
    let level = cpu.splhi();
    interrupt(cpu);
    cpu.splx(level);
}

#[test]
fn seeds_tick_clears_the_flag_and_flushes_for_a_process() {
    let machine = boot::<Seed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    put(&cpu, 0x5000);
    assert!(reach(&cpu, 0x5000).is_some());
    tick(&cpu);
    assert!(reach(&cpu, 0x5000).is_some(), "nobody asked");
    cpu.store(&cpu.m().flushmmu, 1);
    tick(&cpu);
    assert_eq!(reach(&cpu, 0x5000), None);
    assert_eq!(cpu.load(&cpu.m().flushmmu), 0);
}

/// A2: on a CPU without a process the flag goes and the translation stays.
#[test]
fn seeds_tick_does_not_flush_without_a_process() {
    let machine = boot::<Seed>();
    let cpu = on(&machine, 0);
    let va = vmap(&cpu, device(0), 0x1000).expect("there is room");
    assert!(reach(&cpu, va).is_some());
    cpu.store(cpu.at(common::walk_entry(&cpu, va)), 0);
    cpu.store(&cpu.m().flushmmu, 1);
    tick(&cpu);
    assert_eq!(cpu.load(&cpu.m().flushmmu), 0);
    assert!(reach(&cpu, va).is_some());
}

#[test]
fn upstreams_tick_flushes_only_who_has_newtlb() {
    let machine = boot::<Upstream>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    put(&cpu, 0x5000);
    cpu.store(&cpu.m().flushmmu, 1);
    tick(&cpu);
    assert!(reach(&cpu, 0x5000).is_some());
    assert_eq!(cpu.load(&cpu.m().flushmmu), 0);
    cpu.store(&cpu.up().expect("a process").newtlb, 1);
    cpu.store(&cpu.m().flushmmu, 1);
    tick(&cpu);
    assert_eq!(reach(&cpu, 0x5000), None);
    tick(&cpu);
}

#[test]
fn fixed_answers_the_newest_request_and_no_more_often() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 1);
    let va = vmap(&cpu, device(0), 0x1000).expect("there is room");
    assert!(reach(&cpu, va).is_some());
    cpu.store(cpu.at(common::walk_entry(&cpu, va)), 0);
    tick(&cpu);
    assert!(reach(&cpu, va).is_some(), "nobody asked");
    cpu.fetch_add(&cpu.system().flushgen, 2);
    tick(&cpu);
    assert_eq!(reach(&cpu, va), None, "process or not");
    assert_eq!(cpu.load(&cpu.m().flushed), cpu.load(&cpu.system().flushgen));
}

/// A2 alone: the CPU answers without a flush, as mmu.c's tick does.
#[test]
fn without_a2_a_cpu_without_a_process_answers_and_keeps_what_it_has() {
    let machine = boot::<Minus<{ Fixes::A2.bits() }>>();
    let cpu = on(&machine, 1);
    let va = vmap(&cpu, device(0), 0x1000).expect("there is room");
    assert!(reach(&cpu, va).is_some());
    cpu.store(cpu.at(common::walk_entry(&cpu, va)), 0);
    cpu.fetch_add(&cpu.system().flushgen, 1);
    tick(&cpu);
    assert!(reach(&cpu, va).is_some());
    assert_eq!(cpu.load(&cpu.m().flushed), cpu.load(&cpu.system().flushgen));
}

#[test]
fn fixed_drops_user_mappings_for_who_was_asked_alone() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    put(&cpu, 0x5000);
    cpu.fetch_add(&cpu.system().flushgen, 1);
    tick(&cpu);
    assert!(reach(&cpu, 0x5000).is_some());
    cpu.store(&cpu.up().expect("a process").newtlb, 1);
    cpu.fetch_add(&cpu.system().flushgen, 1);
    tick(&cpu);
    assert_eq!(reach(&cpu, 0x5000), None);
}

#[test]
fn a_cpu_that_comes_online_has_answered_what_was_asked_before() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 1);
    cpu.splhi();
    cpu.store(&cpu.m().online, 0);
    cpu.fetch_add(&cpu.system().flushgen, 3);
    online(&cpu);
    assert_eq!(cpu.load(&cpu.m().online), 1);
    assert_eq!(cpu.load(&cpu.m().flushed), cpu.load(&cpu.system().flushgen));
    let machine = boot::<Upstream>();
    let cpu = on(&machine, 1);
    cpu.store(&cpu.m().online, 0);
    online(&cpu);
    assert_eq!(cpu.load(&cpu.m().online), 1);
}

/// CPU 1 uses a page, goes offline, misses the page's vunmap, and comes back.
fn misses_a_vunmap<V: Variant>() -> Option<u32> {
    let machine = boot::<V>();
    let (cpu, other) = (on(&machine, 0), on(&machine, 1));
    enter(&cpu, 0);
    let va = vmap(&cpu, device(0), 0x1000).expect("there is room");
    assert!(reach(&other, va).is_some());
    other.splhi();
    offline(&other);
    assert_eq!(cpu.load(&other.m().online), 0);
    // With interrupts off it would not answer: nobody waits for it.
    vunmap(&cpu, va, 0x1000).expect("it is mapped");
    online(&other);
    reach(&other, va)
}

#[test]
fn nobody_waits_for_a_cpu_that_is_offline() {
    assert_eq!(misses_a_vunmap::<Fixed>(), None, "it has nothing left when it comes back");
    assert!(misses_a_vunmap::<Upstream>().is_some());
}

/// The counter of requests may have gone half round since it went: its old answer must not count.
#[test]
fn a_cpu_that_was_offline_for_long_has_answered_nothing_new() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 1);
    cpu.splhi();
    offline(&cpu);
    let old = cpu.load(&cpu.m().flushed);
    cpu.fetch_add(&cpu.system().flushgen, 1 << 31);
    online(&cpu);
    assert_eq!(cpu.load(&cpu.m().flushed), old.wrapping_add(1 << 31));
}

fn drops_for_processes<V: Variant>() {
    let machine = boot::<V>();
    let (cpu, other, idle) = (on(&machine, 0), on(&machine, 1), on(&machine, 2));
    for (cpu, proc) in [(&idle, 2), (&cpu, 0), (&other, 1)] {
        enter(cpu, proc);
        put(cpu, 0x5000);
        assert!(reach(cpu, 0x5000).is_some());
    }
    leave(&idle);
    procflushmmu(&cpu, |proc| proc.index != 0);
    assert_eq!(reach(&other, 0x5000), None);
    assert!(reach(&cpu, 0x5000).is_some(), "the caller was not asked");
    enter(&idle, 2);
    assert_eq!(reach(&idle, 0x5000), None);
    procflushmmu(&cpu, |proc| proc.index == 0);
    assert_eq!(reach(&cpu, 0x5000), None);
    procflushmmu(&cpu, |_| false);
}

#[test]
fn procflushmmu_makes_those_who_match_drop_their_mappings() {
    drops_for_processes::<Fixed>();
    drops_for_processes::<Seed>();
    drops_for_processes::<Upstream>();
    drops_for_processes::<Minus<{ Fixes::C2.bits() }>>();
}

#[test]
fn dead_processes_are_not_asked() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    procflushmmu(&cpu, |_| true);
    assert_eq!(cpu.load(&cpu.proc(0).flushes), 1);
    assert_eq!(cpu.load(&cpu.proc(1).flushes), 0);
    assert_eq!(cpu.load(&cpu.proc(1).newtlb), 0);
}

/// A7: without a process mmu.c flushes the local CPU alone.
#[test]
fn early_boot_asks_all_or_one() {
    fn others_see<V: Variant>() -> bool {
        let machine = boot::<V>();
        let (cpu, other) = (on(&machine, 0), on(&machine, 1));
        let va = vmap(&cpu, device(0), 0x1000).expect("there is room");
        assert!(reach(&other, va).is_some() && reach(&cpu, va).is_some());
        vunmap(&cpu, va, 0x1000).expect("it is mapped");
        assert_eq!(reach(&cpu, va), None);
        reach(&other, va).is_some()
    }
    assert!(!others_see::<Fixed>());
    assert!(others_see::<Seed>());
    assert!(others_see::<Upstream>());
    assert!(others_see::<Minus<{ Fixes::A7.bits() }>>());
}

/// With interrupts off, whoever waits serves; the other CPU answers its own.
#[test]
fn fixed_unmaps_with_interrupts_off() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let va = vmap(&cpu, device(0), 0x1000).expect("there is room");
    cpu.splhi();
    vunmap(&cpu, va, 0x1000).expect("it is mapped");
    assert!(!cpu.islo());
    assert_eq!(cpu.up().map(|up| up.nlocks.get()), Some(0));
}

#[test]
#[should_panic]
fn seed_waits_for_itself_with_interrupts_off() {
    let machine = boot::<Seed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let va = vmap(&cpu, device(0), 0x1000).expect("there is room");
    cpu.splhi();
    let _ = vunmap(&cpu, va, 0x1000);
}
