//! Every CPU is what mmu386 takes for granted: its own Mach, its own slot, PSE, PGE, WP, PAT.

use core::sync::atomic::{AtomicU32, Ordering};

use alloc::sync::Arc;
use x86::controlregs::{Cr0, Cr4, cr0, cr4};

use super::context::{Context, Outcome};
use super::crew::crew;
use crate::layout::{MACHADDR, VPT};
use crate::mach::{m, machp};
use crate::mmu::paddr;
use crate::{apic, mmu, paging, probe};

const PATWC: u64 = 7 * 8;

/// The word of the VPT that maps `va`.
fn vpt(va: usize) -> Option<u32> {
    probe::read(VPT + (va >> 12) * 4)
}

fn faults(cpu: usize) -> u32 {
    mmu::upallocpdb();
    let frame = |entry: Option<u32>| entry.map(|entry| entry & !0xFFF);
    let mach = machp(cpu);
    // SAFETY: ring 0; every CPU has the PAT, which `enable_features` wrote.
    let (cr0, cr4, pat) = unsafe { (cr0(), cr4(), x86::msr::rdmsr(0x277)) };
    let checks = [
        ("m is not this CPU's", m().machno.load(Ordering::Relaxed) as usize == cpu),
        ("LAPIC id", mach.apicid.load(Ordering::Relaxed) == u32::from(apic::id())),
        ("MACHADDR", frame(vpt(MACHADDR)) == Some(paddr(&raw const *mach as usize) as u32)),
        ("VPT", frame(vpt(VPT + (VPT >> 10))) == Some(paging::getcr3())),
        ("CR3 is the CPU's", paging::getcr3() != mach.pdb.load(Ordering::Relaxed)),
        ("CR0.WP", cr0.contains(Cr0::CR0_WRITE_PROTECT | Cr0::CR0_ENABLE_PAGING)),
        ("CR4", cr4.contains(Cr4::CR4_ENABLE_PSE | Cr4::CR4_ENABLE_GLOBAL_PAGES)),
        ("PAT entry 7", pat >> PATWC & 7 == 1),
    ];
    let mut wrong = 0;
    for (what, _) in checks.iter().filter(|(_, right)| !right) {
        crate::println!("cpu{cpu}: {what} is wrong");
        wrong += 1;
    }
    wrong
}

/// One process on each CPU looks around.
pub fn run(context: &Context) -> Outcome {
    let wrong = Arc::new(AtomicU32::new(0));
    let sum = wrong.clone();
    crew(&"cpu-state", context.ncpu, Some, move |cpu| {
        sum.fetch_add(faults(cpu), Ordering::Relaxed);
    });
    let wrong = wrong.load(Ordering::Relaxed);
    Outcome::new(wrong, format_args!("{} CPUs, 8 checks each, {wrong} wrong", context.ncpu))
}
