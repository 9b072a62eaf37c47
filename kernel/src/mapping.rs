//! A mapping of tagged device memory that is judged at every step.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::finding::{Finding, Judge};
use crate::layout::{BY2LARGE, BY2PG, MAXMACH, PTESIZE, PTEVALID};
use crate::mach::{bump, machno};
use crate::oracle::{TAGS, tag};
use crate::probe::Sight;
use crate::{mmu, probe};

/// A live mapping.
pub struct Mapping {
    /// First address.
    pub va: usize,
    /// First physical address.
    pub pa: usize,
    /// Bytes.
    pub size: usize,
}

/// Accesses of each CPU's that were judged.
static JUDGED: [AtomicU32; MAXMACH] = [const { AtomicU32::new(0) }; MAXMACH];

fn count() {
    bump(&JUDGED[machno()]);
}

/// Accesses that were judged since boot.
pub fn judged() -> u32 {
    JUDGED.iter().fold(0, |sum, judged| sum.wrapping_add(judged.load(Ordering::Relaxed)))
}

const SHARED: &str = "vmap handed out addresses that are in use";
const OTHER: &str = "a live mapping shows memory that is not its own";
const LOST: &str = "a live mapping cannot be reached";
const STALE: &str = "after vunmap returned, the old memory can still be reached";
const LATE: &str = "after patwc, a directory entry still chooses the old memory type";

/// What chooses entry 7 of the attribute table in a directory entry of a large page (Intel SDM vol. 3,
/// 11.12.3).
const COMBINING: u32 = 0x1018;

impl Mapping {
    /// Maps, and enters the mapping in the book.
    pub fn new(judge: &impl Judge, pa: usize, size: usize) -> Mapping {
        let (va, overlap) = match mmu::vmap_told(pa, size) {
            Ok(told) => told,
            Err(error) => panic!("{error}"),
        };
        let mapping = Mapping { va, pa, size };
        match overlap {
            None => {}
            // Reused while it is being unmapped: right only if no CPU is left with the old page.
            Some(overlap) if overlap.torn => {
                mapping.check_all_everywhere(judge);
            }
            Some(overlap) => {
                let (hazard, why) = ("V2", SHARED);
                let (cpu, expected, seen) = (machno(), tag(pa), tag(overlap.pa as usize));
                judge.finding(&Finding { hazard, cpu, va, expected, seen, why });
            }
        }
        mapping
    }

    fn large(&self) -> bool {
        self.size >= BY2LARGE
    }

    /// Offsets worth a look: both tags of every page of small mappings, of some of large ones.
    fn offsets(&self) -> impl Iterator<Item = usize> + use<> {
        let step = if self.large() { BY2LARGE / 4 } else { BY2PG };
        (0..self.size).step_by(step).flat_map(|page| TAGS.map(|tag| page + tag))
    }

    /// Which entry of the ledger explains that a CPU sees what it must not.
    fn hazard(&self, sight: &Sight, otherwise: &'static str) -> &'static str {
        let here = self.pa & !(BY2LARGE - 1);
        let in_directory = sight.pde & (PTESIZE | PTEVALID) == PTESIZE | PTEVALID;
        match sight.idle {
            // The loaded directory has a copy: of old memory, or of any after vunmap.
            _ if in_directory
                && (otherwise == "V1" || sight.pde as usize & !(BY2LARGE - 1) != here) =>
            {
                "A1"
            }
            // Only its TLB has it, which it should have flushed.
            true => "A2",
            false => otherwise,
        }
    }

    /// Judges what one CPU saw at `offset` of this live mapping.
    fn compare(&self, judge: &impl Judge, offset: usize, sight: &Sight) {
        count();
        let expected = tag(self.pa + offset);
        if sight.word == Some(expected) {
            return;
        }
        let why = if sight.word.is_some() { OTHER } else { LOST };
        let hazard = self.hazard(sight, "A3");
        let (cpu, va, seen) = (sight.cpu, self.va + offset, sight.word.unwrap_or(0));
        judge.finding(&Finding { hazard, cpu, va, expected, seen, why });
    }

    /// Every page, on every CPU.
    pub fn check_all_everywhere(&self, judge: &impl Judge) {
        for offset in self.offsets() {
            self.check_everywhere(judge, offset);
        }
    }

    /// Every page, on this CPU, in this process.
    pub fn check_here(&self, judge: &impl Judge) {
        for offset in self.offsets() {
            self.compare(judge, offset, &probe::here(self.va + offset));
        }
    }

    /// The word at an offset, which is to hold its page's tag, on every CPU.
    pub fn check_everywhere(&self, judge: &impl Judge, offset: usize) {
        for sight in probe::everywhere(self.va + offset) {
            self.compare(judge, offset, &sight);
        }
    }

    /// As `unmap`, with a look from some CPUs.
    pub fn unmap_seen_from<S: AsRef<[Sight]>>(self, judge: &impl Judge, look: impl Fn(usize) -> S) {
        if let Err(error) = mmu::vunmap(self.va, self.size) {
            panic!("{error}");
        }
        for offset in self.offsets() {
            let old = tag(self.pa + offset);
            for sight in look(self.va + offset).as_ref() {
                count();
                if sight.word != Some(old) {
                    continue;
                }
                let hazard = self.hazard(sight, "V1");
                let (cpu, va) = (sight.cpu, self.va + offset);
                let (expected, seen) = (0, old);
                judge.finding(&Finding { hazard, cpu, va, expected, seen, why: STALE });
            }
        }
    }

    /// Unmaps; then no CPU may reach the old memory. `pa` is the caller's own, so nobody else maps
    /// it meanwhile and its tag can only come from a stale translation.
    pub fn unmap(self, judge: &impl Judge) {
        self.unmap_seen_from(judge, probe::everywhere);
    }
}

/// After patwc, the directory entry of a large page by which a CPU looked at `va` chooses write combining.
pub fn check_combining(judge: &impl Judge, va: usize, sight: &Sight) {
    let seen = sight.pde & COMBINING;
    if seen != COMBINING {
        let (hazard, cpu, expected, why) = ("A10", sight.cpu, COMBINING, LATE);
        judge.finding(&Finding { hazard, cpu, va, expected, seen, why });
    }
}
