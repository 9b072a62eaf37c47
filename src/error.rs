//! Errors of the public functions, and the panic for invariants that mmu.c panics on.

use core::fmt;

use crate::arch::Arch;

/// Why [`vmap`](crate::vmap::vmap) gave no addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VmapError {
    /// Physical address 0 was asked for; mmu.c takes that for a caller's mistake.
    ZeroPhysical,
    /// The size is 0, or the range wraps, or it is larger than VMAP.
    BadSize {
        /// Physical address that was asked for.
        pa: u32,
        /// Bytes that were asked for.
        size: u32,
    },
    /// No hole in VMAP is large enough.
    NoSpace {
        /// Bytes that were asked for, in whole pages.
        size: u32,
    },
}

impl fmt::Display for VmapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ZeroPhysical => f.write_str("vmap: physical address 0 is never a device"),
            Self::BadSize { pa, size } => {
                write!(f, "vmap: pa={pa:#010x} size={size:#x}: no range, or one larger than VMAP")
            }
            Self::NoSpace { size } => {
                write!(f, "vmap: size={size:#x}: no hole in VMAP; unmap something first")
            }
        }
    }
}

impl core::error::Error for VmapError {}

/// Why [`vunmap`](crate::vmap::vunmap) changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VunmapError {
    /// The size is 0 or the range wraps.
    BadSize {
        /// Address that was given.
        va: u32,
        /// Bytes that were given.
        size: u32,
    },
    /// The range does not lie in VMAP.
    OutsideVmap {
        /// Address that was given.
        va: u32,
        /// Bytes that were given.
        size: u32,
    },
    /// The range covers part of a large page, which can only be unmapped whole.
    PartOfLargePage {
        /// First address of that part.
        va: u32,
        /// Bytes of the range from there on.
        size: u32,
    },
}

impl fmt::Display for VunmapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BadSize { va, size } => {
                write!(
                    f,
                    "vunmap: va={va:#010x} size={size:#x}: no range; give what vmap was given"
                )
            }
            Self::OutsideVmap { va, size } => {
                write!(f, "vunmap: va={va:#010x} size={size:#x}: not in VMAP; vmap never gave that")
            }
            Self::PartOfLargePage { va, size } => write!(
                f,
                "vunmap: va={va:#010x} size={size:#x}: part of a large page; unmap all that vmap gave"
            ),
        }
    }
}

impl core::error::Error for VunmapError {}

/// Panics because an invariant that mmu.c relies on is broken: says what, where, and on which CPU.
#[track_caller]
pub(crate) fn broken<A: Arch>(arch: &A, what: &str, va: u32, pa: u32, size: u32) -> ! {
    panic!("cpu{}: {what}: va={va:#010x} pa={pa:#010x} size={size:#x}", arch.machno())
}

/// Panics if interrupts are on in a function that edits what this CPU owns.
#[track_caller]
pub(crate) fn expect_splhi<A: Arch>(arch: &A, who: &str) {
    assert!(!arch.islo(), "cpu{}: {who}: islo", arch.machno());
}
