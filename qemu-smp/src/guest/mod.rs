//! The kernel under QEMU: started, listened to, stopped, and judged.

mod autopsy;
mod crash;
mod kept;
mod kvm;
mod outcome;
mod qemu;
mod qmp;
mod report;
mod run;
mod runs;
mod serial;
mod steady;
mod symbols;

pub use autopsy::Autopsy;
pub use crash::{Cpu, Process, Source};
pub use kept::Kept;
pub use kvm::probe;
pub use outcome::{Outcome, Problem};
pub use qemu::{Accel, MAX_CPUS, Qemu, check_clock, socket, words};
pub use qmp::Qmp;
pub use report::{Report, nanoseconds};
pub use run::{Attendant, Boot, attended, boot};
pub use runs::Runs;
pub use serial::{Bench, Finding, Fuzzed, Panic, Soaked, TestResult, Transcript};
pub use steady::can_be as can_be_steady;
pub use symbols::Symbols;
