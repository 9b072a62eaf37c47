//! What a guest runs: as it was asked to, or as it says itself.

use std::fmt;

use mmu386_wire::Options;
use serde::Serialize;

/// Everything that a guest was asked for, or that it says it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Runs {
    /// Variant of mmu386.
    pub variant: String,
    /// How many CPUs; the guest says how many its MADT lists.
    pub cpus: u32,
    /// The kernel's options.
    pub options: Options,
}

impl fmt::Display for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { variant, cpus, options } = self;
        write!(f, "{variant} on {cpus} CPUs, {options}")
    }
}
