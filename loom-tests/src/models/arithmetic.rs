//! Sizes and ranges that no caller should give, and what becomes of the mappings around them.

use mmu386::error::{VmapError, VunmapError};
use mmu386::layout::BY2PG;
use mmu386::variant::Variant;
use mmu386::vmap::{vmap, vunmap};

use super::handshake::machine;
use super::{Break, Model, Mutant, for_variant};
use crate::machine::{GEOMETRY, Script, Wait, device};
use crate::oracle::Property::E1;
use crate::oracle::broken;

const NOTHING: Break = Break::new(E1, "vmap of no bytes");
const PART: Break = Break::new(E1, "vunmap of part of a large page");
const TAKEN: Break = Break::new(E1, "vunmap of 0x0 bytes");

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "map-nothing",
            property: E1,
            hazard: "A9",
            cpus: 1,
            about: "vmap of no bytes.",
            seed: Some(NOTHING),
            upstream: Some(NOTHING),
            mutants: &[Mutant::Without("a9", NOTHING)],
            bounds: [None, None],
            body: for_variant!(map_nothing),
        },
        Model {
            name: "unmap-part-of-a-large-page",
            property: E1,
            hazard: "A9",
            cpus: 1,
            about: "vunmap of one page of a large page.",
            seed: Some(PART),
            upstream: Some(PART),
            mutants: &[Mutant::Without("a9", PART)],
            bounds: [None, None],
            body: for_variant!(unmap_part),
        },
        Model {
            name: "unmap-nothing",
            property: E1,
            hazard: "A9",
            cpus: 1,
            about: "vunmap of no bytes and of nearly 4 GB, vmap of nearly 4 GB.",
            seed: Some(TAKEN),
            upstream: Some(TAKEN),
            mutants: &[Mutant::Without("a9", TAKEN)],
            bounds: [None, None],
            body: for_variant!(unmap_nothing),
        },
    ]
}

fn map_nothing<V: Variant>() {
    let machine = machine::<V>(1, 1, Wait::Park);
    machine.start(vec![Script::new(0, |cpu| {
        let mapped = vmap(cpu, device(1), 0);
        if !matches!(mapped, Err(VmapError::BadSize { .. })) {
            broken(E1, &format!("vmap of no bytes: {mapped:x?} instead of an error"));
        }
    })]);
}

fn unmap_part<V: Variant>() {
    let machine = machine::<V>(1, 1, Wait::Park);
    let va = machine.cpu(0).vmap(device(0), GEOMETRY.large_page()).expect("VMAP is empty");
    machine.start(vec![Script::new(0, move |cpu| {
        let part = vunmap(cpu, va, BY2PG);
        if !matches!(part, Err(VunmapError::PartOfLargePage { .. })) || !cpu.touch(va + BY2PG) {
            broken(E1, &format!("vunmap of part of a large page: {part:x?}"));
        }
    })]);
}

fn unmap_nothing<V: Variant>() {
    let machine = machine::<V>(1, 1, Wait::Park);
    let va = machine.cpu(0).vmap(device(0), BY2PG).expect("VMAP is empty");
    machine.start(vec![Script::new(0, move |cpu| {
        for (va, size) in [(va, 0), (va, u32::MAX), (GEOMETRY.vmap_end(), BY2PG), (0, BY2PG)] {
            if vunmap(cpu, va, size).is_ok() {
                broken(E1, &format!("vunmap of {size:#x} bytes at {va:#x} did not refuse"));
            }
        }
        for (pa, size) in [(device(1), u32::MAX - BY2PG), (device(1), u32::MAX), (!0xfff, 0x2000)] {
            if vmap(cpu, pa, size).is_ok() {
                broken(E1, &format!("vmap of {size:#x} bytes at {pa:#x} did not refuse"));
            }
        }
        if !cpu.touch(va) {
            broken(E1, "a refused call took a mapping away");
        }
    })]);
}
