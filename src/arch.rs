//! What mmu386 asks of a machine.
//!
//! One implementation drives real CPUs (the kernel), another is a model under a checker. The core
//! never learns which. Everything goes through `&self`, so that each model execution can own its
//! machine; in the kernel the instance is a zero-sized handle.
//!
//! # Memory model
//!
//! [`Arch::load`] and [`Arch::store`] are plain x86 moves: a load acquires, a store releases, and a
//! store may be delayed past later loads of the same CPU. [`Arch::swap`], [`Arch::fetch_add`],
//! [`Arch::fence`], [`Arch::putcr3`] and [`Arch::invlpg`] drain the store buffer (Intel SDM vol. 3,
//! 9.2 "Memory ordering" and 9.3 "Serializing instructions").

use core::ops::Range;

use crate::event::Event;
use crate::gdt::{Descriptors, Selector};
use crate::layout::{Frame, Geometry};
use crate::pool::PDBPOOL_MAX;
use crate::state::{Mach, Page, Proc, System};
use crate::variant::Variant;

/// Which shared word a [`Arch::Word`] is, for traces and counterexamples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WordName {
    /// `MACHP(n)->flushmmu`.
    FlushMmu(usize),
    /// Newest generation that CPU n has served.
    Flushed(usize),
    /// `active.machs[n]`.
    Online(usize),
    /// `newtlb` of process n.
    NewTlb(usize),
    /// `state` of process n.
    State(usize),
    /// `proc` of CPU n.
    Running(usize),
    /// How often the user mappings of process n were asked to be dropped.
    Flushes(usize),
    /// `vmaplock`.
    VmapLock,
    /// The lock of the segment that starts at an address.
    SegmentLock(u32),
    /// Generation of TLB shootdown requests.
    FlushGen,
    /// Generation of removed large VMAP entries.
    SlotGen,
    /// Entry of a page table or page directory: the table's frame and the entry's index.
    Entry(Frame, usize),
    /// A word of the machine around the core: what it is, and the CPU it is for.
    Other(&'static str, usize),
}

/// Interrupt priority level, as Plan 9's `spl` family knows it: interrupts are on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spl {
    /// Interrupts are on.
    Lo,
    /// Interrupts are off.
    Hi,
}

/// What a CPU can do beyond a 386.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// INVLPG (`m->cpuidfamily >= 4`).
    Invlpg,
    /// Large pages (CPUID.PSE of CPU 0, and CR4.PSE of this one).
    Pse,
    /// Global pages (`m->havepge`: CPUID.PGE, and CR4.PGE is set).
    Pge,
    /// The page attribute table (CPUID.PAT of CPU 0).
    Pat,
}

/// A value with one owner at a time: a CPU with interrupts off, a process, or the holder of a lock.
///
/// Nothing is ever lent out, so the owner's discipline is all the safety there is to keep: two
/// accesses from different CPUs must be ordered by something else. A model reports any pair that is
/// not as a race.
pub trait Owned<T: Copy> {
    /// A cell that holds `value`.
    fn new(value: T) -> Self;
    /// The value. Only the owner may call it.
    fn get(&self) -> T;
    /// Replaces the value. Only the owner may call it.
    fn set(&self, value: T);
}

/// A 386 multiprocessor, seen from the CPU that the caller runs on.
///
/// "This CPU" is whatever CPU executes the call. With interrupts on, or across anything that may
/// sleep, two calls in a row may be answered by two CPUs; `m` is therefore a view to take again
/// ([`Arch::m`]), never one to keep.
pub trait Arch: Sized + 'static {
    /// The set of fixes that the core is compiled with.
    type Variant: Variant;
    /// A 32-bit word that several CPUs read and write.
    type Word;
    /// A value with one owner at a time.
    type Owned<T: Copy + 'static>: Owned<T>;

    /// Sizes of the address space.
    const GEOMETRY: Geometry;
    /// Most page directories that a CPU keeps in its pool. A model wants pools that overflow.
    const PDBPOOL_MAX: u32 = PDBPOOL_MAX;

    /// A new shared word.
    fn word(name: WordName, value: u32) -> Self::Word;

    /// Plain load.
    fn load(&self, word: &Self::Word) -> u32;
    /// Plain store.
    fn store(&self, word: &Self::Word, value: u32);
    /// LOCKed exchange; returns the old value.
    fn swap(&self, word: &Self::Word, value: u32) -> u32;
    /// LOCKed add, wrapping; returns the old value.
    fn fetch_add(&self, word: &Self::Word, value: u32) -> u32;
    /// MFENCE: every earlier store is visible before any later load is made.
    fn fence(&self);

    /// Number of CPUs that the system has (`conf.nmach`), online or not.
    fn nmach(&self) -> usize;
    /// Number of process slots (`conf.nproc`).
    fn nproc(&self) -> usize;
    /// This CPU's number, read as `m->machno` through the private page at MACHADDR.
    fn machno(&self) -> usize;
    /// `MACHP(n)`.
    fn mach(&self, n: usize) -> &Mach<Self>;
    /// `proctab(n)`.
    fn proc(&self, n: usize) -> &Proc<Self>;
    /// The process that this CPU runs, if any.
    fn up(&self) -> Option<&Proc<Self>>;
    /// What all CPUs share.
    fn system(&self) -> &System<Self>;
    /// The record of a page frame. Every frame that [`Arch::newpage`] returns has one.
    fn page(&self, frame: Frame) -> &Page<Self>;

    /// Turns interrupts off; returns the level before.
    fn splhi(&self) -> Spl;
    /// Turns interrupts on; returns the level before.
    fn spllo(&self) -> Spl;
    /// Goes back to `level`.
    fn splx(&self, level: Spl);
    /// Whether interrupts are on.
    fn islo(&self) -> bool;

    /// The page directory that CR3 holds.
    fn getcr3(&self) -> Frame;
    /// Loads CR3. Drops every TLB entry of this CPU that is not global, and every cached upper
    /// level (Intel SDM vol. 3, 4.10.4.1).
    fn putcr3(&self, pdb: Frame);
    /// INVLPG: drops this CPU's entries for the page of `va`, and every cached upper level.
    fn invlpg(&self, va: u32);
    /// Whether this CPU has a feature.
    fn has(&self, feature: Feature) -> bool;
    /// Reads a model-specific register; `None` if the CPU has none of that number. With interrupts
    /// off.
    fn rdmsr(&self, msr: u32) -> Option<u64>;
    /// Writes a model-specific register. With interrupts off.
    fn wrmsr(&self, msr: u32, value: u64);

    /// This CPU's descriptor table and task state segment. With interrupts off.
    fn descriptors(&self) -> &Descriptors<Self>;
    /// Loads GDTR (Intel SDM vol. 2, LGDT).
    fn lgdt(&self, base: u32, limit: u16);
    /// Loads IDTR with the machine's interrupt descriptor table, which all CPUs share (`IDTADDR`).
    fn lidt(&self, limit: u16);
    /// Loads the task register.
    fn ltr(&self, task: Selector);
    /// Loads LDTR; [`Selector::NULL`] for no local descriptor table.
    fn lldt(&self, table: Selector);
    /// Gives back what a process's local descriptor table lies in (`free`). `base` is its address.
    fn freeldt(&self, base: u32);

    /// The kernel's code, which nobody may write (`KTZERO` to `etext`), in whole pages.
    fn text(&self) -> Range<u32>;

    /// One turn of a wait loop that cannot go on while each word still holds the value seen.
    ///
    /// May return at any time, and does so within bounded time once one of the words has another
    /// value. Interrupts are taken meanwhile if they are on. Never sleeps: callable at any level.
    ///
    /// A loop may keep nothing of its earlier turns, not even how many there were: whatever it goes by from here on, it
    /// looks at again. A checker takes all turns for the same. So a wait that gives up after a while is no loop round
    /// this call.
    fn relax(&self, seen: &[(&Self::Word, u32)]);
    /// Sends a shootdown IPI to another CPU. It makes that CPU call
    /// [`shootdown::interrupt`](crate::shootdown::interrupt) as soon as its interrupts are on.
    /// Kicks may be merged with earlier ones that were not yet taken.
    fn kick(&self, cpu: usize);

    /// Gives this CPU to others, if they want it; comes back on this CPU or another one. If words are
    /// given, the caller has nothing to do while each still holds the value seen: it may rest as
    /// [`relax`](Self::relax) does. Called by a process with interrupts on and no lock held.
    fn sched(&self, seen: &[(&Self::Word, u32)]);

    /// The word at an address of the kernel: in the window from KZERO that
    /// [`kaddr`](crate::kaddr::kaddr) gives, in the page at TMPADDR, in the VPT, or in KMAP.
    /// Translated as a CPU translates: through the loaded CR3 and this CPU's TLB, but for the window,
    /// whose translations never change. The page must be mapped.
    fn at(&self, va: u32) -> &Self::Word;

    /// Takes a page frame from the page allocator (`newpage(0, 0, 0)`). Contents are not cleared,
    /// `refs` is 1. Interrupts must be on; may sleep and wake on another CPU.
    fn newpage(&self) -> Frame;
    /// Gives a page frame back to the page allocator, and wakes who waits for one (`pagechainhead`,
    /// `pagechaindone`). Callable with interrupts off.
    fn freepage(&self, frame: Frame);
    /// The address, in the window, of a cleared page of kernel memory for a page table that is never
    /// freed (`xspanalloc(BY2PG, BY2PG, 0)`), or `None` if there is no memory. Does not sleep.
    fn xspanalloc(&self) -> Option<u32>;
    /// The number under which the page allocator keeps a frame that it may give out
    /// (`pagenumber`).
    fn pagenumber(&self, frame: Frame) -> usize;

    /// Tells an observer what the core is about to do or has done. Must not touch shared words.
    fn trace(&self, event: Event);

    /// This CPU's `Mach`. Take it again after anything that may sleep.
    fn m(&self) -> &Mach<Self> {
        self.mach(self.machno())
    }
    /// `MACHP(0)->pdb`: the page directory whose VMAP entries all others are copied from.
    fn master(&self) -> Frame {
        self.mach(0).pdb
    }
}
