//! What a pass does not prove. Said in the review itself, so that nobody has to ask.

use crate::verdict::{LEDGER, Row, same_hazard};

/// What no row of any run can show, and why.
pub(super) const LIMITS: &[&str] = &[
    "A model that holds, holds for its number of CPUs, its few table entries and its preemption bound. More CPUs, \
     larger tables or more preemptions may show what it did not.",
    "Rows of the explorer in mode tso are x86-TSO: every interleaving of the CPUs and of their store buffers, which \
     are first in, first out. A state is taken for met before by a digest of 128 bits: that two differ and have the \
     same is possible, with a chance below 1 in 10^23 for a hundred million states.",
    "loom 0.7 misses executions over plain loads and stores. Rows in mode rmw make every access a read-modify-write: \
     every interleaving is seen, store buffers are not. Rows in mode as-written see C11 reorderings, but not every \
     interleaving.",
    "loom never explores load buffering, treats SeqCst accesses as acquire and release, and runs at most 5 threads. \
     What a compiler may reorder within one CPU is seen only as far as the C11 orderings allow it.",
    "The kernel rows are samples: one boot each under QEMU's translator, whose TLBs are kinder than hardware (a CR3 \
     load drops global entries, upper levels are not cached, nothing is walked speculatively).",
    "The medians of vunmap come from an emulated machine. Their ratio says what is waited for, not what real \
     hardware would measure.",
    "The C original is not executed: mmu386 is a port of it, and a mistake in the port is a mistake in the claim \
     about the original.",
];

/// The hazards of the ledger that no row of this run looks for.
pub(super) fn not_looked_for(rows: &[Row]) -> Vec<String> {
    LEDGER
        .iter()
        .filter(|(number, _)| !rows.iter().any(|row| same_hazard(&row.hazard, number)))
        .map(|(number, name)| format!("{number} ({name})"))
        .collect()
}
