//! Pages of segments: what adds them, what is in them, and where they go.

use std::rc::Rc;

use mmu386::arch::Arch;
use mmu386::error::{KmapError, SegmentError};
use mmu386::layout::BY2PG;
use mmu386::segment::Segment;
use mmu386::variant::Variant;

use super::{Break, Model, Mutant, for_variant};
use crate::machine::{Booted, Config, Cpu, Fault, GEOMETRY, Machine, Script, device};
use crate::oracle::Property::{E1, L1, P1, P2, T1, U1, U4};
use crate::oracle::broken;

const UNORDERED: Break = Break::new(P2, "nothing orders them").or(L1, "lock of the segment");
const REACHED: Break = Break::new(T1, "may still use").or(U1, "a page is given back");
/// What the page table that the process kept leads to.
const LEFTOVER: Break = Break::new(U1, "which is not the process's");

pub(super) fn models() -> Vec<Model> {
    vec![
        Model {
            name: "two-faults-on-one-page",
            property: P1,
            hazard: "-",
            cpus: 2,
            about: "Two processes fault on the same page of a segment, which has none there: one adds it, and \
                    the other gives its own back.",
            seed: None,
            upstream: None,
            mutants: &[Mutant::On(Fault::SwapNotLocked, UNORDERED)],
            bounds: [None, Some(4)],
            body: for_variant!(two_faults_on_one_page),
        },
        Model {
            name: "segment-comes-and-goes",
            property: U4,
            hazard: "C4",
            cpus: 1,
            about: "A process uses a page of a segment, frees it, and faults on it again; it faults behind the \
                    segment, and without a kmap to clear a page with. Then all is given back.",
            seed: Some(LEFTOVER),
            upstream: Some(LEFTOVER),
            mutants: &[Mutant::Without("c4", LEFTOVER), Mutant::On(Fault::Cr3KeepsTlb, REACHED)],
            bounds: [None, None],
            body: for_variant!(segment_comes_and_goes),
        },
    ]
}

/// Process `n`, on its CPU in set-up, has all tables that a fault on the first page needs.
fn has_tables<V: Variant>(machine: &Booted<V>, n: usize) {
    let cpu = machine.cpu(n);
    cpu.map_user(BY2PG, device(1)).expect("nobody flushes");
    let page = cpu.newpage();
    cpu.kunmap(cpu.kmap(page).expect("there are slots"));
    cpu.give_back(page);
}

fn two_faults_on_one_page<V: Variant>() {
    let machine = Machine::<V>::boot(Config { left: Some(1), ..Config::new(2, 2) });
    for n in 0..2 {
        machine.run_process(n);
        has_tables(&machine, n);
    }
    let segment = Rc::new(Segment::<Cpu<V>, 1>::new(0));
    let fault = |n: usize| {
        let segment = segment.clone();
        Script::new(n, move |cpu| {
            segment.fault(cpu, 0).expect("the address is the segment's");
            cpu.use_user(0);
        })
    };
    machine.start(vec![fault(0), fault(1)]);
}

fn segment_comes_and_goes<V: Variant>() {
    let machine = Machine::<V>::boot(Config { left: Some(0), ..Config::new(1, 1) });
    machine.run_process(0);
    machine.start(vec![Script::new(0, |cpu| {
        let segment = Segment::<Cpu<V>, 2>::new(0);
        for mark in [1, 2] {
            segment.fault(cpu, BY2PG).expect("the address is the segment's");
            expect_zeros(cpu, BY2PG);
            cpu.write_user(BY2PG, mark);
            if cpu.read_user(BY2PG) != Some(mark) {
                broken(U1, "a program does not read what it stored");
            }
            segment.free(cpu, BY2PG, 1, |_| true).expect("the range is the segment's");
        }
        let va = 2 * BY2PG;
        if segment.fault(cpu, va) != Err(SegmentError::Outside { va }) {
            broken(E1, "a fault behind the segment is not refused");
        }
        without_kmaps(cpu, |slots| {
            let full = SegmentError::Kmap(KmapError::Full { slots });
            if segment.fault(cpu, 0) != Err(full) {
                broken(E1, "a fault without a kmap is not refused");
            }
        });
        cpu.die();
    })]);
}

/// A page that is new to the process shows nothing of its last owner.
fn expect_zeros<V: Variant>(cpu: &Cpu<V>, page: u32) {
    for word in 0..GEOMETRY.entries() as u32 {
        let va = page + word * 4;
        match cpu.read_user(va) {
            Some(0) => {}
            Some(value) => broken(U4, &format!("a new page shows {value:#x} at {va:#x}")),
            None => broken(U4, &format!("a page was mapped at {va:#x}, and nothing is there")),
        }
    }
}

/// Does something while the process has no slot of KMAP left.
fn without_kmaps<V: Variant>(cpu: &Cpu<V>, work: impl FnOnce(usize)) {
    let page = cpu.newpage();
    cpu.hold(page);
    let slots: Vec<u32> =
        (0..GEOMETRY.nkpt()).map(|_| cpu.kmap(page).expect("there are slots")).collect();
    work(slots.len());
    slots.into_iter().for_each(|va| cpu.kunmap(va));
    cpu.give_back(page);
}
