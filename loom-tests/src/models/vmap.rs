//! VMAP: large pages and their copies, reuse of addresses, vmapsync.

use mmu386::layout::BY2PG;
use mmu386::pool::upallocpdb;
use mmu386::variant::Variant;

use super::handshake::machine;
use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Config, Fault, GEOMETRY, Machine, Script, Wait, device};
use crate::oracle::Property::{E2, L1, V1, V2};

/// A copy of a large entry is left, or what a TLB has made of it.
pub(super) const COPY: Break = Break::new(V1, "a stale large entry is left").or(V1, " maps ");
const COPY_ELSEWHERE: Break =
    Break::new(V1, "the pdb of process 1 maps").or(V1, "a stale large entry is left");
/// Or a copy of the old entry, where the caller does not wait for the CPU that has it.
const EARLY: Break = REUSED.or(V1, "a stale large entry is left");
pub(super) const UNSWEPT: Break = COPY.or(V1, "maps 0x10000 to");
const BACK: Break = Break::new(V1, "the entry is back in the master");
pub(super) const REUSED: Break = Break::new(V2, "still being unmapped");
const STUCK: Break = Break::new(L1, "vmaplock to leave 0x1").or(V2, "mapped to");
const OVERWRITTEN: Break = Break::new(E2, "reused before it was released");

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "large-page-in-use",
            property: V1,
            hazard: "A1",
            cpus: 2,
            about: "One CPU unmaps a large page; the other's loaded page directory has a copy of the entry.",
            seed: Some(COPY),
            upstream: Some(COPY),
            mutants: &[Mutant::Without("a1", COPY)],
            bounds: [None, None],
            body: for_variant!(large_page_in_use),
        },
        Model {
            name: "large-page-switched-out",
            property: V1,
            hazard: "A1",
            cpus: 2,
            about: "One CPU unmaps a large page; the other sleeps with a copy in its page directory, and comes back.",
            seed: Some(COPY_ELSEWHERE),
            upstream: Some(COPY_ELSEWHERE),
            mutants: &[Mutant::Without("a1", COPY_ELSEWHERE)],
            bounds: [None, None],
            body: for_variant!(large_page_switched_out),
        },
        Model {
            name: "large-page-idle-directory",
            property: V1,
            hazard: "A1",
            cpus: 2,
            about: "One CPU unmaps a large page; the other used it while idle, runs a process since, and idles again.",
            seed: Some(COPY),
            upstream: Some(COPY),
            mutants: &[Mutant::Without("a1", COPY)],
            bounds: [None, None],
            body: for_variant!(large_page_idle_directory),
        },
        Model {
            name: "address-reuse",
            property: V2,
            hazard: "A3",
            cpus: 2,
            about: "One CPU unmaps a page while another maps one.",
            seed: Some(REUSED),
            upstream: Some(REUSED),
            mutants: &[Mutant::Without("a3", REUSED)],
            bounds: [None, Some(4)],
            body: for_variant!(address_reuse),
        },
        Model {
            name: "two-mappers",
            property: V2,
            hazard: "-",
            cpus: 2,
            about: "Two CPUs map a page each: vmaplock must keep them apart.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::SwapNotLocked, STUCK)],
            bounds: [None, None],
            body: for_variant!(two_mappers),
        },
        Model {
            name: "sync-into-the-master",
            property: V1,
            hazard: "A6",
            cpus: 2,
            about: "CPU 0, running on the master, faults on a large page while another CPU unmaps it.",
            seed: Some(BACK),
            upstream: Some(BACK),
            mutants: &[Mutant::Without("a6", OVERWRITTEN)],
            bounds: [None, None],
            body: for_variant!(sync_into_the_master),
        },
        Model {
            name: "map-sync-unmap",
            property: V1,
            hazard: "A3",
            cpus: 3,
            about: "One CPU unmaps a large page, another faults on it, a third maps a large page and uses it.",
            seed: Some(EARLY),
            upstream: Some(EARLY),
            mutants: &[Mutant::Without("a3", REUSED), Mutant::Without("a1", UNSWEPT)],
            bounds: [Some(3), Some(1)],
            body: for_variant!(map_sync_unmap),
        },
    ]
}

fn large_page_in_use<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let size = GEOMETRY.large_page();
    let va = machine.cpu(0).vmap(device(0), size).expect("VMAP is empty");
    assert!(machine.cpu(1).touch(va), "the page is mapped");
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(va, size).expect("the range is whole")).ticking(),
        Script::rest(1),
    ]);
}

fn large_page_switched_out<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let size = GEOMETRY.large_page();
    let va = machine.cpu(0).vmap(device(0), size).expect("VMAP is empty");
    assert!(machine.cpu(1).touch(va), "the page is mapped");
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(va, size).expect("the range is whole")).ticking(),
        Script::new(1, |cpu| cpu.sleep()).dozing(),
    ]);
}

fn large_page_idle_directory<V: Variant>() {
    let machine = Machine::<V>::boot(Config::new(2, 2));
    machine.run_process(0);
    let size = GEOMETRY.large_page();
    let va = machine.cpu(0).vmap(device(0), size).expect("VMAP is empty");
    assert!(machine.cpu(1).touch(va), "the page is mapped");
    // Its page directory is a copy of the idle CPU's, large entry and all.
    machine.run_process(1);
    upallocpdb(&machine.cpu(1));
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(va, size).expect("the range is whole")).ticking(),
        Script::new(1, move |cpu| {
            // The process may answer here, and its CPU idle on the stale copy afterwards.
            cpu.touch(va);
            cpu.sleep();
        })
        .dozing(),
    ]);
}

fn address_reuse<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let old = machine.cpu(0).vmap(device(0), BY2PG).expect("VMAP is empty");
    assert!(machine.cpu(1).touch(old), "the page is mapped");
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(old, BY2PG).expect("the range is whole")).ticking(),
        Script::new(1, |cpu| {
            let new = cpu.vmap(device(1), BY2PG).expect("there is room for two");
            cpu.touch(new);
        })
        .ticking(),
    ]);
}

fn two_mappers<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    // One page is mapped already, so that both find the same page table.
    machine.cpu(0).vmap(device(0), BY2PG).expect("VMAP is empty");
    let map = |n: usize| {
        Script::new(n, move |cpu| {
            cpu.vmap(device(n as u32 + 1), BY2PG).expect("there is room for three");
        })
        .ticking()
    };
    machine.start(vec![map(0), map(1)]);
}

fn sync_into_the_master<V: Variant>() {
    // Processes without a page directory of their own run on their CPU's: process 0 on the master.
    let machine = Machine::<V>::boot(Config::new(2, 2));
    machine.run_process(0);
    machine.run_process(1);
    let size = GEOMETRY.large_page();
    let va = machine.cpu(1).vmap(device(0), size).expect("VMAP is empty");
    machine.start(vec![
        Script::new(0, move |cpu| cpu.fault(va)).ticking(),
        Script::new(1, move |cpu| cpu.vunmap(va, size).expect("the range is whole")).ticking(),
    ]);
}

fn map_sync_unmap<V: Variant>() {
    let machine = machine::<V>(3, 3, Wait::Park);
    let size = GEOMETRY.large_page();
    let old = machine.cpu(0).vmap(device(0), size).expect("VMAP is empty");
    // All of VMAP is in use, so that what is given back is what is given out.
    machine.cpu(0).vmap(device(1), BY2PG).expect("there is room");
    assert!(machine.cpu(2).touch(old), "the page is mapped");
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(old, size).expect("the range is whole")),
        Script::new(1, move |cpu| {
            cpu.touch(old);
        }),
        Script::new(2, move |cpu| {
            if let Ok(new) = cpu.vmap(device(2), size) {
                cpu.touch(new);
            }
        }),
    ]);
}
