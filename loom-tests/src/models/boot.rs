//! CPUs that come up and go: mmuinit, and taking part in shootdowns.

use mmu386::arch::{Arch, Feature, WordName};
use mmu386::gdt::{GDT, LDTSEG, NGDT, PROCSEG0, Segdesc, Selector, TSSSEG};
use mmu386::init::mmuinit;
use mmu386::kaddr::{cankaddr, kaddr, paddr};
use mmu386::layout::BY2PG;
use mmu386::variant::Variant;

use super::handshake::{NO_FLUSH, STALE, STALE_IDLE, machine, page_in_use};
use super::{Break, Model, Mutant, for_variant};
use crate::engine::{Sharing, Word};
use crate::machine::{
    Booted, Config, Cpu, Fault, GEOMETRY, IDLE_STACK, Machine, Pages, Script, Wait, device,
};
use crate::oracle::Property::{R1, T1, V1};
use crate::oracle::broken;

/// What a 386 cannot do.
pub(super) const OLD: &[Feature] = &[Feature::Invlpg, Feature::Pse, Feature::Pge, Feature::Pat];
const STALE_TMP: Break = Break::new(T1, "may still use");
const WRITABLE: Break = Break::new(R1, "can still write");

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "boot",
            property: R1,
            hazard: "D1",
            cpus: 2,
            about: "CPU 0 readies itself; then another, which starts from a copy of its page directory, \
                    while CPU 0 maps a page and both use it.",
            seed: Some(WRITABLE),
            upstream: Some(WRITABLE),
            mutants: &[Mutant::Without("d1", WRITABLE)],
            bounds: [None, None],
            body: for_variant!(boot),
        },
        Model {
            name: "boot-old-processors",
            property: R1,
            hazard: "-",
            cpus: 2,
            about: "The same on processors without INVLPG, large pages, global pages and page attributes.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::Cr3KeepsTlb, WRITABLE)],
            bounds: [None, None],
            body: for_variant!(boot_old_processors),
        },
        Model {
            name: "global-in-use",
            property: T1,
            hazard: "-",
            cpus: 1,
            about: "A CPU makes the kernel's mappings global, and runs a process whose pages it has to reach \
                    at TMPADDR, which was global, too.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::InvlpgKeepsTlb, STALE_TMP)],
            bounds: [None, None],
            body: for_variant!(global_in_use),
        },
        Model {
            name: "coming-online",
            property: V1,
            hazard: "A7",
            cpus: 2,
            about: "CPU 0 unmaps a page before it runs any process, while another CPU, whose page directory \
                    shows the page, comes online and uses it.",
            seed: Some(STALE),
            upstream: Some(STALE),
            mutants: &[Mutant::Without("a7", STALE)],
            bounds: [None, None],
            body: for_variant!(coming_online),
        },
        Model {
            name: "going-offline",
            property: V1,
            hazard: "A2",
            cpus: 2,
            about: "One CPU unmaps a page; an idle CPU, whose interrupt handlers use it, goes offline.",
            seed: Some(STALE_IDLE),
            upstream: Some(STALE_IDLE),
            mutants: &[Mutant::Without("a2", STALE_IDLE), NO_FLUSH],
            bounds: [None, Some(3)],
            body: for_variant!(going_offline),
        },
        Model {
            name: "offline-and-back",
            property: V1,
            hazard: "-",
            cpus: 2,
            about: "One CPU unmaps a page; an idle CPU has used it, goes offline, comes online again, and \
                    uses it.",
            seed: Some(STALE_IDLE),
            upstream: Some(STALE_IDLE),
            mutants: &[Mutant::Without("a2", STALE_IDLE), NO_FLUSH],
            bounds: [None, Some(3)],
            body: for_variant!(offline_and_back),
        },
        Model {
            name: "back-after-many-requests",
            property: V1,
            hazard: "-",
            cpus: 2,
            about: "One CPU unmaps a page; another comes online again after so many requests that its old \
                    answer looks new.",
            seed: Some(STALE_IDLE),
            upstream: Some(STALE_IDLE),
            mutants: &[Mutant::Without("a2", STALE_IDLE), NO_FLUSH],
            bounds: [None, Some(4)],
            body: for_variant!(back_after_many_requests),
        },
    ]
}

fn expect(what: bool, cpu: usize, fact: &str) {
    if !what {
        broken(R1, &format!("cpu {cpu}, through mmuinit: {fact} is wrong"));
    }
}

/// What a CPU must be like when mmuinit has returned.
fn expect_ready<V: Variant>(cpu: &Cpu<V>) {
    let id = cpu.id();
    if let Some(translation) = cpu.writes_text() {
        broken(R1, &format!("cpu {id} can still write kernel code: {translation}"));
    }
    let descriptors = cpu.descriptors();
    let registers = cpu.registers();
    // 112 is NGDT descriptors, 2048 is 256 gates; a limit is the last byte.
    expect(registers.gdt == Some((descriptors.gdt_base(), 111)), id, "GDTR");
    expect(registers.idt == Some(2047), id, "IDTR");
    expect(registers.task == Some(Selector(0x28)), id, "the task register");
    let entry = if cpu.has(Feature::Pat) { 1 } else { 0 };
    expect(registers.pat >> 56 == entry, id, "entry 7 of the page attribute table");
    for index in (0..NGDT).filter(|&index| index != TSSSEG) {
        expect(descriptors.gdt[index].peek() == GDT[index], id, "a descriptor");
    }
    let base = descriptors.tss_base();
    let Segdesc { d0, d1 } = descriptors.gdt[TSSSEG].peek();
    expect(d0 == base << 16 | 104, id, "the low word of the TSS descriptor");
    expect(d1 == base & 0xFF00_0000 | base >> 16 & 0xFF | 0x8900, id, "its high word");
    for level in 0..3 {
        expect(descriptors.tss[1 + 2 * level].peek() == IDLE_STACK, id, "a stack in the TSS");
        expect(descriptors.tss[2 + 2 * level].peek() == 0x08, id, "a stack segment in the TSS");
    }
    expect(descriptors.tss[25].peek() == 0xDFFF << 16, id, "the I/O permission map");
    for empty in [LDTSEG, PROCSEG0] {
        expect(descriptors.gdt[empty].peek() == Segdesc::default(), id, "an empty descriptor");
    }
    expect(cpu.memory_is_as_mmuinit_leaves_it(), id, "the page directory or its private table");
}

fn boot<V: Variant>() {
    boot_processors::<V>(&[]);
}

fn boot_old_processors<V: Variant>() {
    boot_processors::<V>(OLD);
}

fn boot_processors<V: Variant>(lacks: &'static [Feature]) {
    let machine = Machine::<V>::boot(Config { ready: 0, online: 0, lacks, ..Config::new(2, 0) });
    let copied = Word::new(WordName::Other("start of", 1), 0, Sharing::Shared);
    let seen = copied.clone();
    machine.start(vec![
        Script::new(0, move |cpu| {
            mmuinit(cpu, IDLE_STACK);
            expect_ready(cpu);
            expect_window(cpu);
            cpu.prepare(1);
            cpu.go_online();
            cpu.spllo();
            copied.store(1);
            let va = cpu.vmap(device(0), BY2PG).expect("VMAP is empty");
            cpu.touch(va);
        }),
        Script::new(1, move |cpu| {
            while seen.load(1) == 0 {
                cpu.relax(&[(&seen, 0)]);
            }
            mmuinit(cpu, IDLE_STACK);
            expect_ready(cpu);
            cpu.go_online();
            cpu.spllo();
            cpu.touch(GEOMETRY.vmap_base());
        }),
    ]);
}

fn global_in_use<V: Variant>() {
    let pages = Pages::AboveTheWindow;
    let machine = Machine::<V>::boot(Config { ready: 0, online: 0, pages, ..Config::new(1, 1) });
    machine.make_ready(0);
    machine.start(vec![
        Script::new(0, |cpu| {
            mmuinit(cpu, IDLE_STACK);
            cpu.go_online();
            cpu.spllo();
            cpu.finish();
        }),
        Script::ready(0, |cpu| {
            cpu.map_user(0, device(0)).expect("nobody flushes");
            cpu.die();
        }),
    ]);
}

/// The window shows what it should.
fn expect_window<V: Variant>(cpu: &Cpu<V>) {
    let (first, end) = (GEOMETRY.kzero_base(), GEOMETRY.window);
    let right = kaddr(cpu, BY2PG) == first + BY2PG
        && paddr(cpu, first + BY2PG) == BY2PG
        && cankaddr(cpu, BY2PG) == end - BY2PG
        && cankaddr(cpu, end) == 0;
    expect(right, cpu.id(), "the window");
}

fn coming_online<V: Variant>() {
    let machine = Machine::<V>::boot(Config { online: 1, ..Config::new(2, 0) });
    let va = machine.cpu(0).vmap(device(0), BY2PG).expect("VMAP is empty");
    assert!(machine.cpu(1).touch(va), "the page is mapped");
    machine.start(vec![
        Script::new(0, move |cpu| cpu.vunmap(va, BY2PG).expect("the range is whole")),
        Script::new(1, move |cpu| {
            cpu.go_online();
            cpu.spllo();
            cpu.touch(va);
        }),
    ]);
}

/// A machine whose CPU 0 runs a process and has mapped a page; the other, idle, has used it.
fn one_idle<V: Variant>() -> (Booted<V>, u32) {
    let machine = machine::<V>(2, 1, Wait::Park);
    let va = page_in_use(&machine, 2, 0);
    (machine, va)
}

/// CPU 0 unmaps the page.
fn unmapper<V: Variant>(va: u32) -> Script<V> {
    Script::new(0, move |cpu| cpu.vunmap(va, BY2PG).expect("the range is whole")).ticking()
}

/// The CPU comes online again, and uses the page.
fn come_back<V: Variant>(cpu: &Cpu<V>, va: u32) {
    cpu.go_online();
    cpu.spllo();
    cpu.touch(va);
}

fn going_offline<V: Variant>() {
    let (machine, va) = one_idle::<V>();
    machine.start(vec![
        unmapper(va),
        Script::new(1, move |cpu| {
            cpu.touch(va);
            // Somewhere in here it answers, and could still use the page.
            cpu.load(&cpu.system().flushgen);
            cpu.go_offline();
            cpu.stay_offline();
        })
        .ticking(),
    ]);
}

fn offline_and_back<V: Variant>() {
    let (machine, va) = one_idle::<V>();
    machine.start(vec![
        unmapper(va),
        Script::new(1, move |cpu| {
            cpu.go_offline();
            come_back(cpu, va);
        }),
    ]);
}

fn back_after_many_requests<V: Variant>() {
    let (machine, va) = one_idle::<V>();
    let cpu = machine.cpu(1);
    cpu.go_offline();
    // The CPUs that stayed have answered them all.
    let cpu = machine.cpu(0);
    cpu.fetch_add(&cpu.system().flushgen, 1 << 31);
    cpu.store(&cpu.m().flushed, cpu.load(&cpu.system().flushgen));
    machine.start(vec![unmapper(va), Script::new(1, move |cpu| come_back(cpu, va))]);
}
