//! Shootdown: vunmap against CPUs that have the old translation cached.

use mmu386::arch::{Arch, Spl, WordName};
use mmu386::layout::BY2PG;
use mmu386::lock::Lock;
use mmu386::pool::upallocpdb;
use mmu386::shootdown::Handshake;
use mmu386::variant::Variant;

use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Booted, Config, Cpu, Fault, Machine, Script, Wait, device};
use crate::oracle::Property::{L1, L2, V1};

pub(super) const STALE_IDLE: Break = Break::new(V1, "its TLB; the CPU is idle");
pub(super) const STALE: Break = Break::new(V1, "(its TLB");
/// In a TLB, whether its CPU is idle or not.
const STALE_ANYWHERE: Break = STALE_IDLE.or(V1, "(its TLB");
/// A flag that was cleared is set again before the CPU that waits has looked.
const HELD_BACK: Break = Break::new(L2, "->flushmmu could go on").explored();
pub(super) const OWN_FLAG: Break = Break::new(L1, "cpu 0 for MACHP(0)->flushmmu to leave 0x1");
const SECONDS_FLAG: Break = Break::new(L1, "cpu 1 for MACHP(1)->flushmmu to leave 0x1");
const SECONDS_ANSWER: Break = Break::new(L1, "cpu 1 for MACHP(1)->flushed to leave");
const OWN_ANSWER: Break = Break::new(L1, "cpu 0 for MACHP(0)->flushed to leave");
pub(super) const OTHERS_ANSWER: Break = Break::new(L1, "cpu 0 for MACHP(1)->flushed to leave");
pub(super) const OTHERS_FLAG: Break = Break::new(L1, "cpu 0 for MACHP(1)->flushmmu to leave");
pub(super) const NO_FLUSH: Mutant = Mutant::On(Fault::Cr3KeepsTlb, STALE);

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "one-unmapper",
            property: V1,
            hazard: "-",
            cpus: 2,
            about: "One CPU unmaps a page; another runs a process that has used it and takes interrupts.",
            seed: None,
            upstream: None,
            mutants: &[NO_FLUSH],
            bounds: [None, None],
            body: for_variant!(one_unmapper),
        },
        Model {
            name: "one-unmapper-spinning",
            property: V1,
            hazard: "-",
            cpus: 2,
            about: "As one-unmapper, with waits that poll, so that no wake-up hides a missing ordering.",
            seed: None,
            upstream: None,
            mutants: &[NO_FLUSH],
            bounds: [None, None],
            body: for_variant!(one_unmapper_spinning),
        },
        Model {
            name: "idle-cpu",
            property: V1,
            hazard: "A2",
            cpus: 2,
            about: "One CPU unmaps a page; another is idle, but its interrupt handlers have used the page.",
            seed: Some(STALE_IDLE),
            upstream: Some(STALE_IDLE),
            mutants: &[Mutant::Without("a2", STALE_IDLE), NO_FLUSH],
            bounds: [None, None],
            body: for_variant!(idle_cpu),
        },
        Model {
            name: "two-unmappers",
            property: V1,
            hazard: "A4",
            cpus: 2,
            about: "Two CPUs unmap a page each that both have used; each must serve the other while it waits.",
            seed: Some(STALE),
            upstream: Some(STALE),
            mutants: &[Mutant::Without("a4", STALE), NO_FLUSH],
            bounds: [None, Some(2)],
            body: for_variant!(two_unmappers),
        },
        Model {
            name: "three-cpus-one-unmapper",
            property: V1,
            hazard: "A2",
            cpus: 3,
            about: "One CPU unmaps a page that a running CPU and an idle CPU have used.",
            seed: Some(STALE_IDLE),
            upstream: Some(STALE_IDLE),
            mutants: &[Mutant::Without("a2", STALE_IDLE), NO_FLUSH],
            bounds: [None, None],
            body: for_variant!(three_cpus_one_unmapper),
        },
        Model {
            name: "four-cpus-one-unmapper",
            property: V1,
            hazard: "A2",
            cpus: 4,
            about: "One CPU unmaps a page that a running CPU and two idle ones have used.",
            seed: Some(STALE_IDLE),
            upstream: Some(STALE_IDLE),
            mutants: &[Mutant::Without("a2", STALE_IDLE), NO_FLUSH],
            bounds: [Some(1), Some(0)],
            body: for_variant!(four_cpus_one_unmapper),
        },
        Model {
            name: "three-cpus-two-unmappers",
            property: V1,
            hazard: "A2",
            cpus: 3,
            about: "Two CPUs unmap a page each that an idle third CPU and they themselves have used.",
            seed: Some(STALE_IDLE),
            upstream: Some(STALE_IDLE),
            mutants: &[Mutant::Without("a2", STALE_IDLE), NO_FLUSH],
            bounds: [Some(3), Some(1)],
            body: for_variant!(three_cpus_two_unmappers),
        },
        Model {
            name: "three-unmappers",
            property: L1,
            hazard: "B1",
            cpus: 3,
            about: "Three CPUs unmap a page each that all have used; two of them with interrupts off, so that they \
                    answer by asking.",
            seed: Some(SECONDS_FLAG),
            upstream: Some(STALE_IDLE),
            mutants: &[Mutant::Without("b1", SECONDS_ANSWER), NO_FLUSH],
            bounds: [Some(1), Some(0)],
            body: for_variant!(three_unmappers),
        },
        Model {
            name: "starvation",
            property: L2,
            hazard: "B3",
            cpus: 3,
            about: "Two CPUs ask all others to flush, a third takes interrupts: who waits for an answer and has it \
                    is not to be held back by the other's request. Under the explorer alone.",
            seed: Some(HELD_BACK),
            upstream: Some(HELD_BACK),
            mutants: &[],
            bounds: [Some(1), Some(1)],
            body: for_variant!(starvation),
        },
        Model {
            name: "unmap-with-interrupts-off",
            property: L1,
            hazard: "B1",
            cpus: 2,
            about: "One CPU unmaps a page with interrupts off; the other takes interrupts.",
            seed: Some(OWN_FLAG),
            upstream: None,
            mutants: &[Mutant::Without("b1", OWN_ANSWER)],
            bounds: [None, None],
            body: for_variant!(unmap_with_interrupts_off),
        },
        Model {
            name: "two-unmappers-interrupts-off",
            property: L1,
            hazard: "B1",
            cpus: 2,
            about: "Two CPUs unmap a page each with interrupts off, so that neither takes the other's \
                    IPI; each answers the other by asking.",
            seed: Some(OWN_FLAG),
            upstream: Some(STALE_ANYWHERE),
            mutants: &[Mutant::Without("b1", OWN_ANSWER)],
            bounds: [None, Some(4)],
            body: for_variant!(two_unmappers_interrupts_off),
        },
        Model {
            name: "unmap-while-holding-a-lock",
            property: L1,
            hazard: "B2",
            cpus: 2,
            about: "One CPU unmaps a page while it holds a lock that the other spins on with interrupts off. \
                    On Seed B1 strikes first: what breaks there is the caller's wait for itself.",
            seed: Some(OWN_FLAG),
            upstream: Some(OTHERS_FLAG),
            mutants: &[Mutant::Without("b2", OTHERS_ANSWER)],
            bounds: [None, None],
            body: for_variant!(unmap_while_holding_a_lock),
        },
        Model {
            name: "early-boot",
            property: V1,
            hazard: "A7",
            cpus: 2,
            about: "CPU 0 unmaps a page before it runs any process; another CPU has used the page.",
            seed: Some(STALE),
            upstream: Some(STALE),
            mutants: &[Mutant::Without("a7", STALE), NO_FLUSH],
            bounds: [None, None],
            body: for_variant!(early_boot),
        },
    ]
}

/// A machine whose first `running` CPUs run a process with a page directory of its own.
pub(super) fn machine<V: Variant>(cpus: usize, running: usize, wait: Wait) -> Booted<V> {
    let machine = Machine::<V>::boot(Config { wait, ..Config::new(cpus, running) });
    for n in 0..running {
        machine.run_process(n);
        upallocpdb(&machine.cpu(n));
    }
    machine
}

/// Maps a page of device `n` and lets every CPU use it, so that each may have it cached.
pub(super) fn page_in_use<V: Variant>(machine: &Booted<V>, cpus: usize, n: u32) -> u32 {
    let va = machine.cpu(0).vmap(device(n), BY2PG).expect("VMAP is empty");
    for cpu in 0..cpus {
        assert!(machine.cpu(cpu).touch(va), "the page is mapped");
    }
    va
}

fn one_unmapper_waiting<V: Variant>(wait: Wait) {
    let machine = machine::<V>(2, 2, wait);
    let va = page_in_use(&machine, 2, 0);
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(va, BY2PG).expect("the range is whole")).ticking(),
        Script::new(1, move |cpu| {
            cpu.touch(va);
        })
        .ticking(),
    ]);
}

fn one_unmapper<V: Variant>() {
    one_unmapper_waiting::<V>(Wait::Park);
}

fn one_unmapper_spinning<V: Variant>() {
    one_unmapper_waiting::<V>(Wait::Spin);
}

fn idle_cpu<V: Variant>() {
    let machine = machine::<V>(2, 1, Wait::Park);
    let va = page_in_use(&machine, 2, 0);
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(va, BY2PG).expect("the range is whole")).ticking(),
        Script::rest(1),
    ]);
}

fn two_unmappers<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let first = page_in_use(&machine, 2, 0);
    let second = page_in_use(&machine, 2, 1);
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(first, BY2PG).expect("the range is whole")).ticking(),
        Script::new(1, move |cpu| cpu.vunmap(second, BY2PG).expect("the range is whole")),
    ]);
}

fn three_cpus_one_unmapper<V: Variant>() {
    let machine = machine::<V>(3, 2, Wait::Park);
    let va = page_in_use(&machine, 3, 0);
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(va, BY2PG).expect("the range is whole")).ticking(),
        Script::rest(1),
        Script::rest(2),
    ]);
}

fn four_cpus_one_unmapper<V: Variant>() {
    let machine = machine::<V>(4, 2, Wait::Park);
    let va = page_in_use(&machine, 4, 0);
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(va, BY2PG).expect("the range is whole")).ticking(),
        Script::new(1, move |cpu| {
            cpu.touch(va);
        }),
        Script::rest(2),
        Script::rest(3),
    ]);
}

fn three_cpus_two_unmappers<V: Variant>() {
    let machine = machine::<V>(3, 2, Wait::Park);
    let first = page_in_use(&machine, 3, 0);
    let second = page_in_use(&machine, 3, 1);
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(first, BY2PG).expect("the range is whole")),
        Script::new(1, move |cpu| cpu.vunmap(second, BY2PG).expect("the range is whole")),
        Script::rest(2),
    ]);
}

fn three_unmappers<V: Variant>() {
    let machine = machine::<V>(3, 3, Wait::Park);
    let pages = [0, 1, 2].map(|n| page_in_use(&machine, 3, n));
    let unmap = |n: usize| {
        Script::new(n, move |cpu: &Cpu<V>| {
            let level = if n == 0 { Spl::Lo } else { cpu.splhi() };
            cpu.vunmap(pages[n], BY2PG).expect("the range is whole");
            cpu.splx(level);
        })
    };
    machine.start(vec![unmap(0), unmap(1), unmap(2)]);
}

fn starvation<V: Variant>() {
    let machine = Machine::<V>::boot(Config { fair: true, ..Config::new(3, 3) });
    for n in 0..3 {
        machine.run_process(n);
    }
    let ask = |n: usize| Script::new(n, <V::Handshake as Handshake>::flush_everywhere).ticking();
    machine.start(vec![ask(0), ask(1), Script::rest(2)]);
}

fn unmap_with_interrupts_off<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let va = page_in_use(&machine, 2, 0);
    machine.start(vec![
        Script::new(0, move |cpu| {
            let level = cpu.splhi();
            cpu.vunmap(va, BY2PG).expect("the range is whole");
            cpu.splx(level);
        }),
        Script::rest(1),
    ]);
}

fn two_unmappers_interrupts_off<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let first = page_in_use(&machine, 2, 0);
    let second = page_in_use(&machine, 2, 1);
    let unmap = |n: usize, va: u32| {
        Script::new(n, move |cpu| {
            let level = cpu.splhi();
            cpu.vunmap(va, BY2PG).expect("the range is whole");
            cpu.splx(level);
        })
    };
    machine.start(vec![unmap(0, first), unmap(1, second)]);
}

fn unmap_while_holding_a_lock<V: Variant>() {
    let machine = machine::<V>(2, 2, Wait::Park);
    let va = page_in_use(&machine, 2, 0);
    let lock = std::rc::Rc::new(Lock::new(WordName::Other("a driver's lock", 0)));
    let theirs = lock.clone();
    machine.start(vec![
        Script::new(0, move |cpu| {
            let held = lock.ilock(cpu);
            cpu.vunmap(va, BY2PG).expect("the range is whole");
            drop(held);
        }),
        Script::new(1, move |cpu| {
            let level = cpu.splhi();
            drop(theirs.ilock(cpu));
            cpu.splx(level);
        }),
    ]);
}

fn early_boot<V: Variant>() {
    let machine = machine::<V>(2, 0, Wait::Park);
    let va = page_in_use(&machine, 2, 0);
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(va, BY2PG).expect("the range is whole")),
        Script::rest(1),
    ]);
}
