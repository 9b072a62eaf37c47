//! Page directories and their pools, with processes that sleep, wake elsewhere and die.

use mmu386::pool::upallocpdb;
use mmu386::variant::Variant;

use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Config, Cpu, Fault, Machine, Script, device};
use crate::oracle::Property::{P1, P2, U1, U2};

const OTHERS: Break = Break::new(U1, "which is not the process's");
const WRONG_M: Break = Break::new(U2, "its own Mach");

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "pool-migration",
            property: P2,
            hazard: "-",
            cpus: 3,
            about: "Two processes on three CPUs take a page directory, sleeping for it and waking on \
                another CPU, map a user page, and die, giving the page directory to the pool of whatever CPU they \
                die on. One may be preempted anywhere.",
            seed: None,
            upstream: None,
            mutants: &[
                Mutant::On(Fault::SplhiIgnored, OTHERS),
                Mutant::On(Fault::MachKept, WRONG_M),
            ],
            bounds: [Some(2), Some(1)],
            body: for_variant!(pool_migration),
        },
        Model {
            name: "pool-overflow",
            property: P1,
            hazard: "-",
            cpus: 2,
            about: "The pools are full. Two processes map a page and die, and their page directories go back \
                    to the page allocator, where the other may find them. One may be preempted anywhere.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::MachKept, WRONG_M)],
            bounds: [Some(2), Some(2)],
            body: for_variant!(pool_overflow),
        },
    ]
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

fn pool_overflow<V: Variant>() {
    let machine = Machine::<V>::boot(Config::new(2, 4));
    for n in 0..2 {
        machine.run_on(n, n + 2);
        upallocpdb(&machine.cpu(n));
        machine.cpu(n).stop();
        // Another one dies, and leaves the pool full.
        machine.run_process(n);
        upallocpdb(&machine.cpu(n));
        machine.cpu(n).die();
        machine.run_on(n, n + 2);
    }
    let life = |cpu: &Cpu<V>| {
        cpu.map_user(0, device(0)).expect("nobody flushes");
        cpu.die();
    };
    machine.start(vec![Script::new(0, life).wandering(2), Script::new(1, life).waking(2)]);
}
