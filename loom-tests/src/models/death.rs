//! Processes that die while others wait for their CPU.

use mmu386::layout::BY2PG;
use mmu386::pool::upallocpdb;
use mmu386::shootdown::procflushmmu;
use mmu386::variant::Variant;

use super::handshake::{NO_FLUSH, machine};
use super::vmap::{COPY, UNSWEPT};
use super::{Break, Model, Mutant, for_variant};
use crate::engine::Mode;
use crate::machine::{Config, Fault, GEOMETRY, Machine, Script, Wait, device};
use crate::oracle::Property::{U1, V1};

const POOLED: Break = COPY.or(V1, "in the pool of cpu 1 maps");
/// When procflushmmu returns, the flag of the dying process is still in the store buffer. Nobody can
/// enter that one any more; where it lives on, this is C2.
const UNFLAGGED: Break =
    Break { mode: Mode::Tso, ..Break::new(U1, "a page table of process 1 shows") };
const GONE: Break = Break::new(U1, "which is not the process's");

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "death-against-unmap",
            property: V1,
            hazard: "A1",
            cpus: 2,
            about: "One CPU unmaps a large page; a process that has used it dies, and another gets its page \
                    directory, and uses the address.",
            seed: Some(UNSWEPT),
            upstream: Some(UNSWEPT),
            mutants: &[Mutant::Without("a1", POOLED), NO_FLUSH],
            bounds: [None, Some(2)],
            body: for_variant!(death_against_unmap),
        },
        Model {
            name: "death-against-flush",
            property: U1,
            hazard: "C2",
            cpus: 2,
            about: "One process makes another drop its mappings, and takes a page from it, while that one dies.",
            seed: Some(UNFLAGGED),
            upstream: Some(UNFLAGGED),
            mutants: &[Mutant::On(Fault::Cr3KeepsTlb, GONE)],
            bounds: [None, Some(3)],
            body: for_variant!(death_against_flush),
        },
    ]
}

fn death_against_unmap<V: Variant>() {
    let machine = Machine::<V>::boot(Config::new(2, 3));
    for n in 0..2 {
        machine.run_process(n);
        upallocpdb(&machine.cpu(n));
    }
    machine.make_ready(2);
    let size = GEOMETRY.large_page();
    let va = machine.cpu(0).vmap(device(0), size).expect("VMAP is empty");
    assert!(machine.cpu(1).touch(va), "the page is mapped");
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(va, size).expect("the range is whole")),
        Script::new(1, |cpu| cpu.die()).ticking(),
        Script::ready(2, move |cpu| {
            upallocpdb(cpu);
            cpu.touch(va);
        }),
    ]);
}

fn death_against_flush<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    for page in 0..2 {
        machine.cpu(1).map_user(page * BY2PG, device(page)).expect("nobody flushes");
    }
    machine.start(vec![
        Script::new(0, |cpu| {
            procflushmmu(cpu, |proc| proc.index == 1);
            cpu.taken_from_user(device(0));
        }),
        Script::new(1, |cpu| {
            cpu.use_user(0);
            cpu.die();
        })
        .ticking(),
        Script::idle(),
    ]);
}
