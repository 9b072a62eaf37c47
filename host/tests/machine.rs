//! The machine itself: that its rules can be broken, and that it says so.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use host::{ACCESSED, Chances, Config, DEVICES, DIRTY, Fault, Features, Machine, Mode, Shared};
use mmu386::arch::Arch;
use mmu386::entry::{PTEVALID, PTEWRITE};
use mmu386::event::Event;
use mmu386::function::Function;
use mmu386::layout::{BY2PG, Frame, PC386};
use mmu386::shootdown;
use mmu386::tmpmap::{tmpmap, tmpunmap};
use mmu386::variant::{Fixed, Seed, Variant};

const LARGE: u32 = PC386.large_page();

/// Nothing happens before somebody waits.
fn quiet<V: Variant>() -> Arc<Machine<V>> {
    Machine::boot(Config { chances: Chances::NONE, ..Config::default() }, 1)
}

fn panic_of(work: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(work)).expect_err("it panics");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().expect("a panic has a text").to_string(),
    }
}

fn pte(machine: &Machine<Fixed>, pdb: Frame, va: u32) -> u32 {
    let pde = machine.peek(pdb, PC386.pdx(va)).expect("a directory");
    machine.peek(Frame::containing(pde), PC386.ptx(va)).expect("a table")
}

#[test]
fn a_machine_comes_up_in_order() {
    for features in [Features::ALL, Features::NONE] {
        let machine = Machine::<Fixed>::boot(Config { features, ..Config::default() }, 1);
        assert_eq!(machine.audit(), []);
        for n in 0..4 {
            let cpu = machine.cpu(n);
            assert!(cpu.islo());
            assert_eq!(cpu.machno(), n);
            let registers = machine.registers(n);
            let gdt = cpu.at_splhi(|| cpu.descriptors().gdt_base());
            assert_eq!(registers.gdt, Some((gdt, 14 * 8 - 1)));
            assert_eq!(registers.task, mmu386::gdt::Selector::TSS);
            assert_eq!(machine.pat(n) >> 56, if features.pat { 1 } else { 0 });
        }
        assert_eq!(machine.calls(Function::Mmuinit), 4);
    }
}

#[test]
fn what_a_walk_finds_is_cached_and_what_is_missing_is_not() {
    let machine = quiet::<Fixed>();
    let cpu = machine.cpu(1);
    assert_eq!(cpu.access(PC386.vmap_base(), false, Mode::Kernel), Err(Fault::NotPresent));
    assert_eq!(machine.tlb(1), []);
    let va = cpu.vmap(DEVICES, BY2PG).expect("there is room");
    // Not a word of the new entry was cached: the next access finds it, after a fault.
    assert_eq!(cpu.touch(va + 4, false), Ok(DEVICES + 4));
    let cached = machine.tlb(1);
    assert!(cached.iter().any(|t| t.va == va && t.pa == DEVICES && t.write && !t.user));
    assert_eq!(cpu.access(va, false, Mode::User), Err(Fault::NotUser));
}

#[test]
fn walks_leave_accessed_and_dirty_bits() {
    let machine = quiet::<Fixed>();
    let cpu = machine.cpu(0);
    let va = cpu.vmap(DEVICES, BY2PG).expect("there is room");
    let entry = || pte(&machine, cpu.master(), va) & (ACCESSED | DIRTY);
    assert_eq!(entry(), 0);
    cpu.touch(va, false).expect("it is mapped");
    assert_eq!(entry(), ACCESSED);
    cpu.touch(va, true).expect("it is mapped");
    assert_eq!(entry(), ACCESSED | DIRTY);
}

#[test]
fn a_lost_flush_is_seen() {
    let machine = quiet::<Fixed>();
    let (one, other) = (machine.cpu(0), machine.cpu(1));
    let va = one.vmap(DEVICES, BY2PG).expect("there is room");
    for cpu in [&one, &other] {
        cpu.touch(va, false).expect("it is mapped");
    }
    let unmapping = machine.ledger().unmapping(va, BY2PG);
    // As vunmap would, but for the request.
    mmu386::kernelmap::pdbunmap(&one, one.master(), va, BY2PG, 0);
    one.invlpg(va);
    machine.ledger().gone(unmapping);
    assert_eq!(one.touch(va, false), Err(Fault::NotPresent));
    assert_eq!(other.touch(va, false), Ok(DEVICES));
    let found = machine.audit();
    assert!(found.iter().any(|v| v.property == host::Property::V1), "{found:?}");
    other.putcr3(other.getcr3());
    assert_eq!(machine.audit(), []);
}

#[test]
fn a_load_of_cr3_keeps_globals_and_invlpg_does_not() {
    let machine = quiet::<Fixed>();
    let cpu = machine.cpu(0);
    let (text, va) = (cpu.text().start, cpu.vmap(DEVICES, BY2PG).expect("there is room"));
    cpu.access(text, false, Mode::Kernel).expect("kernel code is mapped");
    cpu.touch(va, false).expect("it is mapped");
    cpu.putcr3(cpu.getcr3());
    assert!(machine.tlb(0).iter().any(|t| t.va == text && t.global));
    assert!(!machine.tlb(0).iter().any(|t| t.va == va));
    cpu.invlpg(text + 17);
    assert!(!machine.tlb(0).iter().any(|t| t.va == text));
    assert_eq!(cpu.access(text, true, Mode::Kernel), Err(Fault::ReadOnly));
}

#[test]
fn invlpg_anywhere_in_a_large_page_drops_it() {
    let machine = quiet::<Fixed>();
    let cpu = machine.cpu(0);
    let va = cpu.vmap(DEVICES, LARGE).expect("there is room");
    assert_eq!(cpu.touch(va + LARGE - 1, false), Ok(DEVICES + LARGE - 1));
    assert!(machine.tlb(0).iter().any(|t| t.va == va && t.large));
    cpu.invlpg(va + LARGE / 2);
    assert!(!machine.tlb(0).iter().any(|t| t.va == va));
}

/// A page above the window.
fn page_above<V: Variant>(machine: &Machine<V>) -> Frame {
    loop {
        let page = machine.buffer().expect("there are pages above");
        if page.pa() >= PC386.window {
            return page;
        }
    }
}

#[test]
fn tmpaddr_is_private() {
    let machine = quiet::<Fixed>();
    let (one, other) = (machine.cpu(0), machine.cpu(1));
    let (a, b) = (page_above(&machine), page_above(&machine));
    one.splhi();
    other.splhi();
    let tmp = (tmpmap(&one, a), tmpmap(&other, b));
    for (cpu, tmp, page) in [(&one, &tmp.0, a), (&other, &tmp.1, b)] {
        cpu.store(tmp.entry(cpu, 5), page.pa());
        assert_eq!(cpu.access(PC386.tmpaddr(), false, Mode::Kernel), Ok(page.pa()));
        assert_eq!(machine.peek(page, 5), Some(page.pa()));
    }
    tmpunmap(&one, tmp.0);
    tmpunmap(&other, tmp.1);
    assert_eq!(one.access(PC386.tmpaddr(), false, Mode::Kernel), Ok(PC386.tmp));
    assert_eq!(machine.audit(), []);
}

#[test]
fn a_directory_with_another_cpus_m_is_noticed() {
    let machine = quiet::<Fixed>();
    let cpu = machine.cpu(1);
    let wrong = panic_of(|| cpu.putcr3(machine.cpu(2).m().pdb));
    assert!(wrong.contains("cpu1: U2"), "{wrong}");
    assert!(wrong.contains("shows the Mach of cpu2"), "{wrong}");
}

#[test]
fn a_page_fault_of_the_core_names_cpu_and_address() {
    let machine = quiet::<Fixed>();
    let cpu = machine.cpu(3);
    let text = panic_of(|| {
        cpu.at(PC386.kmap_base());
    });
    assert_eq!(text, "cpu3: page fault at va=0xef800000: not present");
}

#[test]
fn a_wait_that_cannot_end_names_the_word() {
    let machine = quiet::<Fixed>();
    let other = machine.cpu(2);
    other.splhi();
    let cpu = machine.cpu(0);
    let va = cpu.vmap(DEVICES, BY2PG).expect("there is room");
    let text = panic_of(|| cpu.vunmap(va, BY2PG).expect("it is mapped"));
    assert!(text.starts_with("L1: cpu0 waits while the answer of cpu2 is still"), "{text}");
    assert!(text.contains("cpu2: idle, interrupts off"), "{text}");
}

#[test]
fn interrupts_are_never_taken_where_they_are_off() {
    let machine = Machine::<Fixed>::boot(
        Config { chances: Chances { accesses: 1, sleep: 0, preempt: 0 }, ..Config::default() },
        3,
    );
    let cpu = machine.cpu(0);
    let request = |from: usize| machine.cpu(from).kick(0);
    cpu.splhi();
    request(1);
    for _ in 0..200 {
        cpu.load(&cpu.m().flushed);
    }
    assert!(machine.is_kicked(0));
    cpu.spllo();
    for _ in 0..200 {
        cpu.load(&cpu.system().flushgen);
    }
    assert!(!machine.is_kicked(0));
}

#[test]
fn newpage_sleeps_and_wakes_elsewhere() {
    let chances = Chances { accesses: 0, sleep: 100, preempt: 0 };
    let machine = Machine::<Fixed>::boot(Config { chances, ..Config::default() }, 2);
    let shared = Shared::<_, 4>::new(0x1000);
    let cpu = machine.cpu(0);
    cpu.birth(0);
    let mut seen = [false; 4];
    for index in 0..4 {
        shared.touch(&cpu, index, true).expect("the segment has the page");
        seen[cpu.id()] = true;
        assert_eq!(machine.up(cpu.id()), Some(0));
        assert_eq!(machine.audit(), []);
    }
    assert!(seen.iter().filter(|seen| **seen).count() > 1);
    assert_eq!(machine.noticed(), []);
}

/// A few steps with much by chance.
fn run(seed: u64) -> u64 {
    let machine = Machine::<Fixed>::boot(Config::default(), seed);
    let shared = Shared::<_, 8>::new(0x40_0000);
    for p in 0..3 {
        machine.cpu(p).birth(p);
    }
    for round in 0..20 {
        let cpu = machine.running(round % 3).expect("it runs");
        let va = cpu.vmap(DEVICES, BY2PG * (1 + round as u32)).expect("there is room");
        cpu.touch(va, true).expect("it is mapped");
        shared.touch(&cpu, round % 8, true).expect("the segment has the page");
        cpu.vunmap(va, BY2PG * (1 + round as u32)).expect("it is mapped");
        let cpu = machine.running((round + 1) % 3).expect("it runs");
        shared.free(&cpu, round % 8, 1).expect("it is the segment's");
        assert_eq!(machine.audit(), []);
    }
    machine.digest()
}

#[test]
fn the_same_seed_is_the_same_run() {
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn hooks_let_another_cpu_in() {
    let machine = quiet::<Seed>();
    let (cpu, other) = (machine.cpu(0), machine.cpu(1));
    cpu.birth(0);
    let va = cpu.vmap(DEVICES, BY2PG).expect("there is room");
    let taken = Arc::new(std::sync::Mutex::new(None));
    let found = taken.clone();
    machine.at_events(move |cpu, event| {
        if event == Event::Requesting {
            assert!(cpu.may_pause());
            let va = other.vmap(DEVICES + BY2PG, BY2PG);
            *found.lock().expect("it is free") = va.ok();
        }
    });
    cpu.vunmap(va, BY2PG).expect("it is mapped");
    // Hazard A3: the address is given away while it is torn down.
    assert_eq!(*taken.lock().expect("it is free"), Some(va));
    assert!(machine.noticed().iter().any(|v| v.property == host::Property::V2));
}

#[test]
fn touching_what_another_owns_panics() {
    let machine = quiet::<Fixed>();
    let cpu = machine.cpu(0);
    cpu.splhi();
    let other = &machine.cpu(1);
    let text = panic_of(|| {
        let pool = &cpu.mach(other.id()).pdbcnt;
        cpu.m();
        mmu386::arch::Owned::get(pool);
    });
    assert_eq!(text, "cpu0 touches what belongs to cpu1");
}

#[test]
fn xspanalloc_runs_out() {
    let config = Config { tables: 0, ..Config::default() };
    let machine = Machine::<Fixed>::boot(config, 1);
    let text = panic_of(|| {
        let _ = machine.cpu(0).vmap(DEVICES, BY2PG);
    });
    assert!(text.contains("no memory for a page table"), "{text}");
}

#[test]
fn a_tick_serves() {
    let machine = quiet::<Fixed>();
    let (cpu, other) = (machine.cpu(0), machine.cpu(1));
    let va = cpu.vmap(DEVICES, BY2PG).expect("there is room");
    other.touch(va, false).expect("it is mapped");
    cpu.fetch_add(&cpu.system().flushgen, 1);
    other.tick();
    assert_eq!(other.load(&other.m().flushed), cpu.load(&cpu.system().flushgen));
    assert!(!machine.tlb(1).iter().any(|t| t.va == va));
    cpu.at_splhi(|| shootdown::interrupt(&cpu));
}

#[test]
fn walks_for_no_reason_find_what_is_valid_alone() {
    let machine = quiet::<Fixed>();
    let cpu = machine.cpu(0);
    let va = cpu.vmap(DEVICES, BY2PG).expect("there is room");
    machine.walk_for_no_reason(2, va);
    assert!(!machine.tlb(2).iter().any(|t| t.va == va), "cpu2 has not faulted yet");
    machine.cpu(2).touch(va, false).expect("it is mapped");
    cpu.vunmap(va, BY2PG).expect("it is mapped");
    machine.walk_for_no_reason(2, va);
    assert!(!machine.tlb(2).iter().any(|t| t.va == va));
    assert_eq!(pte(&machine, cpu.master(), va) & (PTEVALID | PTEWRITE), 0);
}
