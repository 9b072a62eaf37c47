//! Programs in ring 3 as a test runs them: to the end, and with all pages accounted for.

use alloc::sync::Arc;

use mmu386::arch::Owned;

use super::context::{Context, Finding};
use crate::mach::{machp, nmach};
use crate::user::Group;
use crate::{pages, still};

const LOST: &str = "pages that processes in ring 3 had did not come back";
const REPORTED: &str = "a process in ring 3 saw memory that is not as it had to be";
const ENDED: &str = "a process in ring 3 did not end as it had to";

/// Pages that are free, or in a page directory that a CPU keeps ready.
pub fn spare() -> u32 {
    still::stand_still(|| {
        let pooled: u32 = (0..nmach()).map(|cpu| machp(cpu).mmu.pdbcnt.get()).sum();
        pages::free() as u32 + pooled
    })
}

/// Waits until all processes of a group are gone, and demands that `before` pages are spare again.
pub fn settle(context: &Context, group: &Group, before: u32) {
    group.wait();
    accounted(context, before);
    told(context, group);
}

/// Demands that `before` pages are spare again.
pub fn accounted(context: &Context, before: u32) {
    let after = spare();
    if after != before {
        found(context, "P1", 0, before, after, LOST);
    }
}

/// What the processes of a group told of.
pub fn told(context: &Context, group: &Group) {
    let (reports, count) = group.reports();
    for report in &reports {
        let poison = report.seen >> 24 == 0x6E;
        context.finding(&Finding {
            hazard: if poison { "C1" } else { "U1" },
            cpu: report.cpu,
            va: report.va as usize,
            expected: report.expected,
            seen: report.seen,
            why: REPORTED,
        });
    }
    for _ in reports.len()..count as usize {
        found(context, "U1", 0, 0, 0, REPORTED);
    }
}

/// A finding that is no CPU's.
pub fn found(
    context: &Context,
    hazard: &str,
    va: usize,
    expected: u32,
    seen: u32,
    why: &'static str,
) {
    context.finding(&Finding { hazard, cpu: 0, va, expected, seen, why });
}

/// Demands that all processes of a group ended with status 0.
pub fn all_well(context: &Context, group: &Group) {
    for death in group.deaths() {
        crate::println!("{} {}: {}", death.program, death.pid, death.cause);
        found(context, "ring3", 0, 0, death.pid, ENDED);
    }
}

/// Starts a program, as there is room for it.
pub fn start(program: &str, words: &[u32], group: &Arc<Group>) {
    if let Err(error) = crate::user::spawn(program, words, group) {
        panic!("{program}: {error:?}");
    }
}
