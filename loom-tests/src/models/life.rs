//! A process's whole life, wherever it is taken.

use mmu386::arch::{Arch, Feature, Owned};
use mmu386::error::KmapError;
use mmu386::gdt::{LDTSEG, Ldt, PROCSEG0, Segdesc, Selector};
use mmu386::shootdown::procflushmmu;
use mmu386::user::checkfault;
use mmu386::variant::Variant;

use super::boot::OLD;
use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Booted, Config, Cpu, Fault, GEOMETRY, Machine, Pages, Script, device};
use crate::oracle::Property::{K1, S1, T1, U1, U2};
use crate::oracle::broken;

const WRONG_M: Break = Break::new(U2, "its own Mach");
const WRONG_PAGE: Break = Break::new(K1, "may still use");
const WRONG_TMP: Break = Break::new(T1, "may still use");
pub(super) const REPLACED: Break = Break::new(U1, "to 0x100000 through 0x0");
/// A process that was flagged while a CPU entered it goes on with what was taken from it.
const MISSED: Break = GARBAGE.or(U1, "a page table of process 1 shows").as_written();
pub(super) const GARBAGE: Break = Break::new(U1, "which is not the process's");
const GARBAGE_OR_OLD: Break = GARBAGE.or(T1, "may still use");

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "kmap-reuse",
            property: K1,
            hazard: "-",
            cpus: 1,
            about: "A process takes every slot of KMAP, gives one back, and sees another page there.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::InvlpgKeepsTlb, WRONG_PAGE)],
            bounds: [None, None],
            body: for_variant!(kmap_reuse),
        },
        Model {
            name: "kmap-reuse-without-invlpg",
            property: K1,
            hazard: "-",
            cpus: 1,
            about: "The same on a processor without INVLPG, which loads CR3 instead.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::Cr3KeepsTlb, WRONG_TMP)],
            bounds: [None, None],
            body: for_variant!(kmap_reuse_without_invlpg),
        },
        Model {
            name: "kmap-against-flush",
            property: K1,
            hazard: "C2",
            cpus: 2,
            about: "A process that may be preempted anywhere has another page shown in a slot of KMAP, while \
                    a process makes it drop its user mappings.",
            seed: Some(MISSED),
            upstream: Some(MISSED),
            mutants: &[
                Mutant::On(Fault::InvlpgKeepsTlb, WRONG_PAGE),
                Mutant::On(Fault::Cr3KeepsTlb, GARBAGE_OR_OLD),
            ],
            bounds: [None, Some(3)],
            body: for_variant!(kmap_against_flush),
        },
        Model {
            name: "process-life",
            property: U2,
            hazard: "-",
            cpus: 2,
            about: "A process gets a page directory, maps a page in KMAP and one for the user, has segments \
                    of its own, flushes, and dies, preempted anywhere, and so does another, on whatever \
                    CPU each is at each moment.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::MachKept, WRONG_M)],
            bounds: [Some(1), Some(0)],
            body: for_variant!(process_life),
        },
        Model {
            name: "process-life-above-the-window",
            property: T1,
            hazard: "-",
            cpus: 2,
            about: "The same where the page directories and page tables lie above the window, and are edited \
                    at TMPADDR.",
            seed: None,
            upstream: None,
            mutants: &[
                Mutant::On(Fault::MachKept, WRONG_M),
                Mutant::On(Fault::InvlpgKeepsTlb, WRONG_TMP),
            ],
            bounds: [Some(1), Some(0)],
            body: for_variant!(process_life_above_the_window),
        },
        Model {
            name: "user-mapping-life",
            property: U1,
            hazard: "C4",
            cpus: 2,
            about: "A process maps a page, flushes, maps it again, and another in its place, while it may be \
                    preempted; checkmmu looks.",
            seed: Some(GARBAGE),
            upstream: Some(GARBAGE),
            mutants: &[Mutant::Without("c4", GARBAGE), Mutant::On(Fault::InvlpgKeepsTlb, REPLACED)],
            bounds: [None, None],
            body: for_variant!(user_mapping_life),
        },
    ]
}

fn kmap_reuse<V: Variant>() {
    reuse::<V>(&[]);
}

fn kmap_reuse_without_invlpg<V: Variant>() {
    reuse::<V>(OLD);
}

fn reuse<V: Variant>(lacks: &'static [Feature]) {
    let machine = Machine::<V>::boot(Config { lacks, ..Config::new(1, 1) });
    machine.run_process(0);
    machine.start(vec![Script::new(0, |cpu| {
        let [one, other] = [cpu.newpage(), cpu.newpage()];
        cpu.hold(one);
        cpu.hold(other);
        let slots: Vec<u32> =
            (0..GEOMETRY.nkpt()).map(|_| cpu.kmap(one).expect("there are slots")).collect();
        if cpu.kmap(one) != Err(KmapError::Full { slots: slots.len() }) {
            broken(K1, "a slot was given out twice");
        }
        let va = slots[3];
        show(cpu, va, one);
        cpu.kunmap(va);
        if cpu.kmap(other) != Ok(va) {
            broken(K1, "the free slot was not found");
        }
        show(cpu, va, other);
        slots.into_iter().for_each(|va| cpu.kunmap(va));
    })]);
}

fn kmap_against_flush<V: Variant>() {
    let machine = two_processes::<V>(Pages::InTheWindow);
    let cpu = machine.cpu(1);
    let [one, other] = [cpu.newpage(), cpu.newpage()];
    cpu.hold(one);
    cpu.hold(other);
    let slots: Vec<u32> =
        (0..GEOMETRY.nkpt()).map(|_| cpu.kmap(one).expect("there are slots")).collect();
    cpu.map_user(0, device(0)).expect("nobody flushes");
    machine.start(vec![
        Script::new(0, |cpu| {
            procflushmmu(cpu, |proc| proc.index == 1);
            cpu.taken_from_user(device(0));
        }),
        Script::new(1, move |cpu| {
            cpu.kunmap(slots[3]);
            let va = cpu.kmap(other).expect("one slot is free");
            show(cpu, va, other);
        })
        .wandering(2),
    ]);
}

/// A store at the address must arrive in the page.
fn show<V: Variant>(cpu: &Cpu<V>, va: u32, page: mmu386::layout::Frame) {
    let mark = page.pa() + 1;
    cpu.store(cpu.at(va), mark);
    if cpu.peek(page, 0) != mark {
        broken(K1, &format!("a store at {va:#x} did not arrive in page {:#x}", page.pa()));
    }
}

fn two_processes<V: Variant>(pages: Pages) -> Booted<V> {
    let machine = Machine::<V>::boot(Config { pages, ..Config::new(2, 2) });
    machine.run_process(0);
    machine.run_process(1);
    machine
}

fn process_life<V: Variant>() {
    live(two_processes::<V>(Pages::InTheWindow));
}

fn process_life_above_the_window<V: Variant>() {
    live(two_processes::<V>(Pages::AboveTheWindow));
}

fn live<V: Variant>(machine: Booted<V>) {
    let life = |n: usize| {
        Script::new(n, move |cpu: &Cpu<V>| {
            let page = cpu.newpage();
            cpu.hold(page);
            let va = cpu.kmap(page).expect("there are slots");
            cpu.call(|| show(cpu, va, page));
            cpu.kunmap(va);
            let up = cpu.up().expect("a process runs");
            let segment = Segdesc { d0: 0x1234_FFFF + n as u32, d1: 0x00CF_F200 };
            let ldt = Ldt { base: 0x1000 * (n as u32 + 1), n: 4 };
            up.gdt[0].set(segment);
            up.ldt.set(Some(ldt));
            cpu.map_user(0, device(0)).expect("nobody flushes");
            cpu.call(|| checkfault(cpu, 0, device(0)));
            cpu.flushmmu();
            cpu.call(|| expect_segments(cpu, segment, ldt));
            cpu.give_back(page);
            cpu.die();
            if cpu.freed_ldts().iter().filter(|&&base| base == ldt.base).count() != 1 {
                broken(S1, "the local descriptor table was not given back once");
            }
        })
    };
    machine.start(vec![life(0).wandering(2), life(1).waking(2)]);
}

/// Wherever the process runs, its segments are that CPU's.
fn expect_segments<V: Variant>(cpu: &Cpu<V>, segment: Segdesc, ldt: Ldt) {
    let level = cpu.splhi();
    let gdt = &cpu.descriptors().gdt;
    let right = gdt[PROCSEG0].get() == segment
        && gdt[PROCSEG0 + 1].get() == Segdesc::default()
        && gdt[LDTSEG].get() == (Segdesc { d0: ldt.base << 16 | (8 * ldt.n - 1), d1: 0x8200 })
        && cpu.registers().ldt == Some(Selector(0x50));
    if !right {
        broken(S1, &format!("cpu {} has other segments than its process", cpu.id()));
    }
    cpu.splx(level);
}

fn user_mapping_life<V: Variant>() {
    let machine = Machine::<V>::boot(Config { spare_c4: false, ..Config::new(2, 1) });
    machine.run_process(0);
    machine.start(vec![
        Script::new(0, |cpu| {
            if cpu.checkmmu(0, device(0)).is_err() {
                broken(U1, "checkmmu found a page of a process that has no page directory");
            }
            show_user(cpu, 0);
            cpu.flushmmu();
            show_user(cpu, 0);
            // Another page in its place: the old one is the process's no more.
            show_user(cpu, 1);
            cpu.taken_from_user(device(0));
        })
        .wandering(2),
    ]);
}

/// Maps a page of device `n` at user address 0, and has it checked.
pub(super) fn show_user<V: Variant>(cpu: &Cpu<V>, n: u32) {
    cpu.map_user(0, device(n)).expect("nobody flushes");
    if cpu.checkmmu(0, device(n)).is_err() || cpu.checkmmu(0, device(n + 1)).is_ok() {
        broken(U1, "checkmmu is mistaken");
    }
}
