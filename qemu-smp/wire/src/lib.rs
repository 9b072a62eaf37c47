//! The lines that the kernel and the harness exchange over the first serial port.
//!
//! A line that starts with [`PREFIX`] carries one [`Line`] as JSON; every other line is console
//! text for people. The kernel writes, the harness reads. Nothing counts as success unless the
//! kernel said [`Line::Done`] with no failure, every test of [`Line::Plan`] reported, and QEMU left
//! through [`exit::PASS`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod events;
pub mod options;
pub mod soak;

use alloc::borrow::Cow;

pub use options::Options;
use serde::{Deserialize, Serialize};

/// What a machine-readable line starts with.
pub const PREFIX: &str = "@smp ";

/// Most names that a [`Line::Functions`] carries, so that it fits the kernel's buffer for one line.
pub const NAMES: usize = 16;
/// Longest name that it carries, in bytes.
pub const NAME: usize = 24;

/// Names of the registers in a [`Line::Cpu`], in its order.
pub const REGISTERS: [&str; 15] = [
    "eip", "esp", "ebp", "eflags", "eax", "ebx", "ecx", "edx", "esi", "edi", "cs", "cr0", "cr2",
    "cr3", "cr4",
];

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
    /// The kernel runs, and says what; first line of all. The harness compares it with what it asked for.
    Boot {
        /// Variant of mmu386 that it was built with.
        variant: Cow<'a, str>,
        /// CPUs that the MADT lists as usable.
        cpus: u32,
        /// What its command line asked for.
        options: Options,
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
    /// Functions of mmu.c that have run, on whatever CPU: [`NAMES`] at most in one line. Further
    /// lines add to the set.
    Functions {
        /// Their names in C.
        names: Cow<'a, [Cow<'a, str>]>,
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
    /// Where a CPU was when the kernel panicked; one for the CPU that panicked and for each that it
    /// could stop.
    Cpu {
        /// Its number.
        cpu: u32,
        /// Number of the process that it ran; [`events::NO_PROCESS`] for none.
        process: u32,
        /// That process's name.
        name: Cow<'a, str>,
        /// Its registers, by [`REGISTERS`].
        regs: [u32; REGISTERS.len()],
        /// Return addresses, innermost first; 0 ends the list.
        backtrace: [u32; 16],
    },
    /// Last events of a CPU, oldest first: [`events::LINE`] at most in one line. Further lines go on.
    Events {
        /// Its number.
        cpu: u32,
        /// Each as its words, see [`events::Event`].
        events: Cow<'a, [[u32; events::WORDS]]>,
    },
    /// How far a soak is; each takes the place of the one before.
    Soak {
        /// Milliseconds of guest time since it began.
        ms: u32,
        /// What happened since then.
        counters: soak::Counters,
    },
    /// How long vunmap took, since the soak began.
    Latency {
        /// Calls by their time, see [`soak::BUCKETS`].
        buckets: Cow<'a, [u32]>,
    },
    /// Random programs in ring 3; each line takes the place of the one before.
    Fuzz {
        /// Numbers of those that run: [`soak::MOST_ALIVE`] at most.
        alive: Cow<'a, [u32]>,
        /// The number of the next one.
        next: u32,
        /// Exceptions that ended processes in ring 3 since boot, by vector: see [`soak::VECTORS`].
        vectors: Cow<'a, [u32]>,
    },
    /// The run is over.
    Done {
        /// Tests that passed.
        passed: u32,
        /// Tests that failed.
        failed: u32,
    },
}

impl<'a> Line<'a> {
    /// The lines that say which functions have run; none for no names. The kernel may call it where
    /// nothing can be allocated.
    pub fn functions(names: &'a [Cow<'a, str>]) -> impl Iterator<Item = Self> {
        names.chunks(NAMES).map(|names| Self::Functions { names: Cow::Borrowed(names) })
    }

    /// Whether it keeps the bounds that the format alone does not.
    pub fn within_bounds(&self) -> bool {
        match self {
            Self::Functions { names } => {
                let fits = |name: &Cow<'_, str>| (1..=NAME).contains(&name.len());
                (1..=NAMES).contains(&names.len()) && names.iter().all(fits)
            }
            Self::Cpu { cpu, name, .. } => (*cpu as usize) < events::RINGS && name.len() <= NAME,
            Self::Fuzz { alive, vectors, .. } => {
                alive.len() <= soak::MOST_ALIVE && vectors.len() == soak::VECTORS
            }
            Self::Latency { buckets } => buckets.len() == soak::BUCKETS,
            Self::Events { cpu, events } => {
                (*cpu as usize) < events::RINGS && (1..=events::LINE).contains(&events.len())
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;

    /// The kernel's buffer for one line.
    const BUFFER: usize = 1024;

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

    #[test]
    fn names_of_functions_survive_the_wire_as_the_kernel_writes_them() {
        let names: Vec<Cow<'_, str>> =
            (0..2 * NAMES + 1).map(|number| number.to_string().into()).collect();
        let mut heard = Vec::new();
        let mut buffer = [0; BUFFER];
        for line in Line::functions(&names) {
            assert!(line.within_bounds());
            let length = serde_json_core::to_slice(&line, &mut buffer).unwrap();
            match serde_json::from_slice::<Line<'_>>(&buffer[..length]).unwrap() {
                Line::Functions { names } => heard.push(names.into_owned()),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(heard.len(), 3);
        assert_eq!(heard.concat(), names);
        assert_eq!(Line::functions(&[]).count(), 0);
    }

    #[test]
    fn the_longest_names_fit_the_kernels_buffer() {
        let names = [(); NAMES].map(|()| Cow::from("x".repeat(NAME)));
        let line = Line::functions(&names).next().unwrap();
        assert!(line.within_bounds());
        assert!(serde_json_core::to_slice(&line, &mut [0; BUFFER]).is_ok());
    }

    fn json_of_most() -> soak::Counters {
        let fields = soak::Counters::NAMES.iter().map(|name| ((*name).into(), u32::MAX.into()));
        serde_json::from_value(serde_json::Value::Object(fields.collect())).unwrap()
    }

    #[test]
    fn the_longest_lines_fit_the_kernels_buffer() {
        let many = [[u32::MAX; events::WORDS]; events::LINE];
        let most = u32::MAX;
        let counters = json_of_most();
        let options = Options {
            tests: "x".repeat(options::TESTS),
            rounds: most,
            seed: most,
            samples: most,
            bench: true,
            ms: most,
            chaos: true,
            fuzz: true,
            from: most,
        };
        for line in [
            Line::Boot { variant: "x".repeat(NAME).into(), cpus: most, options },
            Line::Soak { ms: most, counters },
            Line::Latency { buckets: [most; soak::BUCKETS].as_slice().into() },
            Line::Fuzz {
                alive: [most; soak::MOST_ALIVE].as_slice().into(),
                next: most,
                vectors: [most; soak::VECTORS].as_slice().into(),
            },
            Line::Events { cpu: 31, events: many.as_slice().into() },
            Line::Cpu {
                cpu: 31,
                process: most,
                name: "x".repeat(NAME).into(),
                regs: [most; REGISTERS.len()],
                backtrace: [most; 16],
            },
        ] {
            assert!(line.within_bounds());
            let mut buffer = [0; BUFFER];
            let length = serde_json_core::to_slice(&line, &mut buffer).unwrap();
            assert_eq!(serde_json::from_slice::<Line<'_>>(&buffer[..length]).unwrap(), line);
        }
        let short = Line::Latency { buckets: [1].as_slice().into() };
        assert!(!short.within_bounds());
        let none = Line::Events { cpu: 0, events: [].as_slice().into() };
        let nowhere = Line::Events { cpu: 32, events: many.as_slice().into() };
        assert!(!none.within_bounds() && !nowhere.within_bounds());
    }

    #[test]
    fn too_many_names_and_wrong_ones_are_out_of_bounds() {
        let long = "x".repeat(NAME + 1);
        for names in [&["vmap"; NAMES + 1][..], &[], &[""], &[&long]] {
            let names: Vec<Cow<'_, str>> = names.iter().map(|&name| name.into()).collect();
            assert!(!Line::Functions { names: names.into() }.within_bounds());
        }
    }
}
