//! The HPET: known capabilities, and a counter that never goes back (IA-PC HPET specification 1.0a,
//! 2.3).

use super::{Wrong, plain};
use crate::mach::machno;
use crate::probe;

const CAPABILITIES: usize = 0;
const PERIOD: usize = 4;
const CONFIGURATION: usize = 0x10;
const COUNTER: usize = 0xF0;
/// The main counter counts. No timer interrupts, and none is routed elsewhere.
const ENABLE: u32 = 1;

/// What it shows, as the kernel's own mapping tells.
pub struct Hpet {
    pa: usize,
    plain: usize,
    capabilities: u32,
    period: u32,
}

fn must(va: usize) -> u32 {
    // SAFETY: the platform page shows the register for ever; reads have no effect.
    unsafe { (va as *const u32).read_volatile() }
}

/// The counter by any mapping; `None` if it cannot be read.
fn counter(base: usize) -> Option<u64> {
    loop {
        let high = probe::read(base + COUNTER + 4)?;
        let low = probe::read(base + COUNTER)?;
        if probe::read(base + COUNTER + 4)? == high {
            return Some(u64::from(high) << 32 | u64::from(low));
        }
    }
}

impl Hpet {
    /// Notes what the registers show, and lets the counter count.
    pub fn prepare(pa: usize) -> Hpet {
        let plain = plain(pa);
        // SAFETY: the platform page shows the register, and no other CPU runs yet.
        unsafe { ((plain + CONFIGURATION) as *mut u32).write_volatile(ENABLE) };
        let (capabilities, period) = (must(plain + CAPABILITIES), must(plain + PERIOD));
        Hpet { pa, plain, capabilities, period }
    }

    /// Physical address of its registers.
    pub fn pa(&self) -> usize {
        self.pa
    }

    /// Looks at the registers through a mapping at `va`: what must be there is, and the counter is
    /// between two readings by the kernel's own mapping. At any interrupt level.
    pub fn look(&self, va: usize) -> Result<(), Wrong> {
        for (offset, value) in [(CAPABILITIES, self.capabilities), (PERIOD, self.period)] {
            Wrong::unless(value, va + offset, probe::read(va + offset))?;
        }
        let before = counter(self.plain);
        let seen = counter(va);
        let after = counter(self.plain);
        if seen.is_some() && before <= seen && seen <= after {
            return Ok(());
        }
        let expected = before.unwrap_or(0) as u32;
        let seen = seen.map(|counter| counter as u32);
        Err(Wrong { cpu: machno(), va: va + COUNTER, expected, seen })
    }
}
