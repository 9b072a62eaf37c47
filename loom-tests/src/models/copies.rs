//! Copies of a large entry that goes away: on a CPU that comes online, in a page directory that is
//! made; and what is unmapped by mistake: a range that two CPUs unmap, a part of a large page.

use mmu386::arch::Arch;
use mmu386::layout::BY2PG;
use mmu386::pool::upallocpdb;
use mmu386::variant::Variant;
use mmu386::vmap::vunmap;

use super::handshake::{machine, page_in_use};
use super::vmap::COPY;
use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Config, GEOMETRY, Machine, Script, Wait, device};
use crate::oracle::Property::{E1, E2, V1, V2};
use crate::oracle::broken;

/// A copy, or where nothing is flushed without a process, what a TLB has made of it.
const ANY: Break = Break::new(V1, "vunmap has returned").or(V1, " maps ");
const TWICE: Break = Break::new(E2, "have both returned");
const PART: Break = Break::new(E1, "vunmap took a part").or(V2, "does not show");

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "coming-online-with-a-copy",
            property: V1,
            hazard: "A7",
            cpus: 2,
            about: "CPU 0 unmaps a large page while another CPU, whose page directory has a copy of the entry, \
                    comes online and uses it.",
            seed: Some(ANY),
            upstream: Some(ANY),
            mutants: &[Mutant::Without("a1", COPY), Mutant::Without("a7", ANY)],
            bounds: [None, Some(4)],
            body: for_variant!(coming_online_with_a_copy),
        },
        Model {
            name: "directory-made-during-unmap",
            property: V1,
            hazard: "A1",
            cpus: 2,
            about: "One CPU unmaps a large page; another, whose own page directory has a copy of the entry, makes \
                    one for its process from that.",
            seed: Some(ANY),
            upstream: Some(ANY),
            mutants: &[Mutant::Without("a1", COPY)],
            bounds: [None, None],
            body: for_variant!(directory_made_during_unmap),
        },
        Model {
            name: "two-unmaps-of-one-range",
            property: E2,
            hazard: "A3",
            cpus: 2,
            about: "Two CPUs unmap the same page, which is a mistake: one succeeds, the other panics.",
            seed: Some(TWICE),
            upstream: Some(TWICE),
            mutants: &[Mutant::Without("a3", TWICE)],
            bounds: [None, None],
            body: for_variant!(two_unmaps_of_one_range),
        },
        Model {
            name: "map-against-a-mistaken-unmap",
            property: E1,
            hazard: "A9",
            cpus: 2,
            about: "One CPU maps a large page while another unmaps its first page, which is a mistake: that one \
                    panics or is refused.",
            seed: Some(PART),
            upstream: Some(PART),
            mutants: &[Mutant::Without("a9", PART)],
            bounds: [None, None],
            body: for_variant!(map_against_a_mistaken_unmap),
        },
    ]
}

fn coming_online_with_a_copy<V: Variant>() {
    let machine = Machine::<V>::boot(Config { online: 1, ..Config::new(2, 0) });
    let size = GEOMETRY.large_page();
    let va = machine.cpu(0).vmap(device(0), size).expect("VMAP is empty");
    assert!(machine.cpu(1).touch(va), "the page is mapped");
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(va, size).expect("the range is whole")),
        Script::new(1, move |cpu| {
            cpu.go_online();
            cpu.spllo();
            cpu.touch(va);
        }),
    ]);
}

fn directory_made_during_unmap<V: Variant>() {
    let machine = Machine::<V>::boot(Config::new(2, 2));
    machine.run_process(0);
    upallocpdb(&machine.cpu(0));
    let size = GEOMETRY.large_page();
    let va = machine.cpu(0).vmap(device(0), size).expect("VMAP is empty");
    assert!(machine.cpu(1).touch(va), "the page is mapped");
    machine.run_process(1);
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(va, size).expect("the range is whole")).ticking(),
        Script::new(1, upallocpdb),
    ]);
}

fn two_unmaps_of_one_range<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let va = page_in_use(&machine, 2, 0);
    // How many have ended, and how many of them have returned: the one that ends last knows.
    let ended = std::rc::Rc::new(std::cell::Cell::new((0, 0)));
    let unmap = |n: usize| {
        let ended = ended.clone();
        Script::new(n, move |cpu| {
            let result = cpu.unless_refused("vunmap: not mapped", || cpu.vunmap(va, BY2PG));
            let (mut all, mut returned) = ended.get();
            all += 1;
            returned += u32::from(result == Some(Ok(())));
            ended.set((all, returned));
            if all == 2 && returned != 1 {
                let who = if returned == 2 { "have both returned" } else { "have both failed" };
                broken(E2, &format!("two vunmaps of one range {who}"));
            }
        })
    };
    machine.start(vec![unmap(0), unmap(1)]);
}

fn map_against_a_mistaken_unmap<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    machine.start(vec![
        Script::new(0, |cpu| {
            cpu.vmap(device(0), GEOMETRY.large_page()).expect("VMAP is empty");
        }),
        Script::new(1, |cpu| {
            // The ledger does not hear of it: nothing may come of it.
            let part = || vunmap(cpu, GEOMETRY.vmap_base(), BY2PG);
            if cpu.unless_refused("vunmap: not mapped", part) == Some(Ok(())) {
                broken(E1, "vunmap took a part of a large page for a whole one");
            }
        }),
    ]);
}
