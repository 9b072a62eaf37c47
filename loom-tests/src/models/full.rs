//! VMAP to the brim, and the first and the last address of everything.

use mmu386::error::{PutmmuError, VmapError};
use mmu386::kaddr::{kaddr, paddr};
use mmu386::layout::BY2PG;
use mmu386::user::{fault_begins, putmmu};
use mmu386::variant::Variant;
use mmu386::vmap::vmap;

use super::handshake::{NO_FLUSH, machine};
use super::vmap::COPY;
use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Cpu, GEOMETRY, Script, Wait, device};
use crate::oracle::Property::{E1, V1, V2, V3};
use crate::oracle::broken;

/// A translation that nothing flushed, or a copy of a large entry that is left.
const LEFT: Break = Break::new(V1, "vunmap has returned").or(V1, " maps ");
/// What putmmu maps where it should refuse.
const NOT_A_USERS: Break =
    Break::new(V1, "which vunmap took away").or(E1, "putmmu at the start of VMAP");

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "all-of-vmap",
            property: V2,
            hazard: "A1",
            cpus: 1,
            about: "All of VMAP is mapped, unmapped and mapped again: by two large pages, then by a large page \
                    and pages that fill a page table.",
            seed: Some(LEFT),
            upstream: Some(LEFT),
            mutants: &[Mutant::Without("a1", COPY), NO_FLUSH],
            bounds: [None, None],
            body: for_variant!(all_of_vmap),
        },
        Model {
            name: "large-page-beside-an-empty-table",
            property: V3,
            hazard: "-",
            cpus: 1,
            about: "A page is mapped, used and unmapped, which leaves an empty page table; then a large page \
                    is mapped, which must not take that table's place.",
            seed: None,
            upstream: None,
            mutants: &[NO_FLUSH],
            bounds: [None, None],
            body: for_variant!(large_page_beside_an_empty_table),
        },
        Model {
            name: "first-and-last-addresses",
            property: E1,
            hazard: "A9",
            cpus: 1,
            about: "The last user address and the first behind it, the ends of the window, and an unmap that \
                    ends where a large page begins.",
            seed: Some(NOT_A_USERS),
            upstream: Some(NOT_A_USERS),
            mutants: &[Mutant::Without("a9", NOT_A_USERS)],
            bounds: [None, None],
            body: for_variant!(first_and_last_addresses),
        },
    ]
}

/// Maps device memory, which must succeed, and uses both ends.
fn map_and_use<V: Variant>(cpu: &Cpu<V>, n: u32, size: u32) -> u32 {
    let va = match cpu.vmap(device(n), size) {
        Ok(va) => va,
        Err(error) => broken(V2, &format!("there is room for {size:#x} bytes: {error}")),
    };
    for page in [va, va + size - BY2PG] {
        if !cpu.touch(page) {
            broken(V2, &format!("{page:#x} is mapped, and faults"));
        }
    }
    va
}

fn unmap<V: Variant>(cpu: &Cpu<V>, va: u32, size: u32) {
    if let Err(error) = cpu.vunmap(va, size) {
        broken(E1, &format!("vunmap refused what vmap gave: {error}"));
    }
}

fn expect_full<V: Variant>(cpu: &Cpu<V>) {
    let more = vmap(cpu, device(5), BY2PG);
    if !matches!(more, Err(VmapError::NoSpace { .. })) {
        broken(V2, &format!("VMAP is full, and vmap says {more:x?}"));
    }
}

fn all_of_vmap<V: Variant>() {
    let machine = machine::<V>(1, 1, Wait::Park);
    machine.start(vec![Script::new(0, |cpu| {
        let (all, large) = (GEOMETRY.vmap_size(), GEOMETRY.large_page());
        for n in [0, 2] {
            let va = map_and_use(cpu, n, all);
            expect_full(cpu);
            unmap(cpu, va, all);
        }
        map_and_use(cpu, 0, large);
        map_and_use(cpu, 1, large - BY2PG);
        for n in [2, 3] {
            let last = map_and_use(cpu, n, BY2PG);
            expect_full(cpu);
            unmap(cpu, last, BY2PG);
        }
    })]);
}

fn large_page_beside_an_empty_table<V: Variant>() {
    let machine = machine::<V>(1, 1, Wait::Park);
    machine.start(vec![Script::new(0, |cpu| {
        let small = map_and_use(cpu, 0, BY2PG);
        unmap(cpu, small, BY2PG);
        // Not used: what the process's page directory has for the table stays there.
        cpu.vmap(device(1), GEOMETRY.large_page()).expect("half of VMAP is free");
    })]);
}

fn first_and_last_addresses<V: Variant>() {
    let machine = machine::<V>(1, 1, Wait::Park);
    machine.start(vec![Script::new(0, |cpu| {
        cpu.map_user(GEOMETRY.vmap_base() - BY2PG, device(0)).expect("the last user page");
        let ticket = fault_begins(cpu);
        let va = GEOMETRY.vmap_base();
        if putmmu(cpu, va, device(0), ticket) != Err(PutmmuError::NotUser { va }) {
            broken(E1, "putmmu at the start of VMAP did not refuse");
        }
        expect_window(cpu);
        let large = GEOMETRY.large_page();
        map_and_use(cpu, 1, large - BY2PG);
        let last = map_and_use(cpu, 2, BY2PG);
        if map_and_use(cpu, 3, large) != last + BY2PG {
            broken(V2, "the large page does not follow the small ones");
        }
        unmap(cpu, last, BY2PG);
    })]);
}

/// The window has no address more than it should.
fn expect_window<V: Variant>(cpu: &Cpu<V>) {
    let (base, end) = (GEOMETRY.kzero_base(), GEOMETRY.window);
    if kaddr(cpu, end - 1) != base + (end - 1) || paddr(cpu, base + (end - 1)) != end - 1 {
        broken(E1, "the last byte of the window is not where it should be");
    }
    if cpu.unless_refused("kaddr: above the window", || kaddr(cpu, end)).is_some() {
        broken(E1, "kaddr gives an address behind the window");
    }
    for va in [base - 1, base + end] {
        if cpu.unless_refused("paddr: not in the window", || paddr(cpu, va)).is_some() {
            broken(E1, &format!("paddr takes {va:#x} for an address of the window"));
        }
    }
}
