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

/// Counts of the TSC after which something that takes microseconds is taken to stand still: a second or
/// more on any processor. Before the clocks are known there is no better measure.
pub const STUCK: u64 = 1 << 32;

/// A clock that does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The PM timer.
    PmTimer,
    /// The time stamp counter.
    Tsc,
    /// The LAPIC's timer.
    Lapic,
}

/// Measures over 10 ms of the PM timer, which `pm` reads, what the others count: thousands of the TSC's counts
/// in a second, and the LAPIC timer's in a tick. Gives the PM timer so many counts of the TSC.
///
/// # Errors
/// Which of them stands still.
pub fn measure(pm: impl Fn() -> u32, patience: u64) -> Result<[u32; 2], Stopped> {
    let start = Moment::read(&pm);
    while elapsed(start.pm, pm()) < SPAN {
        if span(start.tsc) > patience {
            return Err(Stopped::PmTimer);
        }
        spin_loop();
    }
    let end = Moment::read(&pm);
    let counts = u64::from(elapsed(start.pm, end.pm));
    let khz = end.tsc.saturating_sub(start.tsc) * PM_HZ / counts / 1000;
    let per_second = u64::from(start.lapic.wrapping_sub(end.lapic)) * PM_HZ / counts;
    let per_tick = per_second / u64::from(HZ);
    match (khz, per_tick) {
        // Less than 1 MHz is no processor that there ever was.
        (..1000, _) => Err(Stopped::Tsc),
        (_, 0) => Err(Stopped::Lapic),
        _ => Ok([khz as u32, per_tick as u32]),
    }
}

/// Measures the TSC and the LAPIC timer against the PM timer at a port.
///
/// # Panics
/// If one of the clocks does not count.
pub fn calibrate(pm_port: Option<u16>) {
    let port =
        pm_port.expect("the machine has no ACPI PM timer, against which clocks are measured");
    // SAFETY: the FADT names the port of the PM timer; reading it has no effect.
    let pm = || unsafe { x86::io::inl(port) };
    apic::timer_free_running();
    match measure(pm, STUCK) {
        Ok([khz, per_tick]) => {
            TSC_KHZ.store(khz, Ordering::Relaxed);
            LAPIC_PER_TICK.store(per_tick, Ordering::Relaxed);
        }
        Err(clock) => panic!("{clock:?} does not count: the kernel has no clock"),
    }
}

/// Times that a reading of the TSC was later than the next one, on another CPU.
static BACKWARDS: AtomicU32 = AtomicU32::new(0);

/// Counts of the TSC since a reading of it, which may be another CPU's: none if that is ahead of this one's.
pub fn span(start: u64) -> u64 {
    let now = tsc();
    if now < start {
        BACKWARDS.fetch_add(1, Ordering::Relaxed);
    }
    now.saturating_sub(start)
}

/// Times that the TSC of one CPU was seen to be ahead of another's.
pub fn backwards() -> u32 {
    BACKWARDS.load(Ordering::Relaxed)
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
    span(start) * 1000 / u64::from(TSC_KHZ.load(Ordering::Relaxed))
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
