//! The one-to-one window: which physical memory has an address, and which.

use mmu386::kaddr::cankaddr;

use super::context::{Context, Outcome};
use crate::arch_impl::PC;
use crate::layout::{KADDR_SIZE, KZERO};
use crate::mach::machp;
use crate::{mmu, pages};

/// Both ends, and every page of the allocator.
pub fn run(context: &Context) -> Outcome {
    let top = KADDR_SIZE as u32;
    let mut wrong = 0;
    let mut expect = |right: bool| wrong += u32::from(!right);
    let ends = [(0, top), (1, top - 1), (top - 1, 1), (top, 0), (u32::MAX, 0)];
    for (pa, bytes) in ends {
        expect(cankaddr(&PC, pa) == bytes);
    }
    expect(mmu::kaddr(0) == KZERO && mmu::kaddr(KADDR_SIZE - 1) == KZERO + KADDR_SIZE - 1);
    // What is seen through `m` and through the window is the same memory, which the LAPIC id tells.
    for cpu in 0..context.ncpu {
        let mach = &raw const *machp(cpu) as usize;
        expect(mmu::kaddr(mmu::paddr(mach)) == mach);
    }
    let above = (0..pages::npage()).filter(|n| cankaddr(&PC, pages::frame(*n).pa()) == 0).count();
    expect(above == pages::npage() - pages::nlow() && above > 0);
    Outcome::new(wrong, format_args!("{above} pages lie above the window; {wrong} wrong"))
}
