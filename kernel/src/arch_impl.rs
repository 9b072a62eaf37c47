//! The PC as mmu386's [`Arch`]: real words, real CR3, real interrupts.

use core::cell::UnsafeCell;
use core::mem::transmute_copy;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering, fence};

use mmu386::arch::{Arch, Feature, Owned, Spl, WordName};
use mmu386::event::Event;
use mmu386::function::Function;
use mmu386::gdt::{Descriptors, Selector};
use mmu386::layout::{BY2WD, Frame, Geometry, PC386};
use mmu386::state::{Mach, Page, Proc, System};

use crate::events::Kind;
use crate::layout::KADDR_SIZE;
use crate::mach::{self, machp};
use crate::mmu::kaddr;
use crate::proc::{NPROC, proctab};
use crate::trap::{self, VECTOR_SHOOTDOWN};
use crate::variant::Variant;
use crate::{apic, chaos, cpu, events, frames, mmu, pages, paging, ran, sched, segment, spl};

/// The machine. There is one, and it is not in here.
#[derive(Clone, Copy)]
pub struct Pc;

/// The machine, for calls of mmu386.
pub static PC: Pc = Pc;

/// A value with one owner at a time. What fits a word is read and written as one: some look at counts of
/// references that are another's, and compare again under its lock.
pub struct OwnedCell<T>(UnsafeCell<T>);

// mmu386 calls `get` and `set` as the owner only, and ownership passes from CPU to CPU through a lock or the
// scheduler's release of `mach`; the models check that discipline.
// SAFETY: owners come one after the other, and a CPU that looks without being the owner looks at a word, which is
// atomic.
unsafe impl<T: Copy> Sync for OwnedCell<T> {}

impl<T: Copy> OwnedCell<T> {
    /// A value is one word. Then something in it has a word's alignment and size, and no byte is padding.
    const WORD: bool = size_of::<T>() == 4 && align_of::<T>() == 4;

    /// The value as a word, if it is one.
    fn word(&self) -> Option<&AtomicU32> {
        // SAFETY: size and alignment are a word's, and whoever reads or writes one value reads or writes
        // all of them here.
        Self::WORD.then(|| unsafe { AtomicU32::from_ptr(self.0.get().cast()) })
    }
}

impl<T: Copy> Owned<T> for OwnedCell<T> {
    fn new(value: T) -> Self {
        OwnedCell(UnsafeCell::new(value))
    }

    fn get(&self) -> T {
        match self.word() {
            // SAFETY: the word holds a value of this type, of the same size.
            Some(word) => unsafe { transmute_copy(&word.load(Ordering::Relaxed)) },
            // SAFETY: the caller owns the value, so nobody writes it meanwhile.
            None => unsafe { *self.0.get() },
        }
    }

    fn set(&self, value: T) {
        match self.word() {
            // SAFETY: the value has the size of a word and no padding.
            Some(word) => word.store(unsafe { transmute_copy(&value) }, Ordering::Relaxed),
            // SAFETY: the caller owns the value, so nobody reads or writes it meanwhile.
            None => unsafe { *self.0.get() = value },
        }
    }
}

impl Arch for Pc {
    type Variant = Variant;
    type Word = AtomicU32;
    type Owned<T: Copy + 'static> = OwnedCell<T>;

    const GEOMETRY: Geometry = Geometry { window: KADDR_SIZE as u32, ..PC386 };

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

    fn has(&self, feature: Feature) -> bool {
        cpu::has(feature)
    }

    fn rdmsr(&self, msr: u32) -> Option<u64> {
        cpu::rdmsr(msr)
    }

    fn wrmsr(&self, msr: u32, value: u64) {
        cpu::wrmsr(msr, value);
    }

    fn descriptors(&self) -> &Descriptors<Pc> {
        segment::descriptors()
    }

    fn lgdt(&self, base: u32, limit: u16) {
        segment::lgdt(base, limit);
    }

    fn lidt(&self, limit: u16) {
        trap::load(limit);
    }

    fn ltr(&self, task: Selector) {
        segment::ltr(task);
    }

    fn lldt(&self, table: Selector) {
        segment::lldt(table);
    }

    fn freeldt(&self, base: u32) {
        segment::freeldt(base);
    }

    fn text(&self) -> Range<u32> {
        let text = paging::text();
        text.start as u32..text.end as u32
    }

    fn relax(&self, seen: &[(&AtomicU32, u32)]) {
        core::hint::spin_loop();
        mmu::check_deadline(seen);
        // Whoever is waited for may need this CPU's core. The next tick looks again.
        if spl::islo() && mmu::waits_long() {
            spl::rest();
        }
    }

    fn kick(&self, cpu: usize) {
        chaos::edge();
        for _ in 0..chaos::sendings() {
            apic::ipi(machp(cpu).apicid.load(Ordering::Relaxed) as u8, VECTOR_SHOOTDOWN);
        }
    }

    fn sched(&self, seen: &[(&AtomicU32, u32)]) {
        if seen.is_empty() {
            sched::sched();
        } else {
            mmu::check_deadline(seen);
            sched::relax();
        }
    }

    fn at(&self, va: u32) -> &AtomicU32 {
        let g = &Self::GEOMETRY;
        assert!(va >= g.kmap_base() && va.is_multiple_of(BY2WD), "at: no word at {va:#x}");
        // From KMAP on there is kernel memory alone, and tables are only touched as atomics.
        // SAFETY: the caller vouches that the word is mapped, of a table or of a page that it owns.
        unsafe { &*(va as *const AtomicU32) }
    }

    fn newpage(&self) -> Frame {
        let frame = pages::newpage();
        // Sleeping for a page is no waiting for a CPU.
        mmu::start_wait();
        frame
    }

    fn freepage(&self, frame: Frame) {
        pages::freepage(frame);
    }

    fn xspanalloc(&self) -> Option<u32> {
        frames::span().map(|pa| kaddr(pa) as u32)
    }

    fn pagenumber(&self, frame: Frame) -> usize {
        pages::number(frame)
    }

    fn trace(&self, event: Event) {
        match event {
            Event::Call(function) => {
                ran::mark(function);
                if function == Function::Mmupdballoc {
                    mach::count_pdballoc();
                }
            }
            Event::Mapped { va, size, .. } => events::record(Kind::Mapped, va, size),
            Event::Unmapping { va, size } => events::record(Kind::Unmapping, va, size),
            Event::Requesting => events::record(Kind::Requesting, 0, 0),
            Event::Serving => events::record(Kind::Serving, 0, 0),
            Event::Acknowledging => events::record(Kind::Acknowledging, 0, 0),
            Event::Unmapped { va, size } => events::record(Kind::Unmapped, va, size),
            Event::Synced { va } => events::record(Kind::Synced, va, 0),
            Event::Swept => events::record(Kind::Swept, 0, 0),
            Event::Dropping => events::record(Kind::Dropping, 0, 0),
            Event::Fault { va, pa } => events::record(Kind::Resolved, va, pa),
            Event::Refused { va } => events::record(Kind::Refused, va, 0),
        }
        // Before what was announced, and after what was done.
        if !matches!(event, Event::Call(_)) {
            chaos::edge();
        }
    }
}

fn level(level: spl::Spl) -> Spl {
    if level.is_low() { Spl::Lo } else { Spl::Hi }
}
