//! What is tried on the devices, and the process that tries it.

use crate::cmdline::Options;
use crate::oracle::Devices;
use crate::proc::kproc;
use crate::report;
use mmu386_wire::{Line, exit};

/// Makes the process that runs the tests.
pub fn start(_options: Options, _devices: Devices) {
    kproc(&"tests", None, move || {
        report::send(&Line::Plan { tests: 0 });
        report::send(&Line::Done { passed: 0, failed: 0 });
        report::leave(exit::PASS);
    });
}
