//! procflushmmu against a process that leaves its CPU.

use std::rc::Rc;

use mmu386::arch::{Arch, WordName};
use mmu386::layout::BY2PG;
use mmu386::shootdown::procflushmmu;
use mmu386::user::fault_begins;
use mmu386::variant::Variant;

use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Config, Cpu, Fault, Machine, Script, device};
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
            bounds: [None, None],
            body: for_variant!(leaving_against_flush),
        },
        Model {
            name: "three-flushes-of-one-process",
            property: U1,
            hazard: "C1",
            cpus: 2,
            about: "A process faults. Another, which is preempted, makes it drop its mappings; so does a third, \
                    twice, which takes the page away in between.",
            // The two preemptions that loom is given are too few for it.
            seed: Some(GONE.explored()),
            upstream: Some(GONE.explored()),
            mutants: &[Mutant::Without("c1", GONE)],
            bounds: [Some(2), Some(1)],
            body: for_variant!(three_flushes_of_one_process),
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

fn three_flushes_of_one_process<V: Variant>() {
    let machine = Machine::<V>::boot(Config::new(2, 3));
    machine.run_process(0);
    machine.run_process(1);
    // The process has the page table already: what is explored is the fault alone.
    let faults = machine.cpu(1);
    faults.map_user(BY2PG, device(1)).expect("nobody flushes");
    faults.may_show_user(0, device(0));
    machine.make_ready(2);
    let there = Rc::new(Cpu::<V>::word(WordName::Other("the segment's page", 0), 1));
    let found = there.clone();
    machine.start(vec![
        Script::new(0, |cpu| {
            flush(cpu, 1);
            cpu.finish();
        })
        .preempted(),
        Script::new(1, move |cpu| {
            let ticket = fault_begins(cpu);
            if cpu.load(&found) == 1 && cpu.map_found(0, device(0), ticket).is_ok() {
                cpu.use_user(0);
            }
        }),
        Script::ready(2, move |cpu| {
            flush(cpu, 1);
            cpu.store(&there, 0);
            flush(cpu, 1);
            cpu.taken_from_user(device(0));
            cpu.finish();
        }),
    ]);
}
