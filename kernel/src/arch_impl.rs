//! The PC as mmu386's [`Arch`]: real words, real CR3, real interrupts.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering, fence};

use mmu386::arch::{Arch, Owned, Spl, WordName};
use mmu386::layout::{BY2WD, Frame, Geometry, PC386};
use mmu386::state::{Mach, Page, Proc, System};

use crate::layout::kaddr;
use crate::mach::{self, m, machp};
use crate::proc::{NPROC, proctab};
use crate::trap::VECTOR_SHOOTDOWN;
use crate::variant::Variant;
use crate::{apic, frames, mmu, pages, paging, spl};

/// The machine. There is one, and it is not in here.
#[derive(Clone, Copy)]
pub struct Pc;

/// The machine, for calls of mmu386.
pub static PC: Pc = Pc;

/// A value with one owner at a time.
pub struct OwnedCell<T>(UnsafeCell<T>);

// SAFETY: mmu386 calls `get` and `set` as the owner only, and ownership passes from CPU to CPU
// through a lock or the scheduler's release of `mach`; the models check that discipline.
unsafe impl<T: Copy> Sync for OwnedCell<T> {}

impl<T: Copy> Owned<T> for OwnedCell<T> {
    fn new(value: T) -> Self {
        OwnedCell(UnsafeCell::new(value))
    }

    fn get(&self) -> T {
        // SAFETY: the caller owns the value, so nobody writes it meanwhile.
        unsafe { *self.0.get() }
    }

    fn set(&self, value: T) {
        // SAFETY: the caller owns the value, so nobody reads or writes it meanwhile.
        unsafe { *self.0.get() = value };
    }
}

impl Arch for Pc {
    type Variant = Variant;
    type Word = AtomicU32;
    type Owned<T: Copy + 'static> = OwnedCell<T>;

    const GEOMETRY: Geometry = PC386;

    fn word(_name: WordName, value: u32) -> AtomicU32 {
        AtomicU32::new(value)
    }

    fn load(&self, word: &AtomicU32) -> u32 {
        word.load(Ordering::Acquire)
    }

    fn store(&self, word: &AtomicU32, value: u32) {
        word.store(value, Ordering::Release);
    }

    fn swap(&self, word: &AtomicU32, value: u32) -> u32 {
        word.swap(value, Ordering::SeqCst)
    }

    fn fetch_add(&self, word: &AtomicU32, value: u32) -> u32 {
        word.fetch_add(value, Ordering::SeqCst)
    }

    fn fence(&self) {
        fence(Ordering::SeqCst);
    }

    fn nmach(&self) -> usize {
        mach::nmach()
    }

    fn nproc(&self) -> usize {
        NPROC
    }

    fn machno(&self) -> usize {
        mach::machno()
    }

    fn mach(&self, n: usize) -> &Mach<Pc> {
        &machp(n).mmu
    }

    fn proc(&self, n: usize) -> &Proc<Pc> {
        &proctab()[n].mmu
    }

    fn up(&self) -> Option<&Proc<Pc>> {
        mach::up().map(|p| &p.mmu)
    }

    fn system(&self) -> &System<Pc> {
        mmu::system()
    }

    fn page(&self, frame: Frame) -> &Page<Pc> {
        pages::page(frame)
    }

    fn splhi(&self) -> Spl {
        level(spl::splhi())
    }

    fn spllo(&self) -> Spl {
        level(spl::spllo())
    }

    fn splx(&self, level: Spl) {
        spl::splx(match level {
            Spl::Lo => spl::Spl::LOW,
            Spl::Hi => spl::Spl::HIGH,
        });
    }

    fn islo(&self) -> bool {
        spl::islo()
    }

    fn getcr3(&self) -> Frame {
        Frame::containing(paging::getcr3())
    }

    fn putcr3(&self, pdb: Frame) {
        // SAFETY: the MMU code loads directories that it made from this CPU's own, or readied for
        // it.
        unsafe { paging::putcr3(pdb.pa()) };
    }

    fn invlpg(&self, va: u32) {
        // SAFETY: ring 0; dropping a translation is always safe.
        unsafe { x86::tlb::flush(va as usize) };
    }

    fn pse(&self) -> bool {
        // SAFETY: ring 0.
        unsafe { x86::controlregs::cr4() }.contains(x86::controlregs::Cr4::CR4_ENABLE_PSE)
    }

    fn set_kernel_stack(&self, top: u32) {
        let tss = m().tss.load(Ordering::Relaxed);
        // SAFETY: this CPU's own segment, called with interrupts off; the hardware reads esp0 only
        // on a change of privilege. The structure is packed, so the write is by raw pointer.
        unsafe { (&raw mut (*tss).esp0).write_unaligned(top) };
    }

    fn relax(&self, seen: &[(&AtomicU32, u32)]) {
        core::hint::spin_loop();
        mmu::check_deadline(seen);
    }

    fn kick(&self, cpu: usize) {
        apic::ipi(machp(cpu).apicid.load(Ordering::Relaxed) as u8, VECTOR_SHOOTDOWN);
    }

    fn entry(&self, frame: Frame, index: usize) -> &AtomicU32 {
        assert!(index < PC386.entries(), "entry {index} of a table");
        let va = kaddr(frame.pa() as usize) + index * BY2WD as usize;
        // SAFETY: `kaddr` is mapped one to one for ever; `frame` is a table, whose words are only
        // touched as atomics, by this code and by the hardware.
        unsafe { &*(va as *const AtomicU32) }
    }

    fn vpt(&self, va: u32) -> &AtomicU32 {
        // SAFETY: the caller checked that the directory entry which maps this page of the VPT is
        // valid; the page is a table, and its words are only touched as atomics.
        unsafe { &*(va as *const AtomicU32) }
    }

    fn newpage(&self) -> Frame {
        pages::newpage()
    }

    fn freepage(&self, frame: Frame) {
        pages::freepage(frame);
    }

    fn xspanalloc(&self) -> Option<Frame> {
        frames::span().map(|pa| Frame::containing(pa as u32))
    }
}

fn level(level: spl::Spl) -> Spl {
    if level.is_low() { Spl::Lo } else { Spl::Hi }
}

/// The entry by which a CPU's own directory maps its Mach, for the tests.
pub fn private_slot(mach: &mach::Mach) -> u32 {
    PC.load(PC.entry(mach.mmu.pdb, PC386.kzero))
}
