//! Write combining: patwc against CPUs that use the old memory type.

use mmu386::layout::BY2PG;
use mmu386::variant::Variant;

use super::handshake::{machine, page_in_use};
use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Fault, GEOMETRY, Script, Wait, device};
use crate::oracle::Property::{V1, V4};

const OLD_TYPE: Break = Break::new(V4, "(its TLB");
const OLD_COPY: Break = Break::new(V4, "a stale large entry is left").or(V4, "(its TLB");

/// Two hazards are in the way; which strikes first is up to the engine.
const LEFT: Break = Break::new(V1, "vunmap has returned").or(V4, "patwc has returned");

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "combining-in-use",
            property: V4,
            hazard: "A10",
            cpus: 2,
            about: "One CPU makes a page write combining; another runs a process that uses it.",
            seed: Some(OLD_TYPE),
            upstream: Some(OLD_TYPE),
            mutants: &[Mutant::Without("a10", OLD_TYPE), Mutant::On(Fault::Cr3KeepsTlb, OLD_TYPE)],
            bounds: [None, None],
            body: for_variant!(combining_in_use),
        },
        Model {
            name: "combining-large-page",
            property: V4,
            hazard: "A10",
            cpus: 2,
            about: "One CPU makes a large page write combining; the other's page directory has a copy \
                    of the entry.",
            seed: Some(OLD_COPY),
            upstream: Some(OLD_COPY),
            mutants: &[Mutant::Without("a10", OLD_COPY), Mutant::Without("a1", OLD_COPY)],
            bounds: [None, None],
            body: for_variant!(combining_large_page),
        },
        Model {
            name: "combining-beside-an-unmap",
            property: V1,
            hazard: "A1",
            cpus: 2,
            about: "One CPU unmaps a large page; another makes a large page write combining, and its interrupt \
                    handler uses the first.",
            seed: Some(LEFT),
            upstream: Some(LEFT),
            mutants: &[Mutant::Without("a1", LEFT)],
            bounds: [Some(3), Some(2)],
            body: for_variant!(combining_beside_an_unmap),
        },
    ]
}

fn combining_in_use<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let va = page_in_use(&machine, 2, 0);
    machine.start(vec![
        Script::new(0, move |cpu| cpu.patwc(va, BY2PG)).ticking(),
        Script::new(1, move |cpu| {
            cpu.touch(va);
        })
        .ticking(),
    ]);
}

fn combining_large_page<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let size = GEOMETRY.large_page();
    let va = machine.cpu(0).vmap(device(0), size).expect("VMAP is empty");
    assert!(machine.cpu(1).touch(va), "the page is mapped");
    machine.start(vec![
        Script::new(0, move |cpu| cpu.patwc(va, size)).ticking(),
        Script::new(1, move |cpu| {
            cpu.touch(va);
        })
        .ticking(),
    ]);
}

fn combining_beside_an_unmap<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let size = GEOMETRY.large_page();
    let [gone, kept] = [0, 1].map(|n| {
        let va = machine.cpu(0).vmap(device(n), size).expect("VMAP is empty");
        assert!(machine.cpu(1).touch(va), "the page is mapped");
        va
    });
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(gone, size).expect("the range is whole")),
        Script::new(1, move |cpu| cpu.patwc(kept, size)).interrupted(move |cpu| {
            cpu.touch(gone);
        }),
    ]);
}
