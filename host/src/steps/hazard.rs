//! Which hazard of the ledger a finding shows, where the evidence names one.

use mmu386::entry::Entry;
use mmu386::layout::PC386;
use mmu386::variant::Variant;

use super::world::World;
use super::{Action, Step};

impl<V: Variant> World<V> {
    /// The hazard behind a violation, as far as machine and step tell.
    pub fn hazard(&self, property: &str, text: &str, step: &Step) -> Option<&'static str> {
        match property {
            "L1" if waits_for_itself(text) => Some("B1"),
            "V2" if text.contains("still being unmapped") => Some("A3"),
            "V1" | "V3" => self.stale(step),
            "U1" | "P1" if self.nested_frees.load(std::sync::atomic::Ordering::Relaxed) > 0 => {
                Some("C1")
            }
            "E2" if matches!(step.action, Action::Checkmmu { .. })
                && text.contains("page fault") =>
            {
                Some("C3")
            }
            _ => None,
        }
    }

    /// Why something stale of VMAP is left: in a directory, or in a TLB alone.
    fn stale(&self, step: &Step) -> Option<&'static str> {
        let machine = &self.machine;
        let master = mmu386::layout::Frame::containing(machine.machs[0].pdb.pa());
        let entry = |pdb, index| Entry(machine.peek(pdb, index).unwrap_or(0));
        let processes = machine.procs.iter().filter_map(|proc| proc.mmupdb.peek());
        let own = machine.machs.iter().map(|mach| mach.pdb);
        let slots = PC386.vmap..PC386.vmap + PC386.vmap_slots;
        for pdb in processes.chain(own) {
            for index in slots.clone() {
                let (copy, truth) = (entry(pdb, index), entry(master, index));
                // Accessed and dirty bits are the processor's.
                let differs = (copy.0 ^ truth.0) & !(crate::ACCESSED | crate::DIRTY) != 0;
                if copy.large() && differs {
                    let same_page = truth.large() && copy.0 >> 22 == truth.0 >> 22;
                    return Some(if same_page { "A10" } else { "A1" });
                }
            }
        }
        let unmapped = matches!(step.action, Action::Vunmap { .. });
        let idle_caller = self.without_process.load(std::sync::atomic::Ordering::Relaxed) > 0;
        let idle_cpu = (0..machine.config().cpus).any(|n| machine.up(n).is_none());
        match (unmapped && idle_caller, idle_cpu) {
            (true, _) => Some("A7"),
            (false, true) => Some("A2"),
            _ => None,
        }
    }
}

/// Whether a CPU waits for a word of its own.
fn waits_for_itself(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("L1: cpu") else { return false };
    let who: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let waits = rest.lines().next().unwrap_or_default();
    waits.contains(&format!("flushmmu of cpu{who} "))
        || waits.contains(&format!("answer of cpu{who} "))
}
