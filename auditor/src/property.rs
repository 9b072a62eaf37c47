//! What must hold, by name.

use alloc::string::String;
use core::fmt;

/// A property of an address space that stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// Once vunmap has returned, no CPU can reach the range's old memory: not through its TLB, and
    /// through no page directory that is loaded or can be.
    V1,
    /// What vmap returned is mapped as promised, and overlaps nothing that is mapped or still being
    /// torn down.
    V2,
    /// Each VMAP entry of each page directory is 0 or the master's.
    V3,
    /// What a user address leads to, in tables or TLB, is a referenced page that the process may see
    /// there.
    U1,
    /// A CPU has its own page directory loaded, or its process's, which no other CPU has; and its
    /// `m` is its own.
    U2,
    /// A page directory without a process holds no user or KMAP entry, and its VPT shows itself.
    U3,
    /// Each page is on exactly one list; no page table is free while a CPU can walk it, or in use
    /// where its process cannot.
    P1,
    /// The count of a pool is its length, and at most 10.
    P2,
    /// The kmaps of a process are those that it made and has not undone, in its table as in the TLB.
    K1,
    /// Between temporary mappings, a CPU's page for them shows what it always shows.
    T1,
}

impl Property {
    /// All properties, in the order in which they are judged.
    pub const ALL: [Self; 10] = [
        Self::V1,
        Self::V2,
        Self::V3,
        Self::U1,
        Self::U2,
        Self::U3,
        Self::P1,
        Self::P2,
        Self::K1,
        Self::T1,
    ];

    /// Its short name.
    pub const fn id(self) -> &'static str {
        match self {
            Self::V1 => "V1",
            Self::V2 => "V2",
            Self::V3 => "V3",
            Self::U1 => "U1",
            Self::U2 => "U2",
            Self::U3 => "U3",
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::K1 => "K1",
            Self::T1 => "T1",
        }
    }

    /// What it says, in one line.
    pub const fn description(self) -> &'static str {
        match self {
            Self::V1 => "once vunmap has returned, no CPU can reach the range's old memory",
            Self::V2 => "what vmap returns is mapped as promised and overlaps nothing else",
            Self::V3 => "each VMAP entry of each page directory is 0 or the master's",
            Self::U1 => "a user address leads to a referenced page that the process may see there",
            Self::U2 => "CR3 holds the CPU's own directory or its process's, and m is its own",
            Self::U3 => "a page directory in a pool holds no user or KMAP entry",
            Self::P1 => "each page is on exactly one list, and none is freed while it is walked",
            Self::P2 => "pdbcnt is the length of the pool and at most 10",
            Self::K1 => "the kmaps of a process are those that it made and has not undone",
            Self::T1 => "between temporary mappings, TMPADDR shows what it always shows",
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// What a violation is about. A stale entry goes from one page directory to the next as they are copied, the
/// processor sets its marks, and what belongs there changes: it is the same entry all the while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A device mapping, wherever it was seen: its address, and the memory or the page table that its entry
    /// names.
    Mapping {
        /// The first address that the entry maps.
        va: u32,
        /// What it names.
        pa: u32,
    },
    /// More violations of the property than are told one by one.
    Rest,
    /// What the text says, and nothing else does.
    Text,
}

/// Where a property does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The property.
    pub property: Property,
    /// What it is about, for a caller that audits again and again.
    pub subject: Subject,
    /// What was found, and where.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.detail)
    }
}
