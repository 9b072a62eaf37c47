//! Descriptors of a process's own, in the GDT and in a local table: it finds them wherever it runs,
//! and nobody else's.

use core::sync::atomic::{AtomicU32, Ordering};

use alloc::boxed::Box;
use alloc::sync::Arc;
use mmu386::arch::Owned;
use mmu386::gdt::{PROCSEG0, Segdesc, Selector};

use super::context::{Context, Finding, Outcome};
use super::crew::audited_crew;
use crate::mach::{machno, up};
use crate::spl::{splhi, splx};
use crate::{clock, probe, sched, segment};

/// Reads for each load of the segment register.
const READS: u32 = 400;

/// How long all of it goes on.
const MILLISECONDS: u64 = 600;
/// How long a process without descriptors goes on: longer than a tick.
const SPIN_US: u64 = 11_000;

const MISSING: &str = "a process cannot load a descriptor of its own";
const OTHER: &str = "a process reads another memory than its descriptor's";
const STRANGER: &str = "a process without descriptors finds some";

/// Local descriptor tables that were not freed may take their processes this long.
const DEADLINE_US: u64 = 5_000_000;

/// Data of one word, for the kernel (Intel SDM vol. 3, 3.4.5).
fn word(at: &u32) -> Segdesc {
    let base = &raw const *at as u32;
    Segdesc { d0: base << 16 | 3, d1: base & 0xFF00_0000 | base >> 16 & 0xFF | 0x0040_9200 }
}

/// The selector of entry `index` of the local table.
const fn local(index: u16) -> Selector {
    Selector(index << 3 | 4)
}

fn judge(context: &Context, selector: Selector, expected: u32) {
    let why = match probe::read_segment(selector, READS, expected) {
        Some(0) => return,
        Some(_) => OTHER,
        None => MISSING,
    };
    let (cpu, va) = (machno(), usize::from(selector.0));
    context.finding(&Finding { hazard: "G1", cpu, va, expected, seen: 0, why });
}

/// A process with one word behind a descriptor of each table.
fn with_descriptors(context: &Context, who: usize) -> u32 {
    let values = [0xD500_0000 | who as u32, 0xD600_0000 | who as u32];
    let words = Box::new(values);
    let up = up().expect("a process runs");
    let none = Segdesc::default();
    let index = who % 3;
    let level = splhi();
    up.mmu.gdt[index].set(word(&words[0]));
    up.mmu.ldt.set(Some(segment::newldt([none, word(&words[1]), none, none])));
    splx(level);
    // They are loaded when the process is entered.
    sched::sched();
    let mut limit = context.limit(u32::MAX, MILLISECONDS);
    let mut rounds = 0u32;
    while limit.next() {
        rounds += 1;
        judge(context, Selector::new(PROCSEG0 + index, 0), values[0]);
        judge(context, local(1), values[1]);
        if rounds.is_multiple_of(512) {
            sched::sched();
        }
    }
    // No descriptor outlives its word; the table itself is for mmurelease.
    let level = splhi();
    up.mmu.gdt[index].set(none);
    splx(level);
    rounds
}

/// A process that has none. It takes ticks, and comes back from them, with whatever the process that
/// ran before it left in FS.
fn without(context: &Context) {
    let mut limit = context.limit(u32::MAX, MILLISECONDS);
    while limit.next() {
        let level = splhi();
        // SAFETY: ring 0; reads a register.
        let table = unsafe { x86::dtables::ldtr() }.bits();
        splx(level);
        let first = probe::read_segment(Selector::new(PROCSEG0, 0), 1, 0);
        if table != 0 || first.is_some() {
            let (cpu, seen, why) = (machno(), u32::from(table), STRANGER);
            context.finding(&Finding { hazard: "G1", cpu, va: 0, expected: 0, seen, why });
        }
        sched::sched();
        clock::delay(SPIN_US);
    }
}

/// Processes with and without descriptors on all CPUs.
pub fn run(context: &Context) -> Outcome {
    let before = segment::ldts();
    let rounds = Arc::new(AtomicU32::new(0));
    let (sum, shared) = (rounds.clone(), context.clone());
    let workers = context.ncpu * 2 + 2;
    audited_crew(
        context,
        &"descriptors",
        workers,
        |_| None,
        move |who| {
            if who % 3 == 2 {
                without(&shared);
            } else {
                sum.fetch_add(with_descriptors(&shared, who), Ordering::Relaxed);
            }
        },
    );
    // The last processes may still be on their way out.
    let start = clock::tsc();
    while segment::ldts() > before && clock::since(start) < DEADLINE_US {
        sched::relax();
    }
    let (rounds, left) = (rounds.load(Ordering::Relaxed), segment::ldts() - before);
    let mut outcome = context.outcome(format_args!(
        "{rounds} rounds of {READS} reads by {workers} processes; {left} tables not freed"
    ));
    outcome.failures += left + u32::from(rounds == 0);
    outcome
}
