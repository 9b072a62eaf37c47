//! lock and ilock: what they guard, which process is preempted, and which CPU serves while it spins.

use std::rc::Rc;

use mmu386::arch::{Arch, Owned, WordName};
use mmu386::layout::BY2PG;
use mmu386::lock::Lock;
use mmu386::variant::Variant;

use super::handshake::{OTHERS_ANSWER, OTHERS_FLAG, machine, page_in_use};
use super::{Break, Model, Mutant, for_variant};
use crate::engine::OwnedCell;
use crate::machine::{Booted, Config, Cpu, Fault, Machine, Script, Wait};
use crate::oracle::Property::{L1, P2};
use crate::oracle::broken;

const KEPT_OUT: Break =
    Break::new(L1, "for a driver's lock of cpu 0 to leave").or(P2, "nothing orders them");

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "two-lockers",
            property: P2,
            hazard: "-",
            cpus: 2,
            about: "Two CPUs take a lock, one with interrupts on and one with them off, and change what \
                    it guards.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::SwapNotLocked, KEPT_OUT)],
            bounds: [None, None],
            body: for_variant!(two_lockers),
        },
        Model {
            name: "two-ilockers",
            property: P2,
            hazard: "-",
            cpus: 2,
            about: "The same with a lock that turns interrupts off.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::SwapNotLocked, KEPT_OUT)],
            bounds: [None, None],
            body: for_variant!(two_ilockers),
        },
        Model {
            name: "lock-holder-keeps-its-cpu",
            property: L1,
            hazard: "-",
            cpus: 1,
            about: "A process that holds a lock is to be preempted; another waits for the CPU, to spin on \
                    that lock with interrupts off.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::NlocksIgnored, KEPT_OUT)],
            bounds: [None, None],
            body: for_variant!(lock_holder_keeps_its_cpu),
        },
        Model {
            name: "holder-of-two-locks-keeps-its-cpu",
            property: L1,
            hazard: "-",
            cpus: 1,
            about: "The same where the process holds another lock for a while, and releases its last lock with \
                    interrupts off.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::NlocksIgnored, KEPT_OUT)],
            bounds: [None, None],
            body: for_variant!(holder_of_two_locks_keeps_its_cpu),
        },
        Model {
            name: "ilock-in-a-handler",
            property: L1,
            hazard: "-",
            cpus: 1,
            about: "A process takes a lock that turns interrupts off, and so does an interrupt handler.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::SplhiIgnored, KEPT_OUT)],
            bounds: [None, None],
            body: for_variant!(ilock_in_a_handler),
        },
        Model {
            name: "unmap-while-holding-a-plain-lock",
            property: L1,
            hazard: "B2",
            cpus: 2,
            about: "One CPU unmaps a page while it holds a lock, interrupts on; the other spins on the \
                    lock with interrupts off.",
            seed: Some(OTHERS_FLAG),
            upstream: Some(OTHERS_FLAG),
            mutants: &[Mutant::Without("b2", OTHERS_ANSWER)],
            bounds: [None, None],
            body: for_variant!(unmap_while_holding_a_plain_lock),
        },
    ]
}

/// A lock, and what it guards.
struct Guarded<V: Variant> {
    lock: Lock<Cpu<V>>,
    value: OwnedCell<u32>,
}

impl<V: Variant> Guarded<V> {
    fn new() -> Rc<Self> {
        Self::numbered(0)
    }

    /// One of several: its word has a name of its own.
    fn numbered(n: usize) -> Rc<Self> {
        let lock = Lock::new(WordName::Other("a driver's lock", n));
        Rc::new(Self { lock, value: OwnedCell::new(0) })
    }
    /// Called with the lock held.
    fn change(&self) {
        self.value.set(self.value.get() + 1);
    }
}

fn two_processes<V: Variant>(cpus: usize) -> Booted<V> {
    let machine = Machine::<V>::boot(Config::new(cpus, 2));
    for n in 0..cpus {
        machine.run_process(n);
    }
    machine
}

fn two_lockers<V: Variant>() {
    let machine = two_processes::<V>(2);
    let mine = Guarded::<V>::new();
    let theirs = mine.clone();
    machine.start(vec![
        Script::new(0, move |cpu| {
            let held = mine.lock.lock(cpu);
            mine.change();
            drop(held);
            if let Some(_held) = mine.lock.try_lock(cpu) {
                mine.change();
            }
            if !cpu.give_up() {
                broken(L1, "a process that holds no lock keeps its CPU to itself");
            }
        })
        .ticking(),
        Script::new(1, move |cpu| {
            let level = cpu.splhi();
            let held = theirs.lock.lock(cpu);
            theirs.change();
            drop(held);
            cpu.splx(level);
        }),
    ]);
}

fn two_ilockers<V: Variant>() {
    let machine = two_processes::<V>(2);
    let mine = Guarded::<V>::new();
    let theirs = mine.clone();
    machine.start(vec![
        Script::new(0, move |cpu| {
            let held = mine.lock.ilock(cpu);
            mine.change();
            drop(held);
        })
        .ticking(),
        Script::new(1, move |cpu| {
            let level = cpu.splhi();
            let held = theirs.lock.ilock(cpu);
            theirs.change();
            drop(held);
            cpu.splx(level);
        }),
    ]);
}

fn lock_holder_keeps_its_cpu<V: Variant>() {
    let machine = two_processes::<V>(1);
    machine.make_ready(1);
    let mine = Guarded::<V>::new();
    let theirs = mine.clone();
    machine.start(vec![
        Script::new(0, move |cpu| {
            let held = mine.lock.lock(cpu);
            mine.change();
            // Somewhere in here the tick wants the CPU for the other one.
            cpu.load(&cpu.system().flushgen);
            drop(held);
            cpu.finish();
        })
        .preempted(),
        Script::ready(1, move |cpu| {
            let level = cpu.splhi();
            let held = theirs.lock.lock(cpu);
            theirs.change();
            drop(held);
            cpu.splx(level);
            cpu.finish();
        }),
    ]);
}

fn holder_of_two_locks_keeps_its_cpu<V: Variant>() {
    let machine = two_processes::<V>(1);
    machine.make_ready(1);
    let [mine, brief] = [0, 1].map(Guarded::<V>::numbered);
    let theirs = mine.clone();
    machine.start(vec![
        Script::new(0, move |cpu| {
            let held = mine.lock.lock(cpu);
            drop(brief.lock.lock(cpu));
            mine.change();
            let level = cpu.splhi();
            drop(held);
            cpu.splx(level);
            cpu.finish();
        })
        .preempted(),
        Script::ready(1, move |cpu| {
            let level = cpu.splhi();
            drop(theirs.lock.lock(cpu));
            cpu.splx(level);
            cpu.finish();
        }),
    ]);
}

fn ilock_in_a_handler<V: Variant>() {
    let machine = two_processes::<V>(1);
    let mine = Guarded::<V>::new();
    let theirs = mine.clone();
    let change = |guarded: &Guarded<V>, cpu: &Cpu<V>| {
        let _held = guarded.lock.ilock(cpu);
        guarded.change();
    };
    machine.start(vec![
        Script::new(0, move |cpu| change(&mine, cpu)).interrupted(move |cpu| change(&theirs, cpu)),
    ]);
}

fn unmap_while_holding_a_plain_lock<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let va = page_in_use(&machine, 2, 0);
    let mine = Guarded::<V>::new();
    let theirs = mine.clone();
    machine.start(vec![
        Script::new(0, move |cpu| {
            let held = mine.lock.lock(cpu);
            cpu.vunmap(va, BY2PG).expect("the range is whole");
            drop(held);
        })
        .ticking(),
        Script::new(1, move |cpu| {
            let level = cpu.splhi();
            drop(theirs.lock.lock(cpu));
            cpu.splx(level);
        }),
    ]);
}
