//! countpagerefs: which process holds which page.

use mmu386::arch::Arch;
use mmu386::layout::Frame;
use mmu386::pagerefs::{Holder, Pass, Said, countpagerefs};
use mmu386::switch::flushmmu;
use mmu386::variant::Variant;

use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Config, Cpu, Fault, GEOMETRY, Machine, Script, device};
use crate::oracle::Property::{P3, T1};
use crate::oracle::broken;

const HALF: Break = Break::new(P3, "are not named");

/// In the VPT, as the translation of a page table that is not in use any more.
const OLD_TABLE: Break = Break::new(T1, "may still use");

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "page-references",
            property: P3,
            hazard: "D2",
            cpus: 1,
            about: "A process with a page directory, page tables of each kind and a KMAP is counted, and so is \
                a page directory in the pool; then the list is printed.",
            seed: Some(HALF),
            upstream: Some(HALF),
            mutants: &[Mutant::Without("d2", HALF), Mutant::On(Fault::Cr3KeepsTlb, OLD_TABLE)],
            bounds: [None, None],
            body: for_variant!(page_references),
        },
        Model {
            name: "count-at-any-moment",
            property: P3,
            hazard: "D2",
            cpus: 1,
            about: "A process gets a page directory, uses KMAP and user memory, flushes and dies; it is preempted \
                at any moment, and the pages are counted then.",
            seed: Some(HALF),
            upstream: Some(HALF),
            mutants: &[Mutant::Without("d2", HALF)],
            bounds: [None, Some(3)],
            body: for_variant!(count_at_any_moment),
        },
    ]
}

fn page_references<V: Variant>() {
    let machine = Machine::<V>::boot(Config::new(1, 2));
    machine.run_on(0, 1);
    machine.cpu(0).upallocpdb();
    machine.cpu(0).stop();
    // Another process leaves its page directory in the pool.
    machine.run_process(0);
    let first = machine.cpu(0);
    first.map_user(0, device(0)).expect("nobody flushes");
    first.die();
    machine.run_on(0, 1);
    machine.start(vec![Script::new(0, |cpu| {
        let mut pages = vec![cpu.newpage()];
        cpu.hold(pages[0]);
        cpu.kunmap(cpu.kmap(pages[0]).expect("there are slots"));
        for slot in 0..GEOMETRY.vmap {
            cpu.map_user(GEOMETRY.base(slot), device(0)).expect("nobody flushes");
        }
        flushmmu(cpu);
        cpu.map_user(0, device(0)).expect("nobody flushes");
        pages = cpu.all_pages();
        let m = cpu.m();
        if (m.pdballoc.peek(), m.pdbfree.peek()) != (2, 1) {
            broken(P3, "page directories that came and went are miscounted");
        }
        check(cpu, &pages);
    })]);
}

fn count_at_any_moment<V: Variant>() {
    let machine = Machine::<V>::boot(Config::new(1, 2));
    machine.run_process(0);
    machine.make_ready(1);
    machine.start(vec![
        Script::new(0, |cpu| {
            let page = cpu.newpage();
            cpu.hold(page);
            cpu.kunmap(cpu.kmap(page).expect("there are slots"));
            cpu.map_user(0, device(0)).expect("nobody flushes");
            flushmmu(cpu);
            cpu.map_user(0, device(0)).expect("nobody flushes");
            cpu.die();
        })
        .preempted(),
        Script::ready(1, |cpu| {
            check(cpu, &cpu.all_pages());
            cpu.finish();
        }),
    ]);
}

/// Both passes must say what the lists hold, which the machine reads for itself.
pub(super) fn check<V: Variant>(cpu: &Cpu<V>, pages: &[Frame]) {
    let mut refs = vec![0; pages.len()];
    let held = cpu.holders();
    let in_pools = held.iter().filter(|(_, holder)| matches!(holder, Holder::Pdbpool(_))).count();
    let mut said = Vec::new();
    countpagerefs(cpu, &mut refs, Pass::Count, |what| said.push(what));
    let counted = [
        Said::InProcs(held.len() - in_pools),
        Said::InPools(in_pools),
        Said::Mach { cpu: 0, pdballoc: cpu.m().pdballoc.peek(), pdbfree: cpu.m().pdbfree.peek() },
    ];
    if said != counted {
        broken(P3, &format!("counted {said:?} instead of {counted:?}"));
    }
    for (number, page) in pages.iter().enumerate() {
        let is_held = u32::from(held.iter().any(|(held, _)| held == page));
        if refs[number] != is_held {
            let pa = page.pa();
            broken(P3, &format!("page {pa:#x} was counted {} times", refs[number]));
        }
    }
    said.clear();
    countpagerefs(cpu, &mut refs, Pass::Print, |what| said.push(what));
    let missing: Vec<_> =
        held.iter().filter(|(page, holder)| !said.contains(&Said::Holds(*page, *holder))).collect();
    if !missing.is_empty() {
        broken(P3, &format!("{} of {} pages are not named", missing.len(), held.len()));
    }
    if said.len() != held.len() {
        broken(P3, &format!("{} lines for {} pages", said.len(), held.len()));
    }
}
