//! CPUs watch each other. A CPU that takes no ticks gets an NMI, which comes whatever it does: if it is
//! a process that keeps interrupts off, the process ends (see `ureg`); otherwise nothing happens.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::apic;
use crate::clock::HZ;
use crate::layout::MAXMACH;
use crate::mach::{bump, machno, machp, nmach};

/// Ticks of the watching CPU in which the other took none.
const PATIENCE: u32 = HZ;

/// What each CPU knows of the next one: how many ticks that took, and how long ago that was.
struct Seen {
    ticks: AtomicU32,
    since: AtomicU32,
}

static SEEN: [Seen; MAXMACH] =
    [const { Seen { ticks: AtomicU32::new(0), since: AtomicU32::new(0) } }; MAXMACH];

/// Called by every tick, with interrupts off.
pub fn tick() {
    let (me, all) = (machno(), nmach());
    let next = machp((me + 1) % all);
    if all == 1 || !next.online.load(Ordering::Relaxed) {
        return;
    }
    let (seen, ticks) = (&SEEN[me], next.ticks.load(Ordering::Relaxed));
    if seen.ticks.load(Ordering::Relaxed) != ticks {
        seen.ticks.store(ticks, Ordering::Relaxed);
        seen.since.store(0, Ordering::Relaxed);
        return;
    }
    bump(&seen.since);
    if seen.since.load(Ordering::Relaxed).is_multiple_of(PATIENCE) {
        apic::nmi(next.apicid.load(Ordering::Relaxed) as u8);
    }
}
