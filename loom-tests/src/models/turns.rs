//! Processes that take turns on one CPU, and what the one before must not leave to the next.

use mmu386::arch::{Arch, Owned};
use mmu386::gdt::{Ldt, Selector, TSS_ESP0};
use mmu386::user::checkmmu;
use mmu386::variant::Variant;

use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Config, Cpu, Fault, Machine, Script, device};
use crate::oracle::Property::{E2, P1, S1, T1, U1};
use crate::oracle::broken;

const OTHERS: Break = Break::new(U1, "which is not the process's");

const WALKED: Break = Break::new(T1, "may still use").or(P1, "is given back while cpu 0");

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "one-after-another",
            property: S1,
            hazard: "-",
            cpus: 1,
            about: "A process with a page directory and a local descriptor table leaves its CPU to one that has \
                    neither, and an empty local descriptor table.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::Cr3KeepsTlb, OTHERS)],
            bounds: [None, None],
            body: for_variant!(one_after_another),
        },
        Model {
            name: "death-in-place",
            property: P1,
            hazard: "-",
            cpus: 1,
            about: "A process that uses a user page and KMAP is given back while its page directory is loaded.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::Cr3KeepsTlb, WALKED)],
            bounds: [None, None],
            body: for_variant!(death_in_place),
        },
    ]
}

fn one_after_another<V: Variant>() {
    let machine = Machine::<V>::boot(Config::new(1, 2));
    for (n, descriptors) in [(0, 4), (1, 0)] {
        machine.cpu(0).proc(n).ldt.set(Some(Ldt { base: 0x1000, n: descriptors }));
    }
    machine.run_process(0);
    machine.cpu(0).map_user(0, device(0)).expect("nobody flushes");
    machine.make_ready(1);
    machine.start(vec![
        Script::new(0, |cpu| {
            expect_entered(cpu, Selector::LDT);
            cpu.finish();
        }),
        Script::ready(1, |cpu| {
            expect_entered(cpu, Selector::NULL);
            if checkmmu(cpu, 0, device(0)).is_err() || !cpu.islo() {
                broken(E2, "checkmmu found something, or left interrupts off");
            }
            cpu.use_user(0);
        }),
    ]);
}

/// The CPU has the kernel stack and the local descriptor table of its process.
fn expect_entered<V: Variant>(cpu: &Cpu<V>, ldt: Selector) {
    let level = cpu.splhi();
    let kstack = cpu.up().expect("a process runs").kstack;
    let tss = &cpu.descriptors().tss;
    if (0..3).any(|privilege| tss[TSS_ESP0 + 2 * privilege].get() != kstack) {
        broken(S1, &format!("cpu {} enters the kernel on another stack", cpu.id()));
    }
    if cpu.registers().ldt != Some(ldt) {
        broken(S1, &format!("cpu {} has another local descriptor table", cpu.id()));
    }
    cpu.splx(level);
}

fn death_in_place<V: Variant>() {
    let machine = Machine::<V>::boot(Config { left: Some(0), ..Config::new(1, 1) });
    machine.run_process(0);
    machine.start(vec![Script::new(0, |cpu| {
        let page = cpu.newpage();
        cpu.hold(page);
        cpu.kunmap(cpu.kmap(page).expect("there are slots"));
        cpu.give_back(page);
        cpu.map_user(0, device(0)).expect("nobody flushes");
        cpu.die_in_place();
    })]);
}
