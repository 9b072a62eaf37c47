//! What happened since the soak began.

use core::sync::atomic::{AtomicU32, Ordering};

use mmu386_wire::soak::{BUCKETS, Counters};

use super::{bare, fuzz, jobs};
use crate::events::{self, Kind};
use crate::{audit, chaos, heap, mach, mmu, pages, user};

/// Counts as they stood at one moment.
pub struct Since {
    counters: Counters,
    latencies: [u32; BUCKETS],
}

impl Since {
    /// The moment is now.
    pub fn now() -> Since {
        Since { counters: since_boot(0, 0), latencies: mmu::latencies() }
    }

    /// What happened since.
    pub fn count(&self, rounds: &AtomicU32, findings: u32) -> Counters {
        let now = since_boot(rounds.load(Ordering::Relaxed), findings);
        // The heap may well be smaller than it was.
        let heap = now.heap.saturating_sub(self.counters.heap);
        Counters { heap, ..now.since(&self.counters) }
    }

    /// Calls of vunmap since, by how long they took.
    pub fn latencies(&self) -> [u32; BUCKETS] {
        let mut now = mmu::latencies();
        now.iter_mut().zip(self.latencies).for_each(|(now, then)| *now = now.wrapping_sub(then));
        now
    }
}

fn since_boot(rounds: u32, findings: u32) -> Counters {
    let get = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
    Counters {
        shootdowns: events::count(Kind::Requesting),
        flushes: events::count(Kind::Dropping),
        served: events::count(Kind::Serving),
        switches: events::count(Kind::Enter),
        migrations: mach::sum(|mach| &mach.migrations),
        faults: events::count(Kind::Fault),
        refused: events::count(Kind::Refused),
        synced: events::count(Kind::Synced),
        swept: events::count(Kind::Swept),
        pdballocs: mach::sum(|mach| &mach.pdballocs),
        pool_hits: mach::sum(|mach| &mach.pool_hits),
        lives: get(&user::LIVES),
        forks: get(&user::FORKS),
        execs: get(&user::EXECS),
        copies: get(&user::COPIES),
        calls: get(&user::CALLS),
        slept: pages::slept() as u32,
        maps: get(&jobs::MAPS),
        large: get(&jobs::LARGE),
        drivers: get(&jobs::DRIVERS),
        handled: get(&jobs::HANDLED),
        counted: get(&crate::tests::page_refs::COUNTED),
        judged: crate::tests::device::judged(),
        bare: bare::looks(),
        fuzzed: get(&fuzz::FUZZED),
        stopped: get(&fuzz::STOPPED),
        rounds,
        audits: audit::count(),
        chaos: chaos::count(),
        heap: heap::used() as u32,
        findings,
    }
}
