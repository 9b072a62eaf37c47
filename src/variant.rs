//! Which repairs the code is compiled with.
//!
//! [`Seed`] is mmu.c as found, [`Upstream`] has the vunmap that came later, [`Fixed`] is what a
//! kernel ships, and [`Minus`] is `Fixed` without one repair, which is how the models show that the
//! repair is needed. A variant is a type: the choice costs nothing at run time and is no cfg.

use crate::shootdown::{Flags, Generations, Handshake, ProcFlags};

/// A set of repairs, named after the hazards that they remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixes(u32);

impl Fixes {
    /// No repair.
    pub const NONE: Self = Self(0);
    /// Large VMAP entries that the master lost are swept from every page directory before it can be
    /// walked again.
    pub const A1: Self = Self(1 << 0);
    /// A CPU that runs no process reloads CR3, too, before it says that it has flushed.
    pub const A2: Self = Self(1 << 1);
    /// Addresses stay out of vmap's reach until every CPU has answered.
    pub const A3: Self = Self(1 << 2);
    /// A CPU acknowledges only the requests that it saw before it flushed.
    pub const A4: Self = Self(1 << 3);
    /// vmapsync never stores into the master, so a removed entry cannot come back.
    pub const A6: Self = Self(1 << 4);
    /// vunmap without a process asks the other CPUs, too.
    pub const A7: Self = Self(1 << 5);
    /// Sizes are checked before anything is changed.
    pub const A9: Self = Self(1 << 6);
    /// The caller of vunmap flushes by itself and does not wait for its own interrupt. Without it the
    /// caller is not rescued by the serving of B2 either: it waits as the original does.
    pub const B1: Self = Self(1 << 7);
    /// Whoever waits with interrupts off serves the requests of others meanwhile.
    pub const B2: Self = Self(1 << 8);
    /// patwc makes every copy of an entry that it changed go away, and every CPU flush.
    pub const A10: Self = Self(1 << 9);
    /// putmmu refuses if a flush was asked for since the fault began.
    pub const C1: Self = Self(1 << 10);
    /// Asking a process to flush, and entering it, each order their store before their load.
    pub const C2: Self = Self(1 << 11);
    /// checkmmu looks with interrupts off, so that no page table can go away between two looks.
    pub const C3: Self = Self(1 << 12);
    /// A page table is cleared before a page directory names it, so that no CPU can walk to what the
    /// page held before.
    pub const C4: Self = Self(1 << 13);
    /// mmuinit drops the translations through which the kernel's code could still be written.
    pub const D1: Self = Self(1 << 14);
    /// countpagerefs tells of all pages of a process, not of its page directory alone.
    pub const D2: Self = Self(1 << 15);
    /// Every repair.
    pub const ALL: Self = Self((1 << 16) - 1);

    /// The single repairs, by name.
    pub const EACH: [(&'static str, Self); 16] = [
        ("a1", Self::A1),
        ("a2", Self::A2),
        ("a3", Self::A3),
        ("a4", Self::A4),
        ("a6", Self::A6),
        ("a7", Self::A7),
        ("a9", Self::A9),
        ("a10", Self::A10),
        ("b1", Self::B1),
        ("b2", Self::B2),
        ("c1", Self::C1),
        ("c2", Self::C2),
        ("c3", Self::C3),
        ("c4", Self::C4),
        ("d1", Self::D1),
        ("d2", Self::D2),
    ];

    /// Whether all of `fixes` are in this set.
    pub const fn has(self, fixes: Self) -> bool {
        self.0 & fixes.0 == fixes.0
    }
    /// This set without `fixes`.
    pub const fn without(self, fixes: Self) -> Self {
        Self(self.0 & !fixes.0)
    }
    /// The set as a number, for [`Minus`].
    pub const fn bits(self) -> u32 {
        self.0
    }
}

/// What the code is compiled as.
pub trait Variant: 'static {
    /// The repairs in force.
    const FIXES: Fixes;
    /// How CPUs ask each other to flush.
    type Handshake: Handshake;
}

/// mmu.c as found, with its bugs: a flag per CPU that the tick clears after it has flushed.
#[derive(Debug, Clone, Copy)]
pub struct Seed;

impl Variant for Seed {
    const FIXES: Fixes = Fixes::NONE;
    type Handshake = Flags;
}

/// mmu.c with the vunmap that it got later: it asks the CPUs that run a process, through procflushmmu,
/// and their tick flushes for a process alone.
#[derive(Debug, Clone, Copy)]
pub struct Upstream;

impl Variant for Upstream {
    const FIXES: Fixes = Fixes::NONE;
    type Handshake = ProcFlags;
}

/// All repairs.
pub type Fixed = Minus<0>;

/// [`Fixed`] without the repairs whose [bits](Fixes::bits) are given.
#[derive(Debug, Clone, Copy)]
pub struct Minus<const BITS: u32>;

impl<const BITS: u32> Variant for Minus<BITS> {
    const FIXES: Fixes = Fixes::ALL.without(Fixes(BITS));
    type Handshake = Generations;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_repair_is_one_bit_of_all() {
        let mut seen = 0;
        for (_, fix) in Fixes::EACH {
            assert_eq!(fix.bits().count_ones(), 1);
            assert_eq!(seen & fix.bits(), 0);
            seen |= fix.bits();
        }
        assert_eq!(seen, Fixes::ALL.bits());
    }

    #[test]
    fn sets_are_compared_and_reduced_as_sets() {
        let both = Fixes::ALL.without(Fixes::A4).without(Fixes::C1);
        assert!(Fixes::ALL.has(both) && !both.has(Fixes::ALL) && both.has(Fixes::NONE));
        assert!(!both.has(Fixes::A4) && !both.has(Fixes::C1) && both.has(Fixes::A3));
    }

    #[test]
    fn minus_takes_out_one_repair_alone() {
        const A4: u32 = Fixes::A4.bits();
        let fixes = <Minus<A4> as Variant>::FIXES;
        assert!(!fixes.has(Fixes::A4));
        assert_eq!(fixes.bits() | A4, <Fixed as Variant>::FIXES.bits());
    }
}
