//! Processes that go from CPU to CPU see the Mach of the one they are on, in their own directory.

use core::sync::atomic::{AtomicU32, Ordering};

use alloc::sync::Arc;

use mmu386::arch::Arch;

use super::context::{Context, Outcome};
use super::crew::crew;
use crate::arch_impl::PC;
use crate::layout::{KZERO, VPT, pdx};
use crate::mach::{Mach, m, machp, up};
use crate::spl::{splhi, splx};
use crate::{apic, mmu, probe, sched};

/// The private slot of the loaded directory, by the VPT.
fn private_slot() -> Option<u32> {
    probe::read(VPT + (VPT >> 12) * 4 + pdx(KZERO) * 4)
}

/// The entry by which a CPU's own directory maps its Mach.
fn own_slot(mach: &Mach) -> u32 {
    let pdb = mach.pdb.load(Ordering::Relaxed) as usize;
    PC.load(PC.at((mmu::kaddr(pdb) + pdx(KZERO) * 4) as u32))
}

/// More processes than CPUs, each giving its CPU away again and again.
pub fn run(context: &Context) -> Outcome {
    let wrong = Arc::new(AtomicU32::new(0));
    let moves = Arc::new(AtomicU32::new(0));
    let (sum, moved) = (wrong.clone(), moves.clone());
    let shared = context.clone();
    crew(
        &"migrate",
        context.ncpu * 2 + 1,
        |_| None,
        move |_| {
            mmu::upallocpdb();
            let mut limit = shared.limit(2000, 700);
            while limit.next() {
                let level = splhi();
                // Interrupts are off: all of this is one CPU's.
                let mach = machp(m().machno.load(Ordering::Relaxed) as usize);
                let own = own_slot(mach);
                let right = mach.apicid.load(Ordering::Relaxed) == u32::from(apic::id())
                    && private_slot().map(|slot| slot & !0xFFF) == Some(own & !0xFFF);
                splx(level);
                if !right {
                    sum.fetch_add(1, Ordering::Relaxed);
                }
                sched::sched();
            }
            let up = up().expect("a process runs");
            moved.fetch_add(up.migrations.load(Ordering::Relaxed), Ordering::Relaxed);
        },
    );
    let (wrong, moves) = (wrong.load(Ordering::Relaxed), moves.load(Ordering::Relaxed));
    let stuck = u32::from(context.ncpu > 1 && moves <= context.ncpu as u32 * 4);
    Outcome::new(wrong + stuck, format_args!("{moves} migrations, {wrong} saw another CPU's slot"))
}
