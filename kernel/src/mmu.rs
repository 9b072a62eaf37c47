//! How the kernel calls mmu386: from the tick, the fault handler, the scheduler, the drivers.

use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use alloc::boxed::Box;
use mmu386::arch::Arch;
use mmu386::error::{PutmmuError, VmapError, VunmapError};
use mmu386::state::System;
pub use mmu386::variant::Fixes;
use mmu386::user::Ticket;
use mmu386::{
    init, kaddr as window, lock, pool, shootdown, switch, user, vmap as vmapping,
    vmapsync as syncing,
};

use crate::arch_impl::{PC, Pc};
use crate::layout::MAXMACH;
use crate::mach::{machno, machp, nmach, up};
use crate::paging::{NSTACK, stack_top};
use crate::proc::{NPROC, Proc};
use crate::{clock, segment};

static SYSTEM: AtomicPtr<System<Pc>> = AtomicPtr::new(core::ptr::null_mut());

/// Makes what all CPUs share. CPU 0, once.
pub fn init() {
    SYSTEM.store(Box::leak(Box::new(System::new())), Ordering::Release);
}

/// What all CPUs share.
pub fn system() -> &'static System<Pc> {
    let system = SYSTEM.load(Ordering::Acquire);
    assert!(!system.is_null(), "mmu386 before mmu::init");
    // SAFETY: `init` leaked a box; its fields are words.
    unsafe { &*system }
}

/// Readies the CPU that calls, which runs on its own page directory with interrupts off.
pub fn init_cpu() {
    init::mmuinit(&PC, scheduler_stack(machno()) as u32);
    segment::finish();
}

/// The address of a byte of physical memory that the window shows.
pub fn kaddr(pa: usize) -> usize {
    window::kaddr(&PC, pa as u32) as usize
}

/// The physical address of a byte in the window.
pub fn paddr(va: usize) -> usize {
    window::paddr(&PC, va as u32) as usize
}

/// The CPU that calls takes part in shootdowns from now on. Interrupts are off.
pub fn online() {
    shootdown::online(&PC);
}

/// First thing in every tick.
pub fn clock_tick() {
    shootdown::interrupt(&PC);
}

/// The shootdown interrupt.
pub fn shootdown() {
    shootdown::interrupt(&PC);
}

/// A fault on an absent page at `va`; whether the access is worth another try.
pub fn vmapsync(va: usize) -> bool {
    syncing::vmapsync(&PC, va as u32)
}

/// The scheduler enters `p`.
pub fn enter(p: &Proc) {
    switch::mmuenter(&PC, &p.mmu);
}

/// The stack of a CPU's scheduler.
pub fn scheduler_stack(cpu: usize) -> usize {
    stack_top(NPROC + cpu)
}
const _: () = assert!(NPROC + MAXMACH == NSTACK);

/// The scheduler leaves the process that ran.
pub fn leave() {
    switch::mmuleave(&PC, scheduler_stack(machno()) as u32);
}

/// The scheduler buries `p`, whose state is Dead.
pub fn release(p: &Proc) {
    user::mmurelease(&PC, &p.mmu, scheduler_stack(machno()) as u32);
}

/// Whether the tick may give the CPU of the running process, if there is one, to others.
pub fn may_preempt() -> bool {
    lock::may_preempt(&PC)
}

/// Gives the process that calls a page directory of its own.
pub fn upallocpdb() {
    pool::upallocpdb(&PC);
}

/// Maps device memory.
pub fn vmap(pa: usize, size: usize) -> Result<usize, VmapError> {
    start_wait();
    vmapping::vmap(&PC, pa as u32, size as u32).map(|va| va as usize)
}

/// Takes away what `vmap` gave.
pub fn vunmap(va: usize, size: usize) -> Result<(), VunmapError> {
    start_wait();
    vmapping::vunmap(&PC, va as u32, size as u32)
}

/// When each process, and each CPU without one, began the operation that it may be waiting in:
/// milliseconds, 0 for none.
static WAITS: [AtomicU32; NPROC + MAXMACH] = [const { AtomicU32::new(0) }; NPROC + MAXMACH];
/// Longest wait. A vCPU that the host neglects answers within a few scheduling periods.
const DEADLINE_MS: u32 = 10_000;

fn waiter() -> &'static AtomicU32 {
    &WAITS[up().map_or_else(|| NPROC + machno(), Proc::index)]
}

/// The process that calls begins something that may have to wait; the deadline runs from here.
pub fn start_wait() {
    waiter().store(clock::milliseconds(), Ordering::Relaxed);
}

/// One turn of a wait: panics when it lasts too long, and says what did not come.
pub fn check_deadline(seen: &[(&AtomicU32, u32)]) {
    let since = waiter().load(Ordering::Relaxed);
    if since == 0 || clock::milliseconds().wrapping_sub(since) < DEADLINE_MS {
        return;
    }
    let word = seen.first().map_or(core::ptr::null(), |(word, _)| &raw const **word);
    for cpu in 0..nmach() {
        let mach = &machp(cpu).mmu;
        let answers = [&raw const mach.flushed, &raw const mach.flushmmu, &raw const mach.online];
        if answers.contains(&word) {
            let ticks = machp(cpu).ticks.load(Ordering::Relaxed);
            panic!("shootdown: cpu{cpu} did not answer in {DEADLINE_MS} ms; it took {ticks} ticks");
        }
    }
    panic!("a wait on the word at {word:p} lasts longer than {DEADLINE_MS} ms");
}

/// A user fault of the process that calls begins.
pub fn fault_begins() -> Ticket {
    user::fault_begins(&PC)
}

/// Maps a user page in the process that calls.
pub fn putmmu(va: usize, pa: usize, ticket: Ticket) -> Result<(), PutmmuError> {
    start_wait();
    user::putmmu(&PC, va as u32, pa as u32, ticket)
}

/// Drops the user mappings of the process that calls.
pub fn flushmmu() {
    switch::flushmmu(&PC);
}

/// The entry for `va` of the page directory that this CPU has loaded. Interrupts are off.
pub fn loaded_pde(va: usize) -> u32 {
    PC.load(PC.at(Pc::GEOMETRY.vpd_entry(va as u32)))
}

/// Whether the variant has all of these repairs.
pub fn has(fixes: Fixes) -> bool {
    <crate::variant::Variant as mmu386::variant::Variant>::FIXES.has(fixes)
}
