//! What the MMU code keeps per CPU, per process, per page, and once for all.

use crate::arch::{Arch, Owned, WordName};
use crate::gdt::{Ldt, NPROCSEG, Segdesc};
use crate::layout::Frame;
use crate::lock::Lock;

/// The MMU's part of a CPU's `Mach`.
///
/// Fields of type `Owned` belong to that CPU, and only with interrupts off; words are shared.
pub struct Mach<A: Arch> {
    /// The CPU's number.
    pub machno: usize,
    /// The CPU's own page directory: loaded when it runs no process, prototype of all that it makes.
    pub pdb: Frame,
    /// Set by whoever wants this CPU to flush; cleared by its tick. The seed's handshake.
    pub flushmmu: A::Word,
    /// Newest generation of requests that this CPU has served. The fixed handshake.
    pub flushed: A::Word,
    /// `active.machs[n]`: not 0 while the CPU takes part in shootdowns.
    pub online: A::Word,
    /// `m->proc`: 1 more than the index of the process that this CPU has entered, or 0. Written by
    /// this CPU, read by whoever must make that process flush.
    pub proc: A::Word,
    /// Page directories ready for reuse, newest first, linked by [`Page::next`].
    pub pdbpool: A::Owned<Option<Frame>>,
    /// Length of `pdbpool`.
    pub pdbcnt: A::Owned<u32>,
    /// Page directories handed out since boot.
    pub pdballoc: A::Owned<u32>,
    /// Page directories taken back since boot.
    pub pdbfree: A::Owned<u32>,
    /// Generation of large VMAP entries up to which `pdb` was swept.
    pub slotgen: A::Owned<u32>,
}

impl<A: Arch> Mach<A> {
    /// The state of CPU `machno`, offline, with `pdb` as its page directory and an empty pool.
    pub fn new(machno: usize, pdb: Frame) -> Self {
        Self {
            machno,
            pdb,
            flushmmu: A::word(WordName::FlushMmu(machno), 0),
            flushed: A::word(WordName::Flushed(machno), 0),
            online: A::word(WordName::Online(machno), 0),
            proc: A::word(WordName::Running(machno), 0),
            pdbpool: A::Owned::new(None),
            pdbcnt: A::Owned::new(0),
            pdballoc: A::Owned::new(0),
            pdbfree: A::Owned::new(0),
            slotgen: A::Owned::new(0),
        }
    }
}

/// Value of [`Proc::state`] for a process that is gone or not yet born. Any other value is alive;
/// what it means is the scheduler's affair.
pub const DEAD: u32 = 0;

/// The MMU's part of a process.
///
/// Fields of type `Owned` belong to the process, wherever it runs; words are shared.
pub struct Proc<A: Arch> {
    /// The process's index in the process table.
    pub index: usize,
    /// The process's user page tables are to be dropped when it is next switched to.
    pub newtlb: A::Word,
    /// Counts the requests to drop the process's user mappings. A fault that began before one and
    /// ends after it maps nothing (fix C1).
    pub flushes: A::Word,
    /// [`DEAD`] or alive.
    pub state: A::Word,
    /// Its page directory, once it has one.
    pub mmupdb: A::Owned<Option<Frame>>,
    /// Page tables in use, linked by [`Page::next`].
    pub mmuused: A::Owned<Option<Frame>>,
    /// Page tables ready for reuse, linked by [`Page::next`].
    pub mmufree: A::Owned<Option<Frame>>,
    /// The page table of its KMAP, once it has one.
    pub kmaptable: A::Owned<Option<Frame>>,
    /// Live kmaps.
    pub nkmap: A::Owned<i32>,
    /// Slot of KMAP that was taken last.
    pub lastkmap: A::Owned<usize>,
    /// Spin locks that it holds; while there are any, it is not to be preempted.
    pub nlocks: A::Owned<u32>,
    /// It was to be preempted while it held a lock; it gives way when it holds none.
    pub delaysched: A::Owned<bool>,
    /// Its own segments, loaded into the GDT when it runs.
    pub gdt: [A::Owned<Segdesc>; NPROCSEG],
    /// Its local descriptor table, if it has one.
    pub ldt: A::Owned<Option<Ldt>>,
    /// Top of its kernel stack (`kstack+KSTACK`).
    pub kstack: u32,
}

impl<A: Arch> Proc<A> {
    /// A process that is not yet alive, at `index` of the process table, with the top of its kernel
    /// stack at `kstack`.
    pub fn new(index: usize, kstack: u32) -> Self {
        Self {
            index,
            newtlb: A::word(WordName::NewTlb(index), 0),
            flushes: A::word(WordName::Flushes(index), 0),
            state: A::word(WordName::State(index), DEAD),
            mmupdb: A::Owned::new(None),
            mmuused: A::Owned::new(None),
            mmufree: A::Owned::new(None),
            kmaptable: A::Owned::new(None),
            nkmap: A::Owned::new(0),
            lastkmap: A::Owned::new(0),
            nlocks: A::Owned::new(0),
            delaysched: A::Owned::new(false),
            gdt: core::array::from_fn(|_| A::Owned::new(Segdesc::default())),
            ldt: A::Owned::new(None),
            kstack,
        }
    }
}

/// The MMU's part of a page frame's record. It belongs to whoever owns the list that the page is on.
pub struct Page<A: Arch> {
    /// Next page of the list that the page is on.
    pub next: A::Owned<Option<Frame>>,
    /// Page directory index that the page serves as a page table for.
    pub daddr: A::Owned<usize>,
    /// References; 1 while the MMU code owns the page.
    pub refs: A::Owned<u32>,
    /// If the page is a page directory: generation of large VMAP entries up to which it was swept.
    pub slotgen: A::Owned<u32>,
}

impl<A: Arch> Page<A> {
    /// The record of a free page.
    pub fn new() -> Self {
        Self {
            next: A::Owned::new(None),
            daddr: A::Owned::new(0),
            refs: A::Owned::new(0),
            slotgen: A::Owned::new(0),
        }
    }
}

impl<A: Arch> Default for Page<A> {
    fn default() -> Self {
        Self::new()
    }
}

/// What all CPUs share.
pub struct System<A: Arch> {
    /// Guards the choice of addresses in VMAP and the master's entries for them.
    pub vmaplock: Lock<A>,
    /// Counts shootdown requests. A CPU has answered request g once `flushed` is at or past g.
    pub flushgen: A::Word,
    /// Counts removals of large entries from the master. A page directory swept up to the current
    /// value holds no large entry that was removed before.
    pub slotgen: A::Word,
}

impl<A: Arch> System<A> {
    /// The shared state at boot.
    pub fn new() -> Self {
        Self {
            vmaplock: Lock::new(WordName::VmapLock),
            flushgen: A::word(WordName::FlushGen, 0),
            slotgen: A::word(WordName::SlotGen, 0),
        }
    }
}

impl<A: Arch> Default for System<A> {
    fn default() -> Self {
        Self::new()
    }
}
