//! Mappings of several pages, small and large, in one range or in several.

use mmu386::layout::BY2PG;
use mmu386::pool::upallocpdb;
use mmu386::variant::Variant;

use super::boot::OLD;
use super::handshake::{NO_FLUSH, machine, page_in_use};
use super::vmap::{COPY, REUSED};
use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Booted, Config, GEOMETRY, Machine, Script, Wait, device};
use crate::oracle::Property::{V1, V2};

/// The small page by its translation, or the large one by a copy of its entry.
const LOST: Break = Break::new(V1, "vunmap has returned, and cpu");

/// Two hazards are in the way; which strikes first is up to the engine.
pub(super) const REUSED_OR_COPY: Break = REUSED.or(V1, "a stale large entry is left");

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "unmap-two-pages",
            property: V2,
            hazard: "A3",
            cpus: 2,
            about: "One CPU unmaps two pages at once while another, which has used both, maps one and uses it.",
            seed: Some(REUSED),
            upstream: Some(REUSED),
            mutants: &[Mutant::Without("a3", REUSED), NO_FLUSH],
            bounds: [None, Some(4)],
            body: for_variant!(unmap_two_pages),
        },
        Model {
            name: "unmap-across-sizes",
            property: V2,
            hazard: "A3",
            cpus: 2,
            about: "One CPU unmaps a range that is a large page and a small one; another, which has used both, \
                    uses them and maps a page.",
            seed: Some(REUSED_OR_COPY),
            upstream: Some(REUSED_OR_COPY),
            mutants: &[Mutant::Without("a3", REUSED), Mutant::Without("a1", COPY), NO_FLUSH],
            bounds: [None, Some(4)],
            body: for_variant!(unmap_across_sizes),
        },
        Model {
            name: "two-unmappers-of-two-sizes",
            property: V1,
            hazard: "A1",
            cpus: 2,
            about: "One CPU unmaps a page, another a large page; both have used both.",
            seed: Some(LOST),
            upstream: Some(LOST),
            mutants: &[Mutant::Without("a1", COPY), Mutant::Without("a4", LOST), NO_FLUSH],
            bounds: [Some(4), Some(2)],
            body: for_variant!(two_unmappers_of_two_sizes),
        },
        Model {
            name: "unmap-without-large-pages",
            property: V1,
            hazard: "-",
            cpus: 2,
            about: "On processors without large pages, page attributes and INVLPG, one CPU wants a large \
                    page's worth write combining and unmaps it; another uses it.",
            seed: None,
            upstream: None,
            mutants: &[NO_FLUSH],
            bounds: [None, None],
            body: for_variant!(unmap_without_large_pages),
        },
    ]
}

/// Maps `size` bytes of device `n`, and lets each CPU use the first and the last page.
pub(super) fn range_in_use<V: Variant>(machine: &Booted<V>, n: u32, size: u32) -> u32 {
    let va = machine.cpu(0).vmap(device(n), size).expect("VMAP is empty");
    for cpu in 0..2 {
        for page in [va, va + size - BY2PG] {
            assert!(machine.cpu(cpu).touch(page), "the range is mapped");
        }
    }
    va
}

fn unmap_two_pages<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let va = range_in_use(&machine, 0, 2 * BY2PG);
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(va, 2 * BY2PG).expect("the range is whole")),
        Script::new(1, |cpu| {
            let new = cpu.vmap(device(1), BY2PG).expect("there is room");
            cpu.touch(new);
        })
        .ticking(),
    ]);
}

fn unmap_across_sizes<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let size = GEOMETRY.large_page() + BY2PG;
    let va = range_in_use(&machine, 0, size);
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(va, size).expect("the range is whole")),
        Script::new(1, move |cpu| {
            cpu.touch(va);
            // The first page that is free: of the range, or behind it.
            let new = cpu.vmap(device(2), BY2PG).expect("there is room");
            cpu.touch(new);
        })
        .ticking(),
    ]);
}

fn two_unmappers_of_two_sizes<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let small = page_in_use(&machine, 2, 0);
    let size = GEOMETRY.large_page();
    let large = range_in_use(&machine, 1, size);
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(small, BY2PG).expect("the range is whole")).ticking(),
        Script::new(1, move |cpu| cpu.vunmap(large, size).expect("the range is whole")),
    ]);
}

fn unmap_without_large_pages<V: Variant>() {
    let machine = Machine::<V>::boot(Config { lacks: OLD, ..Config::new(2, 2) });
    for n in 0..2 {
        machine.run_process(n);
        upallocpdb(&machine.cpu(n));
    }
    let size = GEOMETRY.large_page();
    let va = range_in_use(&machine, 0, size);
    machine.start(vec![
        Script::new(0, move |cpu| {
            cpu.patwc(va, size);
            cpu.vunmap(va, size).expect("the range is whole");
        }),
        Script::new(1, move |cpu| {
            cpu.touch(va + size - BY2PG);
        })
        .ticking(),
    ]);
}
