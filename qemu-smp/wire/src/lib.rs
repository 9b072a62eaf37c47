//! The lines that the kernel and the harness exchange over the first serial port.
//!
//! A line that starts with [`PREFIX`] carries one [`Line`] as JSON; every other line is console
//! text for people. The kernel writes, the harness reads. Nothing counts as success unless the
//! kernel said [`Line::Done`] with no failure, every test of [`Line::Plan`] reported, and QEMU left
//! through [`exit::PASS`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::borrow::Cow;
use serde::{Deserialize, Serialize};

/// What a machine-readable line starts with.
pub const PREFIX: &str = "@smp ";

/// Values for QEMU's isa-debug-exit port. QEMU leaves with `(value << 1) | 1`, so that 0 and 1 are
/// never the guest's word.
pub mod exit {
    /// I/O port of the device.
    pub const PORT: u16 = 0xf4;
    /// Every planned test passed.
    pub const PASS: u8 = 0x10;
    /// Some test failed, and the kernel said which.
    pub const FAIL: u8 = 0x11;
    /// The kernel panicked, and said where.
    pub const PANIC: u8 = 0x12;

    /// The exit status with which QEMU leaves for a value written to the port.
    pub const fn status(value: u8) -> i32 {
        ((value as i32) << 1) | 1
    }
}

/// One event, as the kernel reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Line<'a> {
    /// The kernel runs; first line of all.
    Boot {
        /// Variant of mmu386 that it was built with.
        variant: Cow<'a, str>,
        /// CPUs that the MADT lists as usable.
        cpus: u32,
    },
    /// A CPU entered the scheduler.
    CpuOnline {
        /// Its number, 0 for the boot CPU.
        cpu: u32,
    },
    /// All CPUs of the MADT are online.
    CpusOnline {
        /// How many.
        cpus: u32,
        /// Microseconds of guest time since the boot CPU took its first clock reading.
        us: u64,
    },
    /// The tests that will report, in order.
    Plan {
        /// How many.
        tests: u32,
    },
    /// A test ended.
    Test {
        /// Its name.
        name: Cow<'a, str>,
        /// Whether it passed.
        pass: bool,
        /// What was done, how often, and what went wrong.
        detail: Cow<'a, str>,
    },
    /// The oracle caught the MMU code: an address showed what it must not show.
    Finding {
        /// Ledger entry, such as "A1".
        hazard: Cow<'a, str>,
        /// CPU that made the access.
        cpu: u32,
        /// Address that was accessed.
        va: u32,
        /// Tag that the oracle demands there.
        expected: u32,
        /// Tag that was read.
        seen: u32,
        /// What this means, for a person.
        detail: Cow<'a, str>,
    },
    /// A measurement.
    Bench {
        /// What was measured.
        name: Cow<'a, str>,
        /// Samples taken.
        samples: u32,
        /// Median, in nanoseconds.
        median_ns: u64,
        /// Smallest sample, in nanoseconds.
        min_ns: u64,
        /// Largest sample, in nanoseconds.
        max_ns: u64,
    },
    /// The kernel cannot go on.
    Panic {
        /// CPU that panicked.
        cpu: u32,
        /// Message, with the source position.
        message: Cow<'a, str>,
        /// Program counter, stack pointer, CR2 and CR3, in this order.
        regs: [u32; 4],
        /// Return addresses, innermost first; 0 ends the list.
        backtrace: [u32; 16],
    },
    /// The run is over.
    Done {
        /// Tests that passed.
        passed: u32,
        /// Tests that failed.
        failed: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_survives_the_wire() {
        let line = Line::Test { name: "vmap \"4M\"".into(), pass: true, detail: "x\ny".into() };
        let json = serde_json::to_string(&line).unwrap();
        assert!(!json.contains('\n'));
        assert_eq!(serde_json::from_str::<Line>(&json).unwrap(), line);
    }

    #[test]
    fn the_guest_can_never_say_zero_or_one() {
        for value in [exit::PASS, exit::FAIL, exit::PANIC] {
            assert!(exit::status(value) > 1);
        }
    }
}
