//! procflushmmu against a process that leaves its CPU.

use mmu386::arch::{Arch, WordName};
use mmu386::shootdown::procflushmmu;
use mmu386::variant::Variant;

use super::handshake::machine;
use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Config, Cpu, Fault, Machine, Script, Wait, device};
use crate::oracle::Property::U1;

const GONE: Break = Break::new(U1, "which is not the process's").or(U1, "may see nothing");

pub(super) fn models() -> Vec<Model> {
    vec![
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
            bounds: [Some(3), Some(3)],
            body: for_variant!(leaving_against_flush),
        },
        Model {
            name: "three-flushes-against-fault",
            property: U1,
            hazard: "C1",
            cpus: 3,
            about: "Two processes make a third drop its mappings, and one of them takes a page from it, while that one \
                drops them itself and faults on the page.",
            seed: Some(GONE),
            upstream: Some(GONE),
            mutants: &[Mutant::Without("c1", GONE)],
            bounds: [Some(2), Some(1)],
            body: for_variant!(three_flushes_against_fault),
        },
    ]
}

/// Makes process `whom` drop its mappings.
fn flush<V: Variant>(cpu: &Cpu<V>, whom: usize) {
    procflushmmu(cpu, |proc| proc.index == whom);
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

/// The count that tells a fault of flushes must not lose one, or it comes back to what the fault saw.
fn three_flushes_against_fault<V: Variant>() {
    let machine = machine::<V>(3, 3, Wait::Park);
    machine.cpu(1).map_user(0, device(0)).expect("nobody flushes");
    let there = Cpu::<V>::word(WordName::Other("a page of a segment", 0), 1);
    let theirs = there.clone();
    machine.start(vec![
        Script::new(0, move |cpu| {
            cpu.store(&there, 0);
            flush(cpu, 1);
            cpu.taken_from_user(device(0));
        }),
        Script::new(1, move |cpu| {
            flush(cpu, 1);
            // If somebody flushes, the program would fault again.
            let _ = cpu.map_user_if(0, device(0), &theirs);
        }),
        Script::new(2, |cpu| flush(cpu, 1)),
    ]);
}
