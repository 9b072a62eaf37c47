//! User memory: faults, and calls that take pages away meanwhile.

use std::rc::Rc;

use mmu386::arch::Arch;
use mmu386::layout::BY2PG;
use mmu386::segment::Segment;
use mmu386::shootdown::procflushmmu;
use mmu386::switch::flushmmu;
use mmu386::user::checkmmu;
use mmu386::variant::Variant;

use super::handshake::machine;
use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Booted, Config, Cpu, Fault, Machine, Script, Wait, device};
use crate::oracle::Property::{E2, K1, U1};
use crate::oracle::broken;

/// It can be used as it is given back, or is mapped once more after that.
const FREED: Break = Break::new(U1, "a page is given back").or(U1, "which is free");
const FREED_OR_GONE: Break = FREED.or(U1, "which is not the process's");
/// What a page table that was kept leads to, which by now somebody else may have.
const LEFTOVER: Break = Break::new(U1, "which is free").or(U1, "which is not the process's");
const GONE: Break = Break::new(U1, "which is not the process's").or(U1, "may see nothing");
const MISSED: Break = GONE.as_written();
const FAULT: Break = Break::new(E2, "page fault at");
const KMAP_GARBAGE: Break = Break::new(K1, "may still use");

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "fault-against-free",
            property: U1,
            hazard: "C1",
            cpus: 2,
            about: "Two processes share a segment: one faults while the other frees the page.",
            seed: Some(FREED),
            upstream: Some(FREED),
            mutants: &[Mutant::Without("c1", FREED)],
            bounds: [Some(3), Some(1)],
            body: for_variant!(fault_against_free),
        },
        Model {
            name: "shared-segment",
            property: U1,
            hazard: "C4",
            cpus: 2,
            about: "Two processes share a segment of two pages. One frees a page and faults on it again, as \
                    after a fork; the other faults on it and uses it.",
            seed: Some(LEFTOVER),
            upstream: Some(LEFTOVER),
            mutants: &[Mutant::Without("c1", FREED), Mutant::Without("c4", LEFTOVER)],
            bounds: [Some(2), Some(1)],
            body: for_variant!(shared_segment),
        },
        Model {
            name: "two-frees-of-one-page",
            property: U1,
            hazard: "-",
            cpus: 2,
            about: "Two processes that share a page free it at once: one takes it out of the segment, the other finds \
                    nothing there. Whoever returns first, nobody can use it any more.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::Cr3KeepsTlb, FREED_OR_GONE)],
            bounds: [Some(2), Some(1)],
            body: for_variant!(two_frees_of_one_page),
        },
        Model {
            name: "flush-a-running-process",
            property: U1,
            hazard: "-",
            cpus: 2,
            about: "One process makes another, which runs, drop its mappings.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::Cr3KeepsTlb, GONE)],
            bounds: [None, None],
            body: for_variant!(flush_a_running_process),
        },
        Model {
            name: "flush-a-sleeping-process",
            property: U1,
            hazard: "C2",
            cpus: 3,
            about: "One process makes another drop its mappings, which sleeps, and wakes on another CPU.",
            seed: Some(MISSED),
            upstream: Some(MISSED),
            mutants: &[Mutant::On(Fault::Cr3KeepsTlb, GONE)],
            bounds: [Some(1), Some(1)],
            body: for_variant!(flush_a_sleeping_process),
        },
        Model {
            name: "flag-against-switch",
            property: U1,
            hazard: "C2",
            cpus: 2,
            about: "One process makes another drop its mappings while a CPU enters that one.",
            seed: Some(MISSED),
            upstream: Some(MISSED),
            mutants: &[Mutant::Without("c2", MISSED)],
            bounds: [None, None],
            body: for_variant!(flag_against_switch),
        },
        Model {
            name: "check-against-flush",
            property: E2,
            hazard: "C3",
            cpus: 2,
            about: "A process checks what a user address shows while another makes it drop its mappings.",
            seed: Some(FAULT),
            upstream: Some(FAULT),
            mutants: &[Mutant::Without("c3", FAULT)],
            bounds: [None, None],
            body: for_variant!(check_against_flush),
        },
        Model {
            name: "kept-page-table",
            property: U1,
            hazard: "C4",
            cpus: 1,
            about: "A process faults again after a flush: the page table that it kept leads to a page \
                    that is gone.",
            seed: Some(GONE),
            upstream: Some(GONE),
            mutants: &[Mutant::Without("c4", GONE)],
            bounds: [None, None],
            body: for_variant!(kept_page_table),
        },
        Model {
            name: "first-kmap",
            property: K1,
            hazard: "C4",
            cpus: 1,
            about: "A process maps its first page in KMAP with a page table that newpage gave.",
            seed: Some(KMAP_GARBAGE),
            upstream: Some(KMAP_GARBAGE),
            mutants: &[Mutant::Without("c4", KMAP_GARBAGE)],
            bounds: [None, None],
            body: for_variant!(first_kmap),
        },
    ]
}

/// Process `n`, on its CPU in set-up, uses a page of device 0 at user address 0.
fn uses_a_page<V: Variant>(machine: &Booted<V>, n: usize) {
    machine.cpu(n).map_user(0, device(0)).expect("nobody flushes");
}

/// Makes the processes that match drop their mappings; the page of device 0 is nobody's then.
fn flush<V: Variant>(cpu: &Cpu<V>, whom: usize) {
    procflushmmu(cpu, |proc| proc.index == whom);
    cpu.taken_from_user(device(0));
}

fn fault_against_free<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let segment = Rc::new(Segment::<Cpu<V>, 1>::new(0));
    segment.fault(&machine.cpu(0), 0).expect("the address is the segment's");
    // The other process has the page table already: what is explored is the fault alone.
    machine.cpu(1).map_user(BY2PG, device(1)).expect("nobody flushes");
    let theirs = segment.clone();
    machine.start(vec![
        Script::new(0, move |cpu| {
            segment.free(cpu, 0, 1, |_| true).expect("the range is the segment's");
        }),
        Script::new(1, move |cpu| {
            theirs.fault(cpu, 0).expect("the address is the segment's");
        })
        .ticking(),
    ]);
}

fn shared_segment<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let segment = Rc::new(Segment::<Cpu<V>, 2>::new(0));
    for n in 0..2 {
        segment.fault(&machine.cpu(n), BY2PG).expect("the address is the segment's");
    }
    segment.fault(&machine.cpu(0), 0).expect("the address is the segment's");
    let theirs = segment.clone();
    machine.start(vec![
        Script::new(0, move |cpu| {
            segment.free(cpu, 0, 1, |_| true).expect("the range is the segment's");
            segment.fault(cpu, 0).expect("the address is the segment's");
            cpu.use_user(0);
        }),
        Script::new(1, move |cpu| {
            theirs.fault(cpu, 0).expect("the address is the segment's");
            cpu.use_user(0);
        })
        .ticking(),
    ]);
}

fn two_frees_of_one_page<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let segment = Rc::new(Segment::<Cpu<V>, 1>::new(0));
    for n in 0..2 {
        segment.fault(&machine.cpu(n), 0).expect("the address is the segment's");
    }
    let page = machine.cpu(0).leads_to(0).expect("the segment has it");
    let frees = |n| {
        let segment = segment.clone();
        Script::new(n, move |cpu: &Cpu<V>| {
            segment.free(cpu, 0, 1, |_| true).expect("the range is the segment's");
            // Also for a caller that has found nothing there: the other may not have flushed yet.
            cpu.taken_from_user(page);
        })
        .ticking()
    };
    machine.start(vec![frees(0), frees(1)]);
}

fn flush_a_running_process<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    uses_a_page(&machine, 1);
    machine.start(vec![
        Script::new(0, |cpu| flush(cpu, 1)).ticking(),
        Script::new(1, |cpu| {
            cpu.use_user(0);
        })
        .ticking(),
    ]);
}

fn flush_a_sleeping_process<V: Variant>() {
    let machine = Machine::<V>::boot(Config::new(3, 2));
    machine.run_process(0);
    machine.run_process(1);
    uses_a_page(&machine, 1);
    machine.start(vec![
        Script::new(0, |cpu| flush(cpu, 1)),
        Script::new(1, |cpu| {
            cpu.sleep();
            cpu.use_user(0);
        })
        .dozing_among(3),
        Script::idle(),
    ]);
}

fn flag_against_switch<V: Variant>() {
    let machine = Machine::<V>::boot(Config::new(2, 2));
    machine.run_process(0);
    machine.run_process(1);
    uses_a_page(&machine, 1);
    machine.cpu(1).stop();
    machine.start(vec![
        Script::new(0, |cpu| flush(cpu, 1)),
        Script::ready(1, |cpu| {
            cpu.use_user(0);
        }),
    ]);
}

fn check_against_flush<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    uses_a_page(&machine, 0);
    machine.start(vec![
        Script::new(0, |cpu| {
            if let Err(mismatch) = checkmmu(cpu, 0, device(0)) {
                broken(U1, &format!("checkmmu: {mismatch}"));
            }
        })
        .ticking(),
        Script::new(1, |cpu| flush(cpu, 0)),
    ]);
}

fn kept_page_table<V: Variant>() {
    let machine = Machine::<V>::boot(Config { spare_c4: false, ..Config::new(1, 1) });
    machine.run_process(0);
    uses_a_page(&machine, 0);
    machine.start(vec![Script::new(0, |cpu| {
        flushmmu(cpu);
        cpu.taken_from_user(device(0));
        cpu.map_user(BY2PG, device(1)).expect("nobody flushes");
    })]);
}

fn first_kmap<V: Variant>() {
    let machine = Machine::<V>::boot(Config { spare_c4: false, ..Config::new(1, 1) });
    machine.run_process(0);
    machine.start(vec![Script::new(0, |cpu| {
        let page = cpu.newpage();
        let va = cpu.kmap(page).expect("there are slots");
        cpu.store(cpu.at(va), 1);
        cpu.hold(page);
    })]);
}
