//! Errors of the public functions, and the panic for invariants that mmu.c panics on.

use core::fmt;

use crate::arch::Arch;
use crate::state::Proc;

/// Why [`vmap`](crate::vmap::vmap) gave no addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

/// Why [`putmmu`](crate::user::putmmu) mapped nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PutmmuError {
    /// The process was asked to drop its mappings since the fault began: what was found then may be
    /// gone. Look again (fix C1).
    Flushed,
    /// The address is not of user memory (fix A9).
    NotUser {
        /// Address that was given.
        va: u32,
    },
}

impl fmt::Display for PutmmuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Flushed => {
                f.write_str("putmmu: a flush came since the fault began; look the page up again")
            }
            Self::NotUser { va } => {
                write!(f, "putmmu: va={va:#010x}: not user memory; give an address below VMAP")
            }
        }
    }
}

impl core::error::Error for PutmmuError {}

/// Why [`kmap`](crate::kmap::kmap) mapped nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KmapError {
    /// Every slot of KMAP is taken.
    Full {
        /// Slots that there are.
        slots: usize,
    },
}

impl fmt::Display for KmapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Full { slots } => {
                write!(f, "kmap: all {slots} slots of this process are taken; kunmap some first")
            }
        }
    }
}

impl core::error::Error for KmapError {}

/// Why a [`Segment`](crate::segment::Segment) did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SegmentError {
    /// The segment has no such address.
    Outside {
        /// First address that it does not have.
        va: u32,
    },
    /// No page could be cleared.
    Kmap(KmapError),
    /// No page could be mapped.
    Putmmu(PutmmuError),
}

impl fmt::Display for SegmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Outside { va } => write!(f, "segment: va={va:#010x}: not in the segment"),
            Self::Kmap(error) => write!(f, "segment: {error}"),
            Self::Putmmu(error) => write!(f, "segment: {error}"),
        }
    }
}

impl core::error::Error for SegmentError {}

/// What [`checkmmu`](crate::user::checkmmu) found instead of the page that it was told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mismatch {
    /// Index of the process.
    pub proc: usize,
    /// Address that was given.
    pub va: u32,
    /// Physical address that was to be there.
    pub pa: u32,
    /// The page table entry.
    pub pte: u32,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proc, va, pa, pte } = self;
        write!(f, "proc {proc}: va={va:#010x} pa={pa:#010x} pte={pte:#010x}")
    }
}

impl core::error::Error for Mismatch {}

/// Panics because an invariant that mmu.c relies on is broken: says what, where, on which CPU, and
/// in which process.
#[track_caller]
pub(crate) fn broken<A: Arch>(arch: &A, what: &str, va: u32, pa: u32, size: u32) -> ! {
    let cpu = arch.machno();
    match arch.up() {
        Some(up) => {
            let proc = up.index;
            panic!("cpu{cpu} proc {proc}: {what}: va={va:#010x} pa={pa:#010x} size={size:#x}")
        }
        None => panic!("cpu{cpu} no proc: {what}: va={va:#010x} pa={pa:#010x} size={size:#x}"),
    }
}

/// The process that this CPU runs, where mmu.c takes for granted that there is one.
#[track_caller]
pub(crate) fn running<'a, A: Arch>(arch: &'a A, who: &str) -> &'a Proc<A> {
    arch.up().unwrap_or_else(|| panic!("cpu{}: {who}: no process", arch.machno()))
}

/// Panics if interrupts are on in a function that edits what this CPU owns.
#[track_caller]
pub(crate) fn expect_splhi<A: Arch>(arch: &A, who: &str) {
    if arch.islo() {
        panic!("cpu{}: {who}: islo", arch.machno());
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[track_caller]
    fn says(error: &dyn core::error::Error, parts: &[&str]) {
        let text = error.to_string();
        for part in parts {
            assert!(text.contains(part), "{text} does not say {part}");
        }
    }

    #[test]
    fn errors_say_who_what_and_what_to_do() {
        says(&VmapError::ZeroPhysical, &["vmap", "physical address 0"]);
        let (pa, va, size) = (0x4000_0000, 0xE000_1000, 0x2000);
        says(&VmapError::BadSize { pa, size }, &["vmap", "pa=0x40000000", "size=0x2000"]);
        says(&VmapError::NoSpace { size }, &["vmap", "size=0x2000", "unmap something"]);
        let range = ["vunmap", "va=0xe0001000", "size=0x2000"];
        says(&VunmapError::BadSize { va, size }, &range);
        says(&VunmapError::OutsideVmap { va, size }, &range);
        says(&VunmapError::PartOfLargePage { va, size }, &range);
        says(&PutmmuError::Flushed, &["putmmu", "look the page up again"]);
        says(&PutmmuError::NotUser { va }, &["putmmu", "va=0xe0001000", "below VMAP"]);
        let full = KmapError::Full { slots: 1024 };
        says(&full, &["kmap", "1024 slots", "kunmap some"]);
        says(&SegmentError::Outside { va }, &["segment", "va=0xe0001000"]);
        says(&SegmentError::Kmap(full), &["segment", "1024 slots"]);
        says(&SegmentError::Putmmu(PutmmuError::NotUser { va }), &["segment", "putmmu"]);
        let mismatch = Mismatch { proc: 3, va: 0x5000, pa, pte: 0x4000_1007 };
        says(&mismatch, &["proc 3", "va=0x00005000", "pa=0x40000000", "pte=0x40001007"]);
    }
}
