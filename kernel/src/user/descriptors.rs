//! Segment descriptors of a process's own: three in the GDT, and a local table. As on 9front, a child
//! inherits them, and another program starts without.
//!
//! mmu386 loads them wherever the process runs. The way back to ring 3 loads what the process had in its
//! segment registers, and must not fault there: so no register of it ever names a descriptor that is
//! gone, and none of its descriptors can make that way fail.

use kernel_abi::Error;
use mmu386::arch::Owned;
use mmu386::gdt::{NPROCSEG, PROCSEG0, Segdesc};

use crate::mach::up;
use crate::mmu;
use crate::segment::{self, NLDT};
use crate::spl::{splhi, splx};
use crate::trap::UserUreg;

// Of the high word of a descriptor (Intel SDM vol. 3, 3.4.5).
const ACCESSED: u32 = 1 << 8;
const CONFORMING: u32 = 1 << 10;
const CODE: u32 = 1 << 11;
/// Code or data, rather than a gate or a table.
const SEGMENT: u32 = 1 << 12;
const RING_3: u32 = 3 << 13;
const PRESENT: u32 = 1 << 15;
const LONG: u32 = 1 << 21;
const BITS_32: u32 = 1 << 22;
const PAGES: u32 = 1 << 23;
const LIMIT: u32 = 0xF << 16;

/// A descriptor, if a process may have it: present code or data of ring 3, or nothing at all.
///
/// Segments of 16 bits are refused, as the way back to a stack of 16 bits would show half of the kernel's
/// stack pointer; code with less than the whole limit, as that way would fault where EIP is beyond.
fn acceptable(d0: u32, d1: u32) -> Result<Segdesc, Error> {
    const WANTED: u32 = PRESENT | RING_3 | SEGMENT | BITS_32;
    if (d0, d1) == (0, 0) {
        return Ok(Segdesc::default());
    }
    let whole = d0 & 0xFFFF == 0xFFFF && d1 & (LIMIT | PAGES) == LIMIT | PAGES;
    let code = d1 & CODE == 0 || (d1 & CONFORMING == 0 && whole);
    if d1 & WANTED != WANTED || d1 & LONG != 0 || !code {
        return Err(Error::BadArgument);
    }
    // The processor has nothing left to write there.
    Ok(Segdesc { d0, d1: d1 | ACCESSED })
}

/// Where a selector of ring 3 leads, if that is the process's own.
enum Place {
    Global(usize),
    Local(usize),
}

fn place(selector: u32) -> Result<Place, Error> {
    const LOCAL: u32 = 4;
    const RING: u32 = 3;
    if selector > 0xFFFF || selector & RING != RING {
        return Err(Error::BadArgument);
    }
    let index = selector as usize >> 3;
    if selector & LOCAL != 0 {
        return if index < NLDT { Ok(Place::Local(index)) } else { Err(Error::BadArgument) };
    }
    match index.checked_sub(PROCSEG0) {
        Some(n) if n < NPROCSEG => Ok(Place::Global(n)),
        _ => Err(Error::BadArgument),
    }
}

/// Changes a descriptor of the process that calls. Data segment registers that name it are cleared.
///
/// # Errors
/// `BadArgument` for a selector that is not the process's own, a descriptor that it may not have, and one
/// that it runs on: its code's or its stack's.
pub fn set(selector: u32, d0: u32, d1: u32, frame: &mut UserUreg) -> Result<(), Error> {
    let place = place(selector)?;
    let descriptor = acceptable(d0, d1)?;
    let names = |register: u32| register & 0xFFFC == selector & 0xFFFC;
    if names(frame.ureg.cs) || names(frame.ss) {
        return Err(Error::BadArgument);
    }
    frame.ureg.segments.iter_mut().filter(|register| names(**register)).for_each(|it| *it = 0);
    let mut all = Descriptors::current();
    match place {
        Place::Global(n) => all.global[n] = descriptor,
        Place::Local(n) => all.local.get_or_insert_default()[n] = descriptor,
    }
    all.install();
    Ok(())
}

/// All that a process has.
#[derive(Default)]
pub struct Descriptors {
    global: [Segdesc; NPROCSEG],
    local: Option<[Segdesc; NLDT]>,
}

impl Descriptors {
    /// Those of the process that calls.
    pub fn current() -> Descriptors {
        let up = &up().expect("a process runs").mmu;
        let global = up.gdt.each_ref().map(|descriptor| descriptor.get());
        Descriptors { global, local: up.ldt.get().map(segment::ldt) }
    }

    fn none(&self) -> bool {
        self.local.is_none() && self.global == [Segdesc::default(); NPROCSEG]
    }

    /// Makes them those of the process that calls, in place of what it has, from now on.
    pub fn install(self) {
        if self.none() && Descriptors::current().none() {
            return;
        }
        let up = &up().expect("a process runs").mmu;
        let new = self.local.map(segment::newldt);
        let level = splhi();
        let old = up.ldt.get();
        up.ldt.set(new);
        up.gdt.iter().zip(self.global).for_each(|(mine, descriptor)| mine.set(descriptor));
        splx(level);
        // This loads them; the CPU has forgotten the old table when it is freed.
        mmu::flushmmu();
        if let Some(old) = old {
            segment::freeldt(old.base);
        }
    }
}
