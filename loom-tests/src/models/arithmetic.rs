//! Sizes and ranges that no caller should give, and what becomes of the mappings around them.

use mmu386::error::{VmapError, VunmapError};
use mmu386::layout::BY2PG;
use mmu386::variant::Variant;

use super::handshake::machine;
use super::{Break, Model, Mutant, for_variant};
use crate::machine::{GEOMETRY, Script, Wait, device};
use crate::oracle::Property::E1;
use crate::oracle::broken;

const TAKEN: Break = Break { property: E1, sign: "" };

pub(super) fn models() -> Vec<Model> {
    vec![Model {
        name: "bad-sizes",
        property: E1,
        hazard: "A9",
        cpus: 1,
        about: "One CPU maps nothing and too much, and unmaps part of a large page.",
        seed: Some(TAKEN),
        mutants: &[Mutant::Without("a9", TAKEN)],
        bounds: [None, None],
        body: for_variant!(bad_sizes),
    }]
}

fn bad_sizes<V: Variant>() {
    let machine = machine::<V>(1, 1, Wait::Park);
    let large = GEOMETRY.large_page();
    let va = machine.cpu(0).vmap(device(0), large).expect("VMAP is empty");
    machine.start(vec![Script::new(0, move |cpu| {
        let mapped = mmu386::vmap::vmap(cpu, device(1), 0);
        if !matches!(mapped, Err(VmapError::BadSize { .. })) {
            broken(E1, &format!("vmap of no bytes: {mapped:x?} instead of an error"));
        }
        let wraps = mmu386::vmap::vmap(cpu, device(1), u32::MAX - BY2PG);
        if !matches!(wraps, Err(VmapError::BadSize { .. })) {
            broken(E1, &format!("vmap of nearly 4 GB: {wraps:x?} instead of an error"));
        }
        let part = mmu386::vmap::vunmap(cpu, va, BY2PG);
        if !matches!(part, Err(VunmapError::PartOfLargePage { .. })) || !cpu.touch(va + BY2PG) {
            broken(E1, &format!("vunmap of part of a large page: {part:x?}"));
        }
        for (va, size) in [(va, 0), (va, u32::MAX), (GEOMETRY.vmap_end(), BY2PG), (0, BY2PG)] {
            if mmu386::vmap::vunmap(cpu, va, size).is_ok() {
                broken(E1, &format!("vunmap of {size:#x} bytes at {va:#x} did not refuse"));
            }
        }
    })]);
}
