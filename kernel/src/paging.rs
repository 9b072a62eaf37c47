//! The page directories: CPU 0's, which is the master, and a copy for each other CPU.

use core::ops::Range;
use core::ptr::addr_of;
use core::sync::atomic::Ordering;

use crate::boot::Table;
use crate::frames;
use crate::layout::{
    BY2LARGE, BY2PG, KADDR_SIZE, KSTACK, KZERO, MACHADDR, MAXMACH, PLATFORM, PLATFORM_PA, PTESIZE,
    PTEUNCACHED, PTEVALID, PTEWRITE, REPORT_STACK, STACKS, VPT, WINDOW, pdx, ptx,
};
use crate::mach::{Mach, machp, register};
use crate::mmu::{kaddr, paddr};
use crate::proc::NPROC;

/// Stacks: one per process, one per CPU's scheduler.
pub const NSTACK: usize = NPROC + MAXMACH;
/// From one stack to the next: the hole, then the stack.
const STRIDE: usize = KSTACK + BY2PG;
/// Behind those, one per CPU for the report of a double fault, each above a hole of its own.
const REPORT_STACKS: usize = STACKS + NSTACK * STRIDE;
const REPORT_STRIDE: usize = REPORT_STACK + BY2PG;
/// Where the last stack ends.
const STACKS_END: usize = REPORT_STACKS + MAXMACH * REPORT_STRIDE;
const _: () = assert!(STACKS_END <= STACKS + BY2LARGE);

fn table(pa: usize) -> &'static Table {
    // SAFETY: called at boot by CPU 0 alone, on frames that are tables for ever, or are about to be; the
    // words may be shared, with the processor as well.
    unsafe { &*(kaddr(pa) as *const Table) }
}

/// Builds CPU `n`'s directory and Mach page. The first call builds the master, later ones copy it.
/// Returns the directory's physical address.
pub fn build(n: usize) -> u32 {
    let pdb = frames::must();
    let low = frames::must();
    let mach = frames::must();
    if n == 0 {
        master(pdb, low);
    } else {
        let from = machp(0).pdb.load(Ordering::Relaxed) as usize;
        table(pdb).copy(table(from));
        table(low).copy(table((table(from).get(pdx(KZERO)) & !0xFFF) as usize));
    }
    // The first 4 MB through a table of this CPU's own: only MACHADDR differs.
    table(low).set(ptx(MACHADDR), mach as u32 | PTEWRITE | PTEVALID);
    table(pdb).set(pdx(KZERO), low as u32 | PTEWRITE | PTEVALID);
    table(pdb).set(pdx(VPT), pdb as u32 | PTEWRITE | PTEVALID);

    let private = low as u32;
    let mach = kaddr(mach) as *mut Mach;
    // SAFETY: the frame is ours, mapped by the window, and a Mach from now on.
    unsafe {
        mach.write(Mach::new(n, pdb as u32, private));
        register(n, mach);
    }
    pdb as u32
}

/// CPU 0's: everything writable and nothing global, which mmuinit changes.
fn master(pdb: usize, low: usize) {
    let shared = PTESIZE | PTEWRITE | PTEVALID;
    for slot in 0..BY2LARGE / BY2PG {
        table(low).set(slot, (slot * BY2PG) as u32 | PTEWRITE | PTEVALID);
    }
    for pa in (BY2LARGE..KADDR_SIZE).step_by(BY2LARGE) {
        table(pdb).set(pdx(KZERO + pa), pa as u32 | shared);
    }
    let stacks = frames::must();
    let all = (0..NSTACK).map(|n| stack_top(n) - KSTACK..stack_top(n));
    for stack in all.chain((0..MAXMACH).map(report_stack)) {
        for va in stack.step_by(BY2PG) {
            table(stacks).set(ptx(va), frames::must() as u32 | PTEWRITE | PTEVALID);
        }
    }
    table(pdb).set(pdx(STACKS), stacks as u32 | PTEWRITE | PTEVALID);
    table(pdb).set(pdx(PLATFORM), PLATFORM_PA as u32 | PTEUNCACHED | shared);
}

/// Where stack `n` begins, growing down.
pub fn stack_top(n: usize) -> usize {
    STACKS + (n + 1) * STRIDE
}

/// The stack on which a CPU reports a double fault.
pub fn report_stack(cpu: usize) -> Range<usize> {
    let hole = REPORT_STACKS + cpu * REPORT_STRIDE;
    hole + BY2PG..hole + REPORT_STRIDE
}

/// Whether an address is in the hole below a stack.
pub fn is_stack_guard(va: usize) -> bool {
    let behind_hole = match va {
        STACKS..REPORT_STACKS => (va - STACKS) % STRIDE,
        REPORT_STACKS..STACKS_END => (va - REPORT_STACKS) % REPORT_STRIDE,
        _ => return false,
    };
    behind_hole < BY2PG
}

/// Whether an address is readable kernel memory, for the backtrace.
pub fn is_kernel_data(va: usize) -> bool {
    let stack = (STACKS..STACKS_END).contains(&va) && !is_stack_guard(va);
    stack || (KZERO..KZERO + KADDR_SIZE).contains(&va)
}

unsafe extern "C" {
    static etext: u8;
    static end: u8;
}

/// The kernel's code, in whole pages.
pub fn text() -> Range<usize> {
    KZERO + 0x10_0000..addr_of!(etext) as usize
}

/// First physical address after the kernel.
pub fn kernel_end() -> usize {
    paddr(addr_of!(end) as usize)
}

/// Loads CR3.
///
/// # Safety
/// `pdb` is a page directory whose kernel half is this CPU's.
pub unsafe fn putcr3(pdb: u32) {
    // SAFETY: the caller's promise keeps code, stack and Mach mapped.
    unsafe { x86::controlregs::cr3_write(u64::from(pdb)) };
}

/// What CR3 holds.
pub fn getcr3() -> u32 {
    // SAFETY: ring 0.
    unsafe { x86::controlregs::cr3() as u32 }
}

/// A view of any physical memory, for CPU 0 before the others start: through the one-to-one window,
/// the platform page, or two large pages that the next call may point elsewhere. No code under test
/// has a part in it.
pub fn boot_view(pa: usize, size: usize) -> usize {
    if pa.saturating_add(size) <= KADDR_SIZE {
        return kaddr(pa);
    }
    let base = pa & !(BY2LARGE - 1);
    assert!(pa - base + size <= 2 * BY2LARGE, "boot_view: {size:#x} bytes");
    let pdb = machp(0).pdb.load(Ordering::Relaxed) as usize;
    for half in 0..2 {
        let va = WINDOW + half * BY2LARGE;
        let entry = (base + half * BY2LARGE) as u32 | PTESIZE | PTEUNCACHED | PTEWRITE | PTEVALID;
        // The processor sets the accessed and dirty bits.
        if table(pdb).get(pdx(va)) & !0x60 == entry {
            continue;
        }
        table(pdb).set(pdx(va), entry);
        // SAFETY: ring 0; only the window's translation goes away.
        unsafe { x86::tlb::flush(va) };
    }
    WINDOW + (pa - base)
}

/// Takes the window out of the master, before it is copied, and leaves the oracles their view.
pub fn close_boot_view() {
    let pdb = machp(0).pdb.load(Ordering::Relaxed) as usize;
    for half in 0..2 {
        let va = WINDOW + half * BY2LARGE;
        table(pdb).set(pdx(va), 0);
        // SAFETY: as in `boot_view`; nobody keeps a pointer into the window.
        unsafe { x86::tlb::flush(va) };
    }
    let entry = KADDR_SIZE as u32 | PTESIZE | PTEWRITE | PTEVALID;
    table(pdb).set(pdx(WINDOW), entry);
}

/// Where the oracles look at memory, below the top of the one-to-one window or in the first large page
/// above it. The MMU code has no part in it.
pub fn oracle_view(pa: usize) -> usize {
    match pa.checked_sub(KADDR_SIZE) {
        None => KZERO + pa,
        Some(above) => {
            assert!(above < BY2LARGE, "oracle_view: pa={pa:#x}");
            WINDOW + above
        }
    }
}
