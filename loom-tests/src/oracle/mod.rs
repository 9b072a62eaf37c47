//! What must hold, judged without a look at the code that is judged.

pub mod audit;
pub mod ledger;

use serde::Serialize;

/// A property of the ledger of invariants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Property {
    /// Once vunmap has returned, no CPU can reach the range's old memory.
    V1,
    /// What vmap returns overlaps nothing that is mapped or still being torn down.
    V2,
    /// A page directory's VMAP entries are the master's.
    V3,
    /// Once patwc has returned, no CPU uses the old memory type.
    V4,
    /// What user mode can reach is a page that its process may see.
    U1,
    /// A CPU's `m` is its own.
    U2,
    /// A page directory in a pool holds no entry of its former owner.
    U3,
    /// A page that is new to a process shows zeros.
    U4,
    /// Each page is on exactly one list.
    P1,
    /// A pool is touched only by its CPU with interrupts off, and its count is its length.
    P2,
    /// countpagerefs names every page that the MMU code holds.
    P3,
    /// In KMAP a process sees the page that it mapped last.
    K1,
    /// At TMPADDR and in the VPT the kernel sees the page that the tables name.
    T1,
    /// Kernel code cannot be written.
    R1,
    /// A CPU has the segments of the process that it runs.
    S1,
    /// Every wait ends.
    L1,
    /// A CPU that waits for an answer and could go on is not held back again.
    L2,
    /// A call leaves interrupts as they were, and nobody sleeps with interrupts off.
    I1,
    /// Bad input is an error, and changes nothing.
    E1,
    /// The code panics on none of its own invariants.
    E2,
}

impl Property {
    /// Its short name.
    pub fn id(self) -> &'static str {
        match self {
            Self::V1 => "V1",
            Self::V2 => "V2",
            Self::V3 => "V3",
            Self::V4 => "V4",
            Self::U1 => "U1",
            Self::U2 => "U2",
            Self::U3 => "U3",
            Self::U4 => "U4",
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
            Self::K1 => "K1",
            Self::T1 => "T1",
            Self::R1 => "R1",
            Self::S1 => "S1",
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::I1 => "I1",
            Self::E1 => "E1",
            Self::E2 => "E2",
        }
    }
}

/// What a broken property panics with where no run of a model is there to report it.
#[derive(Debug, Clone)]
pub struct Broken {
    /// Which.
    pub property: Property,
    /// How.
    pub summary: String,
}

/// A property is broken: ends the run with the current execution as counterexample.
pub fn broken(property: Property, summary: &str) -> ! {
    crate::run::broken(property, summary)
}
