//! The address space of the kernel, by Plan 9's names.
//!
//! Everything above VMAP is the same in every page directory, but for the slot of [`VPT`], which
//! is the directory itself, and the slot of [`KZERO`], which is private to each CPU.

/// Bytes in a page.
pub const BY2PG: usize = 4096;
/// Bytes in a large page.
pub const BY2LARGE: usize = 4 << 20;
/// First address of device mappings.
pub const VMAP: usize = 0xE000_0000;
/// Bytes of device mappings.
pub const VMAPSIZE: usize = 0x0F80_0000;
/// The page tables, as seen through the directory's own slot.
pub const VPT: usize = 0xEFC0_0000;
/// Where physical memory is mapped one to one.
pub const KZERO: usize = 0xF000_0000;
/// Physical memory that shows from [`KZERO`] on.
pub const KADDR_SIZE: usize = (STACKS - KZERO) & !(BY2LARGE - 1);
/// A process's temporary mappings.
pub const KMAP: usize = 0xEF80_0000;
/// The page through which a CPU reaches a page above the one-to-one window.
pub const TMPADDR: usize = KZERO + 0x8000;
/// The page that shows each CPU its own Mach.
pub const MACHADDR: usize = KZERO + 0x18000;
/// Physical address where an AP starts.
pub const APBOOTSTRAP: usize = 0x7000;
/// Kernel stacks, each below a hole, so that an overflow faults.
pub const STACKS: usize = 0xFF00_0000;
/// Two large pages that CPU 0 points at what it must reach before the other CPUs start. After that
/// the first shows the oracles, and nobody else, what lies above the one-to-one window.
pub const WINDOW: usize = 0xFF40_0000;
/// The platform's registers: one uncached large page for IOAPIC, HPET and LAPIC.
pub const PLATFORM: usize = 0xFFC0_0000;
/// Physical address of [`PLATFORM`].
pub const PLATFORM_PA: usize = 0xFEC0_0000;

/// Most CPUs. Here, too, a set of them is a word.
pub const MAXMACH: usize = mmu386::layout::MAXMACH;
const _: () = assert!(MAXMACH <= u32::BITS as usize);
/// Bytes of a kernel stack. Plan 9 has 4096; tests with many results at hand, and the auditor's sorting
/// on top of them, need more.
pub const KSTACK: usize = 24 << 10;
/// Bytes of the stack on which a CPU reports a double fault. The report takes less than half of it, which
/// a test measures.
pub const REPORT_STACK: usize = 12 << 10;

/// Entry is present.
pub const PTEVALID: u32 = 1;
/// Writes are allowed.
pub const PTEWRITE: u32 = 2;
/// Not cached.
pub const PTEUNCACHED: u32 = 0x10;
/// A directory entry maps 4 MB.
pub const PTESIZE: u32 = 0x80;
/// Survives a load of CR3.
pub const PTEGLOBAL: u32 = 0x100;

/// Directory slot of an address.
pub const fn pdx(va: usize) -> usize {
    va >> 22
}

/// Table slot of an address.
pub const fn ptx(va: usize) -> usize {
    (va >> 12) & 1023
}
