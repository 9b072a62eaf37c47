//! countpagerefs on the host machine.

mod common;

use common::{below, boot_with, device, die, enter, on};
use mmu386::arch::{Arch, Owned};
use mmu386::kmap::{kmap, kunmap};
use mmu386::pagerefs::{Holder, Pass, Said, countpagerefs};
use mmu386::user::{fault_begins, putmmu};
use mmu386::variant::{Fixed, Seed, Variant};

/// Process 0 on CPU 0 has a page directory, a kmaptable, a page table in use and one kept; CPU 1 has
/// a page directory in its pool.
fn populated<V: Variant>() -> (common::Machine<V>, common::Cpu<V>) {
    // The world stands still while it looks at what is not its own.
    let machine = boot_with::<V>(|config| config.check_owners = false);
    let cpu = on(&machine, 1);
    enter(&cpu, 1);
    mmu386::pool::upallocpdb(&cpu);
    die(&cpu);
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let put = |va| {
        let ticket = fault_begins(&cpu);
        putmmu(&cpu, va, device(0), ticket).expect("nobody flushes");
    };
    put(0);
    put(0x40_0000);
    mmu386::switch::flushmmu(&cpu);
    put(0x40_0000);
    let page = below(&cpu);
    let va = kmap(&cpu, page).expect("there is room");
    kunmap(&cpu, va);
    machine.give_back(page);
    (machine, cpu)
}

fn said<V: Variant>(cpu: &common::Cpu<V>, refs: &mut [u32], pass: Pass) -> Vec<Said> {
    let mut all = Vec::new();
    countpagerefs(cpu, refs, pass, |said| all.push(said));
    all
}

#[test]
fn every_page_that_the_mmu_code_holds_is_counted_once() {
    let (machine, cpu) = populated::<Fixed>();
    let mut refs = vec![0; common::all_pages(&machine)];
    let all = said(&cpu, &mut refs, Pass::Count);
    assert!(all.contains(&Said::InProcs(4)) && all.contains(&Said::InPools(1)), "{all:?}");
    assert!(all.contains(&Said::Mach { cpu: 1, pdballoc: 1, pdbfree: 1 }), "{all:?}");
    assert!(!all.iter().any(|said| matches!(said, Said::OtherRefs(..))), "{all:?}");
    assert_eq!(refs.iter().sum::<u32>(), 5);
    let held = common::all_pages(&machine) - machine.free_pages();
    assert_eq!(refs.iter().filter(|refs| **refs == 1).count(), held);
}

#[test]
fn a_page_with_other_references_is_told_of() {
    let (machine, cpu) = populated::<Fixed>();
    let mut refs = vec![0; common::all_pages(&machine)];
    let pdb = cpu.up().and_then(|up| up.mmupdb.get()).expect("a page directory");
    refs[cpu.pagenumber(pdb)] = 1;
    let all = said(&cpu, &mut refs, Pass::Count);
    assert!(all.contains(&Said::OtherRefs(pdb, Holder::Pdb(0))), "{all:?}");
    assert!(all.contains(&Said::InProcs(3)), "{all:?}");
}

fn printed<V: Variant>() -> Vec<Holder> {
    let (machine, cpu) = populated::<V>();
    let mut refs = vec![1; common::all_pages(&machine)];
    let holder = |said: &Said| match said {
        Said::Holds(_, holder) => *holder,
        other => panic!("{other:?} was not asked for"),
    };
    let holders = said(&cpu, &mut refs, Pass::Print).iter().map(holder).collect();
    let mut none = vec![0; common::all_pages(&machine)];
    assert_eq!(said(&cpu, &mut none, Pass::Print), [], "nothing is marked");
    holders
}

#[test]
fn every_marked_page_is_told_of() {
    use Holder::{Kmaptable, Mmufree, Mmuused, Pdb, Pdbpool};
    assert_eq!(printed::<Fixed>(), [Pdb(0), Kmaptable(0), Mmuused(0), Mmufree(0), Pdbpool(1)]);
}

/// D2: mmu.c's `continue` goes on with the next process.
#[test]
fn seed_tells_of_one_page_of_each_process() {
    assert_eq!(printed::<Seed>(), [Holder::Pdb(0), Holder::Pdbpool(1)]);
}

/// The lines of 9front `pc/mmu.c`, without the pid.
#[test]
fn lines_are_mmu_cs() {
    let page = mmu386::layout::Frame::containing(0x1234_5000);
    let lines = [
        (Said::Holds(page, Holder::Pdb(3)), "page 0x12345000 is proc 3 pdb"),
        (Said::Holds(page, Holder::Kmaptable(3)), "page 0x12345000 is proc 3 kmaptable"),
        (Said::Holds(page, Holder::Mmuused(3)), "page 0x12345000 is on proc 3 mmuused"),
        (
            Said::OtherRefs(page, Holder::Mmufree(3)),
            "page 0x12345000 is on proc 3 mmufree but has other refs!",
        ),
        (Said::Holds(page, Holder::Pdbpool(2)), "page 0x12345000 is in cpu2 pdbpool"),
        (Said::InProcs(7), "7 pages in proc mmu"),
        (Said::InPools(8), "8 pages in mach pdbpools"),
        (Said::Mach { cpu: 1, pdballoc: 5, pdbfree: 4 }, "cpu1: 5 pdballoc, 4 pdbfree"),
    ];
    for (said, line) in lines {
        assert_eq!(said.to_string(), line);
    }
}

#[test]
#[should_panic]
fn too_few_counts_are_noticed() {
    let (_machine, cpu) = populated::<Fixed>();
    let refs = cpu.up().map(|up| up.index);
    assert_eq!(refs, Some(0));
    countpagerefs(&cpu, &mut [], Pass::Count, |_| ());
}
