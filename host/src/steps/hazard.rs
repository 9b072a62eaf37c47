//! Which hazard of the ledger a finding shows, where the evidence names one.

use std::sync::atomic::Ordering::Relaxed;

use mmu386::entry::Entry;
use mmu386::layout::{Frame, PC386};
use mmu386::variant::{Fixes, Variant};

use super::world::World;

/// Where the leftovers of a fresh page lead, as text shows it.
const LEFTOVERS: &str = "0xba";

/// Whether the variant has the repair for a hazard, which therefore is none of its.
pub(super) fn is_repaired<V: Variant>(hazard: &str) -> bool {
    let fix = Fixes::EACH.iter().find(|(name, _)| name.eq_ignore_ascii_case(hazard));
    fix.is_some_and(|(_, fix)| V::FIXES.has(*fix))
}

impl<V: Variant> World<V> {
    /// The hazard behind a violation, as far as machine and step tell. One that the variant has a
    /// repair for is not it.
    pub fn hazard(&self, property: &str, text: &str) -> Option<&'static str> {
        let without_process = self.without_process.load(Relaxed) > 0;
        let frees = self.nested_frees.load(Relaxed) > 0;
        let (in_directory, same_page) = self.stale_copy();
        let idle = (0..self.machine.config().cpus).any(|n| self.machine.up(n).is_none());
        let vmap = matches!(property, "V1" | "V3");
        let user = matches!(property, "U1" | "P1" | "K1");
        let suspects = [
            ("B1", property == "L1" && waits_for_itself(text)),
            ("A3", property == "V2" && text.contains("still being unmapped")),
            ("A9", property == "V2" && text.contains("the master lacks it")),
            ("A7", property == "U2" && without_process && text.contains("Mach of cpu0")),
            ("A10", text.starts_with("patwc")),
            ("A10", vmap && in_directory && same_page),
            ("A1", vmap && in_directory),
            ("A7", vmap && without_process),
            ("A2", vmap && idle),
            ("C4", user && (text.contains(LEFTOVERS) || text.contains("holds None"))),
            ("C1", user && frees),
            ("C4", user && text.contains("may see nothing")),
            ("C3", property == "E2" && text.contains("page fault at va=0xef")),
        ];
        let suspect = |(hazard, fits): &(&str, bool)| *fits && !is_repaired::<V>(hazard);
        suspects.into_iter().find(suspect).map(|(hazard, _)| hazard)
    }

    /// Whether some page directory has a large entry that differs from the master's, and whether the
    /// master's is of the same page.
    fn stale_copy(&self) -> (bool, bool) {
        let machine = &self.machine;
        let entry = |pdb: Frame, index| Entry(machine.peek(pdb, index).unwrap_or(0));
        let master = machine.machs[0].pdb;
        let processes = machine.procs.iter().filter_map(|proc| proc.mmupdb.peek());
        let own = machine.machs.iter().map(|mach| mach.pdb);
        for pdb in own.chain(processes).chain(machine.pooled()) {
            for index in PC386.vmap..PC386.vmap + PC386.vmap_slots {
                let (copy, truth) = (entry(pdb, index), entry(master, index));
                // Accessed and dirty bits are the processor's.
                let differs = (copy.0 ^ truth.0) & !(crate::ACCESSED | crate::DIRTY) != 0;
                if copy.large() && differs {
                    return (true, truth.large() && copy.0 >> 22 == truth.0 >> 22);
                }
            }
        }
        (false, false)
    }
}

/// Whether a CPU waits for a word of its own.
fn waits_for_itself(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("L1: cpu") else { return false };
    let who: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let waits = rest.lines().next().unwrap_or_default();
    waits.contains(&format!("flushmmu of cpu{who} is"))
        || waits.contains(&format!("answer of cpu{who} is"))
}
