//! Page directories and their pools, with processes that sleep, wake elsewhere and die.

use mmu386::pool::upallocpdb;
use mmu386::variant::Variant;

use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Config, Fault, Machine, Script, device};
use crate::oracle::Property::{P2, U1, U2};

const OTHERS: Break = Break::new(U1, "which is not the process's");
const WRONG_M: Break = Break::new(U2, "its own Mach");

pub(super) fn models() -> Vec<Model> {
    vec![Model {
        name: "pool-migration",
        property: P2,
        hazard: "-",
        cpus: 3,
        about: "Two processes on three CPUs take a page directory, sleeping for it and waking on \
                another CPU, map a user page, and die, giving the page directory to the pool of whatever CPU they \
                die on. One may be preempted anywhere.",
        seed: None,
        upstream: None,
        mutants: &[Mutant::On(Fault::SplhiIgnored, OTHERS), Mutant::On(Fault::MachKept, WRONG_M)],
        bounds: [Some(2), Some(1)],
        body: for_variant!(pool_migration),
    }]
}

fn pool_migration<V: Variant>() {
    let machine = Machine::<V>::boot(Config::new(3, 2));
    for n in 0..2 {
        machine.run_process(n);
    }
    let life = |n: usize| {
        Script::new(n, |cpu| {
            upallocpdb(cpu);
            cpu.map_user(0, device(0)).expect("nobody flushes");
            cpu.die();
        })
    };
    machine.start(vec![life(0).wandering(3), life(1).waking(3)]);
}
