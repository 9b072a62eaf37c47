//! procflushmmu against what its process does at the moment: faulting, or leaving its CPU.

use mmu386::arch::{Arch, WordName};
use mmu386::entry::PTEWRITE;
use mmu386::layout::BY2PG;
use mmu386::shootdown::procflushmmu;
use mmu386::user::{fault_begins, putmmu};
use mmu386::variant::Variant;

use super::{Break, Model, Mutant, for_variant};
use crate::engine::{Sharing, Word};
use crate::machine::{Config, Cpu, Fault, Machine, Script, device};
use crate::oracle::Property::U1;

const GONE: Break = Break::new(U1, "which is not the process's").or(U1, "may see nothing");

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "fault-among-flushes",
            property: U1,
            hazard: "C1",
            cpus: 3,
            about: "Two CPUs make a process drop its mappings, one of them twice; a page is taken from it before \
                    the last time, while it faults on that page.",
            seed: Some(GONE),
            upstream: Some(GONE),
            mutants: &[Mutant::Without("c1", GONE)],
            bounds: [Some(2), Some(1)],
            body: for_variant!(fault_among_flushes),
        },
        Model {
            name: "leaving-against-flush",
            property: U1,
            hazard: "-",
            cpus: 2,
            about: "One process makes another drop its mappings, and takes a page from it, while that one leaves \
                    its CPU.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::Cr3KeepsTlb, GONE)],
            bounds: [None, None],
            body: for_variant!(leaving_against_flush),
        },
    ]
}

/// Makes process `whom` drop its mappings.
fn flush<V: Variant>(cpu: &Cpu<V>, whom: usize) {
    procflushmmu(cpu, |proc| proc.index == whom);
}

fn fault_among_flushes<V: Variant>() {
    let machine = Machine::<V>::boot(Config::new(3, 3));
    for n in 0..3 {
        machine.run_process(n);
    }
    // The process has the page table already, and may see the page as long as the segment has it.
    machine.cpu(2).map_user(BY2PG, device(1)).expect("nobody flushes");
    machine.cpu(2).may_show(0, device(0));
    let there = Word::new(WordName::Other("the segment has the page", 0), 1, Sharing::Shared);
    let looked_at = there.clone();
    machine.start(vec![
        Script::new(0, |cpu| flush(cpu, 2)),
        Script::new(1, move |cpu| {
            flush(cpu, 2);
            cpu.store(&there, 0);
            flush(cpu, 2);
            cpu.taken_from_user(device(0));
        }),
        Script::new(2, move |cpu| {
            let ticket = fault_begins(cpu);
            if cpu.load(&looked_at) != 0 {
                // Refused if a flush came: the process would look again, and find nothing.
                let _ = putmmu(cpu, 0, device(0) | PTEWRITE, ticket);
            }
        })
        .ticking(),
    ]);
}

fn leaving_against_flush<V: Variant>() {
    let machine = Machine::<V>::boot(Config::new(2, 2));
    machine.run_process(0);
    machine.run_process(1);
    machine.cpu(1).map_user(0, device(0)).expect("nobody flushes");
    machine.start(vec![
        Script::new(0, |cpu| {
            flush(cpu, 1);
            cpu.taken_from_user(device(0));
        }),
        Script::new(1, |cpu| cpu.finish()),
        Script::idle(),
    ]);
}
