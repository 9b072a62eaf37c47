//! procflushmmu against a process that leaves its CPU.

use mmu386::shootdown::procflushmmu;
use mmu386::variant::Variant;

use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Config, Cpu, Fault, Machine, Script, device};
use crate::oracle::Property::U1;

const GONE: Break = Break::new(U1, "which is not the process's").or(U1, "may see nothing");

pub(super) fn models() -> Vec<Model> {
    vec![Model {
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
    }]
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
