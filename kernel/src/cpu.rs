//! What the processor can do, and its model-specific registers.

use core::arch::x86::__cpuid;
use core::sync::atomic::{AtomicU32, Ordering};

use mmu386::arch::Feature;
use x86::controlregs::{Cr0, Cr4, cr0, cr0_write, cr4, cr4_write};

const CPUID_PSE: u32 = 1 << 3;
const CPUID_MSR: u32 = 1 << 5;
const CPUID_PGE: u32 = 1 << 13;
const CPUID_PAT: u32 = 1 << 16;

/// CPUID 1 of CPU 0: EAX with the family, and EDX with the features.
static SIGNATURE: AtomicU32 = AtomicU32::new(0);
static FEATURES: AtomicU32 = AtomicU32::new(0);

/// Asks the processor. CPU 0, before the first call of the MMU code.
pub fn identify() {
    let cpuid = __cpuid(1);
    SIGNATURE.store(cpuid.eax, Ordering::Relaxed);
    FEATURES.store(cpuid.edx, Ordering::Relaxed);
}

/// What the LAPIC of the CPU that calls was called at reset.
pub fn initial_apic_id() -> u8 {
    (__cpuid(1).ebx >> 24) as u8
}

/// Turns on large and global pages, where there are any, and the floating point unit off: the kernel has
/// no use for it and saves nothing of it, so that for a process it is not there. Every CPU, before its
/// first call of the MMU code.
pub fn enable_features() {
    let features = FEATURES.load(Ordering::Relaxed);
    let mut on = Cr4::empty();
    on.set(Cr4::CR4_ENABLE_PSE, features & CPUID_PSE != 0);
    on.set(Cr4::CR4_ENABLE_GLOBAL_PAGES, features & CPUID_PGE != 0);
    // SAFETY: ring 0; the processor has what is turned on, and the page directories are built for it.
    unsafe { cr4_write(cr4() | on) };
    let off = Cr0::CR0_EMULATE_COPROCESSOR | Cr0::CR0_TASK_SWITCHED | Cr0::CR0_MONITOR_COPROCESSOR;
    // SAFETY: ring 0; nothing in the kernel is compiled to use the unit.
    unsafe { cr0_write(cr0() | off) };
}

/// Whether this CPU has a feature, as mmu386 asks.
pub fn has(feature: Feature) -> bool {
    // SAFETY: ring 0.
    let on = |bit| unsafe { cr4() }.contains(bit);
    let features = FEATURES.load(Ordering::Relaxed);
    match feature {
        Feature::Invlpg => SIGNATURE.load(Ordering::Relaxed) >> 8 & 0xF >= 4,
        Feature::Pse => on(Cr4::CR4_ENABLE_PSE),
        Feature::Pge => on(Cr4::CR4_ENABLE_GLOBAL_PAGES),
        Feature::Pat => features & CPUID_PAT != 0,
    }
}

/// A model-specific register, if there are such.
pub fn rdmsr(msr: u32) -> Option<u64> {
    let there = FEATURES.load(Ordering::Relaxed) & CPUID_MSR != 0;
    // SAFETY: ring 0; mmu386 asks for IA32_PAT alone, after CPUID has told that it is there, and the kernel
    // for IA32_APIC_BASE, which every CPU with a LAPIC has.
    there.then(|| unsafe { x86::msr::rdmsr(msr) })
}

/// Writes a model-specific register.
pub fn wrmsr(msr: u32, value: u64) {
    // SAFETY: as in `rdmsr`; mmu386 changes entry 7 of IA32_PAT, which no mapping used before.
    unsafe { x86::msr::wrmsr(msr, value) };
}

/// Whether the processor is QEMU's translator, which says so.
pub fn translated() -> bool {
    const HYPERVISOR: u32 = 1 << 31;
    let name = || __cpuid(0x4000_0000);
    __cpuid(1).ecx & HYPERVISOR != 0 && name().ebx.to_le_bytes() == *b"TCGT"
}
