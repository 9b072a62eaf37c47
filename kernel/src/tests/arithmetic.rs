//! A9: sizes that are no sizes, ranges that are no ranges, part of a large page.

use super::context::{Context, Finding, Outcome};
use crate::layout::{BY2LARGE, BY2PG, VMAPSIZE};
use crate::mach::machno;
use crate::mmu::{self, Fixes};
use crate::oracle::large_pages;

const SIZE: &str = "vmap accepts a size that is none";
const RANGE: &str = "vunmap accepts a range that vmap never gave";
const PART: &str = "vunmap accepts part of a large page, and takes away all of it";

/// Each bad call once. Nothing may be changed by one that is refused.
pub fn run(context: &Context) -> Outcome {
    let devices = &context.devices;
    let Some(large) = devices.ivshmem.as_ref().and_then(|range| large_pages(range).next()) else {
        return Outcome::new(1, format_args!("no 4 MB of device memory in one piece"));
    };
    mmu::upallocpdb();
    let found = |va, why| {
        let (hazard, cpu) = ("A9", machno());
        context.finding(&Finding { hazard, cpu, va, expected: 0, seen: 0, why });
    };
    for size in [0, usize::MAX - BY2PG + 2, usize::MAX] {
        if let Ok(va) = mmu::vmap(large, size) {
            mmu::disown(va, size);
            found(va, SIZE);
        }
    }
    // As found, these are panics, which mmu.c means to be.
    if mmu::has(Fixes::A9) {
        if let Ok(va) = mmu::vmap(large, VMAPSIZE + BY2PG) {
            found(va, SIZE);
        }
        for (va, size) in [(0, BY2PG), (usize::MAX - BY2PG + 1, 2 * BY2PG), (large, 0)] {
            if mmu::vunmap(va, size).is_ok() {
                found(va, RANGE);
            }
        }
    }
    let va = match mmu::vmap(large, BY2LARGE) {
        Ok(va) => va,
        Err(error) => panic!("{error}"),
    };
    if mmu::vunmap(va, BY2PG).is_ok() {
        mmu::disown(va, BY2LARGE);
        found(va, PART);
    } else if let Err(error) = mmu::vunmap(va, BY2LARGE) {
        panic!("{error}");
    }
    context.outcome(format_args!("3 sizes, 3 ranges, part of a large page"))
}
