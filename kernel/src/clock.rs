//! Time: the TSC and the LAPIC timer, both measured against the ACPI PM timer.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::apic;

/// Ticks per second and CPU.
pub const HZ: u32 = 100;
const PM_HZ: u64 = 3_579_545;
/// How long to measure, in PM timer counts: 10 ms.
const SPAN: u32 = (PM_HZ / 100) as u32;
/// How far apart the two readings of the PM timer around the others may be: 30 us.
const TIGHT: u32 = (PM_HZ / 33_000) as u32;
/// Tries for a tight reading.
const TRIES: u32 = 1000;

static TSC_KHZ: AtomicU32 = AtomicU32::new(1_000_000);
static LAPIC_PER_TICK: AtomicU32 = AtomicU32::new(0);

/// The time stamp counter.
pub fn tsc() -> u64 {
    // SAFETY: CR4.TSD is clear, and ring 0 may read it anyway.
    unsafe { x86::time::rdtsc() }
}

/// The three clocks at one moment.
struct Moment {
    pm: u32,
    tsc: u64,
    lapic: u32,
}

impl Moment {
    /// Reads the clocks, again if something came between: a host may take the vCPU away for longer
    /// than the whole measurement.
    fn read(pm: impl Fn() -> u32) -> Moment {
        let mut best: Option<(u32, Moment)> = None;
        for _ in 0..TRIES {
            let before = pm();
            let (tsc, lapic) = (tsc(), apic::timer_count());
            let apart = elapsed(before, pm());
            if best.as_ref().is_none_or(|(least, _)| apart < *least) {
                best = Some((apart, Moment { pm: before, tsc, lapic }));
            }
            if apart <= TIGHT {
                break;
            }
        }
        best.expect("at least one try").1
    }
}

/// PM timer counts from one reading to another; the counter has 24 bits.
fn elapsed(from: u32, to: u32) -> u32 {
    to.wrapping_sub(from) & 0xFF_FFFF
}

/// Measures the TSC and the LAPIC timer over 10 ms.
pub fn calibrate(pm_port: u16) {
    // SAFETY: the FADT names the port of the PM timer; reading it has no effect.
    let pm = || unsafe { x86::io::inl(pm_port) };
    apic::timer_free_running();
    let start = Moment::read(pm);
    while elapsed(start.pm, pm()) < SPAN {
        spin_loop();
    }
    let end = Moment::read(pm);
    let counts = u64::from(elapsed(start.pm, end.pm));
    let khz = (end.tsc - start.tsc) * PM_HZ / counts / 1000;
    TSC_KHZ.store(khz as u32, Ordering::Relaxed);
    let per_second = u64::from(start.lapic.wrapping_sub(end.lapic)) * PM_HZ / counts;
    LAPIC_PER_TICK.store((per_second / u64::from(HZ)) as u32, Ordering::Relaxed);
}

/// LAPIC timer counts between two ticks.
pub fn lapic_per_tick() -> u32 {
    LAPIC_PER_TICK.load(Ordering::Relaxed)
}

/// Nanoseconds in a span of the TSC.
pub fn nanoseconds(tsc: u64) -> u64 {
    tsc * 1000 / u64::from(TSC_KHZ.load(Ordering::Relaxed) / 1000)
}

/// Microseconds since a reading of the TSC.
pub fn since(start: u64) -> u64 {
    tsc().saturating_sub(start) * 1000 / u64::from(TSC_KHZ.load(Ordering::Relaxed))
}

/// Spins for a while, interrupts as they are.
pub fn delay(microseconds: u64) {
    let start = tsc();
    while since(start) < microseconds {
        spin_loop();
    }
}

/// Milliseconds on the TSC; wraps after weeks.
pub fn milliseconds() -> u32 {
    (tsc() / u64::from(TSC_KHZ.load(Ordering::Relaxed))) as u32
}
