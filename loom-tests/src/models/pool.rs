//! Page directories and their pools, with processes that sleep, wake elsewhere and die.

use mmu386::arch::{Arch, Owned};
use mmu386::pool::upallocpdb;
use mmu386::variant::Variant;

use super::vmap::COPY;
use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Config, Cpu, Fault, GEOMETRY, Machine, Script, device};
use crate::oracle::Property::{E2, P1, P2, U1, U2, V1};
use crate::oracle::broken;

/// A preemption in the middle of a switch, shown by what is loaded or by what that maps.
const OTHERS: Break =
    Break::new(U1, "which is not the process's").or(U2, "neither its own pdb nor its process's");
/// Two take the same page directory from the pool.
const SHARED: Break = Break::new(E2, "subtract with overflow");
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
            bounds: [None, Some(2)],
            body: for_variant!(pool_overflow),
        },
        Model {
            name: "pool-on-one-cpu",
            property: P2,
            hazard: "-",
            cpus: 1,
            about: "Two processes take a page directory on one CPU, whose pool has one. One may be preempted \
                    anywhere.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::SplhiIgnored, SHARED)],
            bounds: [None, None],
            body: for_variant!(pool_on_one_cpu),
        },
        Model {
            name: "page-directory-by-a-handler",
            property: P1,
            hazard: "-",
            cpus: 1,
            about: "A process takes a page directory; an interrupt handler gives it the one in the pool at \
                    any moment.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::SplhiIgnored, SHARED)],
            bounds: [None, None],
            body: for_variant!(page_directory_by_a_handler),
        },
        Model {
            name: "large-page-new-directory",
            property: V1,
            hazard: "A1",
            cpus: 2,
            about: "One CPU unmaps a large page while a process on another takes a page directory, which is a \
                    copy of one that has used the page.",
            seed: Some(COPY),
            upstream: Some(COPY),
            mutants: &[Mutant::Without("a1", COPY)],
            bounds: [None, None],
            body: for_variant!(large_page_new_directory),
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

/// A process of one CPU, whose pool has a page directory, and another that waits for the CPU. Neither
/// has one of its own.
fn full_pool<V: Variant>() -> crate::machine::Booted<V> {
    let machine = Machine::<V>::boot(Config::new(1, 3));
    machine.run_on(0, 2);
    machine.cpu(0).upallocpdb();
    machine.cpu(0).die();
    let pooled = machine.cpu(0).m().pdbcnt.get();
    if pooled != Cpu::<V>::PDBPOOL_MAX {
        broken(P2, &format!("the pool has room for a page directory, and holds {pooled}"));
    }
    machine.run_process(0);
    machine.make_ready(1);
    machine
}

fn pool_on_one_cpu<V: Variant>() {
    let life = |cpu: &Cpu<V>| {
        cpu.upallocpdb();
        cpu.finish();
    };
    full_pool().start(vec![Script::new(0, life).preempted(), Script::ready(1, life)]);
}

fn page_directory_by_a_handler<V: Variant>() {
    full_pool().start(vec![Script::new(0, |cpu: &Cpu<V>| cpu.upallocpdb()).interrupted(|cpu| {
        // A handler may not sleep.
        if cpu.m().pdbcnt.peek() > 0 {
            cpu.upallocpdb();
        }
    })]);
}

fn large_page_new_directory<V: Variant>() {
    let machine = Machine::<V>::boot(Config::new(2, 2));
    machine.run_process(0);
    let size = GEOMETRY.large_page();
    let va = machine.cpu(0).vmap(device(0), size).expect("VMAP is empty");
    assert!(machine.cpu(1).touch(va), "the page is mapped");
    machine.run_process(1);
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(va, size).expect("the range is whole")),
        Script::new(1, |cpu| cpu.upallocpdb()),
    ]);
}
