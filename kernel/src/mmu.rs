//! How the kernel calls mmu386: from the tick, the fault handler, the scheduler, the drivers.

use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use alloc::boxed::Box;
use auditor::{Access, Overlap};
use mmu386::arch::{Arch, Owned};
use mmu386::error::{KmapError, Mismatch, PutmmuError, SegmentError, VmapError, VunmapError};
use mmu386::layout::Frame;
use mmu386::segment::Segment;
use mmu386::state::System;
use mmu386::user::Ticket;
pub use mmu386::variant::Fixes;
use mmu386::{
    init, kaddr as window, kmap as kernel_maps, lock, patwc as combining, pool, shootdown, switch,
    user, vmap as vmapping, vmapsync as syncing,
};
use mmu386_wire::soak;

use crate::arch_impl::{PC, Pc};
use crate::layout::{MAXMACH, PTEVALID, PTEWRITE, VPT, pdx};
use crate::mach::{machno, machp, nmach, up};
use crate::paging::{NSTACK, stack_top};
use crate::proc::{NPROC, Proc, proctab};
use crate::spl::{splhi, splx};
use crate::{book, clock, pages, probe, segment};

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

/// Calls the MMU code for the process that calls, whose lists it may change meanwhile.
fn busy<R>(work: impl FnOnce() -> R) -> R {
    start_wait();
    let up = up().expect("a process calls");
    up.busy.fetch_add(1, Ordering::SeqCst);
    let result = work();
    up.busy.fetch_sub(1, Ordering::SeqCst);
    result
}

/// Gives the process that calls a page directory of its own.
pub fn upallocpdb() {
    busy(|| pool::upallocpdb(&PC));
}

/// Maps device memory. What it overlaps, which should be nothing, is left to the next audit.
pub fn vmap(pa: usize, size: usize) -> Result<usize, VmapError> {
    vmap_told(pa, size).map(|(va, _)| va)
}

/// Maps device memory; says what it overlaps.
pub fn vmap_told(pa: usize, size: usize) -> Result<(usize, Option<Overlap>), VmapError> {
    start_wait();
    let (pa, size) = (pa as u32, size as u32);
    book::with(|ledger| ledger.mapping(pa, size));
    match vmapping::vmap(&PC, pa, size) {
        Ok(va) => {
            let overlap = book::with(|ledger| ledger.mapped(va, pa, size));
            Ok((va as usize, overlap))
        }
        Err(error) => {
            book::with(|ledger| ledger.refused(pa, size));
            Err(error)
        }
    }
}

/// Takes away what `vmap` gave.
pub fn vunmap(va: usize, size: usize) -> Result<(), VunmapError> {
    timed_vunmap(va, size).map(|_| ())
}

/// Calls of vunmap since boot, by how long they took.
static LATENCIES: [AtomicU32; soak::BUCKETS] = [const { AtomicU32::new(0) }; soak::BUCKETS];

/// Calls of vunmap since boot, by how long they took: see the wire's buckets.
pub fn latencies() -> [u32; soak::BUCKETS] {
    LATENCIES.each_ref().map(|bucket| bucket.load(Ordering::Relaxed))
}

/// As `vunmap`; how long it took, by the TSC.
pub fn timed_vunmap(va: usize, size: usize) -> Result<u64, VunmapError> {
    start_wait();
    let (va, size) = (va as u32, size as u32);
    let call = book::with(|ledger| ledger.unmapping(va, size));
    let start = clock::tsc();
    let result = vmapping::vunmap(&PC, va, size);
    let span = clock::span(start);
    book::with(|ledger| match result {
        Ok(()) => ledger.gone(call),
        Err(_) => ledger.kept(call),
    });
    LATENCIES[soak::bucket(clock::nanoseconds(span))].fetch_add(1, Ordering::Relaxed);
    result.map(|()| span)
}

/// A mapping is gone in a way that is a finding already: the book does not ask for it any more.
pub fn disown(va: usize, size: usize) {
    book::with(|ledger| {
        let call = ledger.unmapping(va as u32, size as u32);
        ledger.gone(call);
    });
}

/// Makes a mapping write combining.
pub fn patwc(va: usize, size: usize) -> bool {
    start_wait();
    let call = book::with(|ledger| ledger.unmapping(va as u32, size as u32));
    let can = combining::patwc(&PC, va as u32, size as u32);
    book::with(|ledger| ledger.kept(call));
    can
}

/// Maps a page for the process that calls, in the kernel. Returns its address, and the page that was
/// there, which should be none.
pub fn kmap(page: Frame) -> Result<(usize, Option<u32>), KmapError> {
    busy(|| {
        let va = kernel_maps::kmap(&PC, page)?;
        let up = up().expect("a process calls").index();
        Ok((va as usize, book::with(|ledger| ledger.kmapped(up, va, page.pa()))))
    })
}

/// Undoes `kmap`.
pub fn kunmap(va: usize) {
    busy(|| {
        kernel_maps::kunmap(&PC, va as u32);
        let up = up().expect("a process calls").index();
        book::with(|ledger| ledger.kunmapped(up, va as u32));
    });
}

/// Processes that are in a call of a segment.
static IN_SEGMENTS: AtomicU32 = AtomicU32::new(0);

/// Whether some process is in a call of a segment: it may have several pages in hand, and some that
/// are not in the book.
pub fn in_segments() -> bool {
    IN_SEGMENTS.load(Ordering::SeqCst) != 0
}

fn in_segment<R>(work: impl FnOnce() -> R) -> R {
    IN_SEGMENTS.fetch_add(1, Ordering::SeqCst);
    let result = busy(work);
    IN_SEGMENTS.fetch_sub(1, Ordering::SeqCst);
    result
}

/// The process that calls takes a fault at `va`, in a segment. Returns the page that it sees there
/// afterwards, which is in the book as one that it may see; `None` if that is free already, which
/// others notice.
pub fn fault<const N: usize>(
    segment: &Segment<Pc, N>,
    va: usize,
) -> Result<Option<Frame>, SegmentError> {
    in_segment(|| {
        loop {
            segment.fault(&PC, va as u32)?;
            // A flush may have dropped the entry since, and the page still be the segment's: the book
            // would never hear of it.
            if let Some(page) = saw(va) {
                return Ok(Some(page).filter(|page| pages::page(*page).refs.get() != 0));
            }
        }
    })
}

/// The page of the allocator that the process that calls has at `va`; the book knows then that it is
/// the segment's. It is not freed before interrupts are on again, as whoever frees waits for this CPU.
fn saw(va: usize) -> Option<Frame> {
    let level = splhi();
    let entry = user_entry(va);
    let page = entry.map(|entry| Frame::containing(entry & !0xFFF));
    let page = page.filter(|page| pages::is_page(*page));
    if let Some(page) = page.filter(|page| pages::page(*page).refs.get() != 0) {
        let up = up().expect("a process calls").index();
        book::held(page);
        book::with(|ledger| ledger.may_show(up, va as u32, page.pa(), Access::Write));
    }
    splx(level);
    page
}

/// The entry that maps a user address of the process that calls. Interrupts are off.
pub fn user_entry(va: usize) -> Option<u32> {
    let valid = |entry: &u32| entry & PTEVALID != 0;
    probe::read(VPT + (VPT >> 12) * 4 + pdx(va) * 4).filter(valid)?;
    probe::read(VPT + (va >> 12) * 4).filter(valid)
}

/// Frees pages of a segment that the processes share which match.
pub fn free<const N: usize>(
    segment: &Segment<Pc, N>,
    va: usize,
    count: usize,
    matches: impl Fn(&Proc) -> bool,
) -> Result<(), SegmentError> {
    in_segment(|| segment.free(&PC, va as u32, count, |p| matches(&proctab()[p.index])))
}

/// Makes all processes that match drop their user mappings.
pub fn procflushmmu(matches: impl Fn(&Proc) -> bool) {
    busy(|| shootdown::procflushmmu(&PC, |p| matches(&proctab()[p.index])));
}

/// When each process, and each CPU without one, began the operation that it may be waiting in:
/// milliseconds, 0 for none.
static WAITS: [AtomicU32; NPROC + MAXMACH] = [const { AtomicU32::new(0) }; NPROC + MAXMACH];
/// Longest wait for each 8 CPUs. A vCPU that the host neglects answers within a few scheduling periods, and
/// with more of them each gets less.
const DEADLINE_MS: u32 = 10_000;

fn deadline_ms() -> u32 {
    DEADLINE_MS * nmach().div_ceil(8) as u32
}

fn waiter() -> &'static AtomicU32 {
    &WAITS[up().map_or_else(|| NPROC + machno(), Proc::index)]
}

/// The process that calls begins something that may have to wait; the deadline runs from here.
pub fn start_wait() {
    waiter().store(clock::milliseconds(), Ordering::Relaxed);
}

/// What the process that had `p`'s entry before waited for is nothing to `p`.
pub fn forget_wait(p: &Proc) {
    WAITS[p.index()].store(0, Ordering::Relaxed);
}

/// How long a wait spins where it could rest instead, in milliseconds.
const PATIENCE_MS: u32 = 2;

/// Whether the wait of whoever calls has lasted so long that it should rest.
pub fn waits_long() -> bool {
    let since = waiter().load(Ordering::Relaxed);
    since != 0 && clock::milliseconds().wrapping_sub(since) > PATIENCE_MS
}

/// One turn of a wait: panics when it lasts too long, and says what did not come.
pub fn check_deadline(seen: &[(&AtomicU32, u32)]) {
    let since = waiter().load(Ordering::Relaxed);
    if since == 0 || clock::milliseconds().wrapping_sub(since) < deadline_ms() {
        return;
    }
    let word = seen.first().map_or(core::ptr::null(), |(word, _)| &raw const **word);
    for cpu in 0..nmach() {
        let mach = &machp(cpu).mmu;
        let answers = [&raw const mach.flushed, &raw const mach.flushmmu, &raw const mach.online];
        if answers.contains(&word) {
            let ticks = machp(cpu).ticks.load(Ordering::Relaxed);
            panic!(
                "shootdown: cpu{cpu} did not answer in {} ms; it took {ticks} ticks",
                deadline_ms()
            );
        }
    }
    panic!("a wait on the word at {word:p} lasts longer than {} ms", deadline_ms());
}

/// A user fault of the process that calls begins.
pub fn fault_begins() -> Ticket {
    user::fault_begins(&PC)
}

/// Maps a user page in the process that calls, which may see that page there from now on.
pub fn putmmu(va: usize, pa: usize, ticket: Ticket) -> Result<(), PutmmuError> {
    let up = up().expect("a process calls").index();
    let access = if pa & PTEWRITE as usize != 0 { Access::Write } else { Access::Read };
    book::with(|ledger| ledger.may_show(up, va as u32, pa as u32, access));
    busy(|| user::putmmu(&PC, va as u32, pa as u32, ticket))
}

/// Checks what the process that calls has at a user address.
pub fn checkmmu(va: usize, pa: usize) -> Result<(), Mismatch> {
    user::checkmmu(&PC, va as u32, pa as u32)
}

/// The fault of the process that calls has ended.
pub fn checkfault(va: usize, pa: usize) {
    user::checkfault(&PC, va as u32, pa as u32);
}

/// Drops the user mappings of the process that calls.
pub fn flushmmu() {
    busy(|| switch::flushmmu(&PC));
}

/// The entry for `va` of the page directory that this CPU has loaded. Interrupts are off.
pub fn loaded_pde(va: usize) -> u32 {
    PC.load(PC.at(Pc::GEOMETRY.vpd_entry(va as u32)))
}

/// Whether the variant has all of these repairs.
pub fn has(fixes: Fixes) -> bool {
    <crate::variant::Variant as mmu386::variant::Variant>::FIXES.has(fixes)
}
