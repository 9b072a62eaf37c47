//! Time: the TSC and the LAPIC timer, both measured against the ACPI PM timer.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::apic;

/// Ticks per second and CPU.
pub const HZ: u32 = 100;
const PM_HZ: u64 = 3_579_545;
/// How long to measure, in PM timer counts: 5 ms.
const SPAN: u32 = (PM_HZ / 200) as u32;

static TSC_KHZ: AtomicU32 = AtomicU32::new(1_000_000);
static LAPIC_PER_TICK: AtomicU32 = AtomicU32::new(0);

/// The time stamp counter.
pub fn tsc() -> u64 {
    // SAFETY: CR4.TSD is clear, and ring 0 may read it anyway.
    unsafe { x86::time::rdtsc() }
}

/// Measures both clocks over 5 ms. The three are read together at each end, so a host that takes
/// the vCPU away in between does no harm.
pub fn calibrate(pm_port: u16) {
    // SAFETY: the FADT names the port of the PM timer; reading it has no effect.
    let pm = || unsafe { x86::io::inl(pm_port) } & 0xFF_FFFF;
    apic::timer_free_running();
    let (pm0, tsc0, lapic0) = (pm(), tsc(), apic::timer_count());
    let mut counts = 0;
    while counts < SPAN {
        spin_loop();
        counts = pm().wrapping_sub(pm0) & 0xFF_FFFF;
    }
    let (tsc1, lapic1) = (tsc(), apic::timer_count());
    let counts = u64::from(counts);
    let khz = (tsc1 - tsc0) * PM_HZ / counts / 1000;
    TSC_KHZ.store(khz as u32, Ordering::Relaxed);
    let per_second = u64::from(lapic0.wrapping_sub(lapic1)) * PM_HZ / counts;
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
