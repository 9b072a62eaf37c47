//! Walkers that set accessed and dirty bits in entries which the code reads, compares and copies.

use mmu386::arch::Arch;
use mmu386::layout::BY2PG;
use mmu386::pool::upallocpdb;
use mmu386::switch::flushmmu;
use mmu386::variant::Variant;

use super::life::{GARBAGE, REPLACED, show_user};
use super::pagerefs;
use super::sizes::{REUSED_OR_COPY, range_in_use};
use super::vmap::{COPY, REUSED};
use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Config, Fault, GEOMETRY, Machine, Marks, Script, device};
use crate::oracle::Property::{U1, V2};

// As the others find them.
const EITHER: Break = REUSED_OR_COPY.explored();
const EXPLORED_REUSED: Break = REUSED.explored();
const EXPLORED_COPY: Break = COPY.explored();
const EXPLORED_GARBAGE: Break = GARBAGE.explored();
const EXPLORED_REPLACED: Break = REPLACED.explored();

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "marked-device-entries",
            property: V2,
            hazard: "A3",
            cpus: 2,
            about: "Walkers mark entries. One CPU unmaps a large page and a small one; another uses them, \
                    faults on the large one, and maps a page.",
            seed: Some(REUSED_OR_COPY),
            upstream: Some(REUSED_OR_COPY),
            mutants: &[Mutant::Without("a3", REUSED), Mutant::Without("a1", COPY)],
            bounds: [None, Some(2)],
            body: for_variant!(marked_device_entries),
        },
        Model {
            name: "marked-user-entries",
            property: U1,
            hazard: "C4",
            cpus: 1,
            about: "Walkers mark entries. A process maps pages for the user and in KMAP, flushes, and maps them \
                    again; checkmmu looks, the pages are counted, and it dies.",
            seed: Some(GARBAGE),
            upstream: Some(GARBAGE),
            mutants: &[Mutant::Without("c4", GARBAGE), Mutant::On(Fault::InvlpgKeepsTlb, REPLACED)],
            bounds: [None, None],
            body: for_variant!(marked_user_entries),
        },
        Model {
            name: "device-entries-marked-at-any-time",
            property: V2,
            hazard: "A3",
            cpus: 2,
            about: "As marked-device-entries; whether walkers have marked an entry is open whenever it is read.",
            seed: Some(EITHER),
            upstream: Some(EITHER),
            mutants: &[
                Mutant::Without("a3", EXPLORED_REUSED),
                Mutant::Without("a1", EXPLORED_COPY),
            ],
            bounds: [Some(0), Some(0)],
            body: for_variant!(device_entries_marked_at_any_time),
        },
        Model {
            name: "user-entries-marked-at-any-time",
            property: U1,
            hazard: "C4",
            cpus: 1,
            about: "As marked-user-entries; whether walkers have marked an entry is open whenever it is read.",
            seed: Some(EXPLORED_GARBAGE),
            upstream: Some(EXPLORED_GARBAGE),
            mutants: &[
                Mutant::Without("c4", EXPLORED_GARBAGE),
                Mutant::On(Fault::InvlpgKeepsTlb, EXPLORED_REPLACED),
            ],
            bounds: [Some(0), Some(0)],
            body: for_variant!(user_entries_marked_at_any_time),
        },
    ]
}

fn marked_device_entries<V: Variant>() {
    device_entries::<V>(Marks::AtOnce);
}

fn device_entries_marked_at_any_time<V: Variant>() {
    device_entries::<V>(Marks::AnyTime);
}

fn device_entries<V: Variant>(marks: Marks) {
    let machine = Machine::<V>::boot(Config { marks, ..Config::new(2, 2) });
    for n in 0..2 {
        machine.run_process(n);
        upallocpdb(&machine.cpu(n));
    }
    let size = GEOMETRY.large_page() + BY2PG;
    let va = range_in_use(&machine, 0, size);
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(va, size).expect("the range is whole")),
        Script::new(1, move |cpu| {
            cpu.fault(va);
            cpu.touch(va);
            let new = cpu.vmap(device(2), BY2PG).expect("there is room");
            cpu.touch(new);
        })
        .ticking(),
    ]);
}

fn marked_user_entries<V: Variant>() {
    let marks = Marks::AtOnce;
    let machine = Machine::<V>::boot(Config { spare_c4: false, marks, ..Config::new(1, 1) });
    machine.run_process(0);
    machine.start(vec![Script::new(0, |cpu| {
        let page = cpu.newpage();
        cpu.hold(page);
        cpu.kunmap(cpu.kmap(page).expect("there are slots"));
        show_user(cpu, 0);
        flushmmu(cpu);
        cpu.taken_from_user(device(0));
        show_user(cpu, 0);
        // Another page in its place: the old one is the process's no more.
        show_user(cpu, 1);
        cpu.taken_from_user(device(0));
        pagerefs::check(cpu, &cpu.all_pages());
        cpu.give_back(page);
        cpu.die();
    })]);
}

fn user_entries_marked_at_any_time<V: Variant>() {
    let marks = Marks::AnyTime;
    let machine = Machine::<V>::boot(Config { spare_c4: false, marks, ..Config::new(1, 1) });
    machine.run_process(0);
    machine.start(vec![Script::new(0, |cpu| {
        show_user(cpu, 0);
        show_user(cpu, 1);
        cpu.taken_from_user(device(0));
        cpu.die();
    })]);
}
