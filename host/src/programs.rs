//! What programs and drivers on a CPU do, with the ledger told before and after.
//!
//! The ledger is the truth of which process may reach what: the auditor judges the machine by it. What is done
//! past these functions it does not know.

use std::sync::atomic::Ordering::Relaxed;

use auditor::{Ledger, Overlap, Property, Subject, Violation};
use mmu386::arch::{Arch, Owned, Spl};
use mmu386::error::{KmapError, VmapError, VunmapError};
use mmu386::layout::{BY2PG, Frame, PC386};
use mmu386::state::DEAD;
use mmu386::user::mmurelease;
use mmu386::variant::Variant;
use mmu386::vmapsync::vmapsync;
use mmu386::{kmap, patwc, vmap};
use parking_lot::MutexGuard;

use crate::cpu::Cpu;
use crate::log::Happening;
use crate::machine::Machine;
use crate::tlb::Translation;
use crate::walker::{Fault, Mode};

/// [`Proc::state`](mmu386::state::Proc::state) of a process that lives.
const ALIVE: u32 = 1;

impl<V: Variant> Machine<V> {
    /// Which process may reach what.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.books.ledger.lock()
    }

    /// A page that neither the MMU code nor the page allocator has.
    pub(crate) fn hold(&self, page: Frame) {
        self.books.held.lock().insert(page.pa());
    }

    pub(crate) fn let_go(&self, page: Frame) {
        self.books.held.lock().remove(&page.pa());
    }

    pub(crate) fn is_held(&self, page: Frame) -> bool {
        self.books.held.lock().contains(&page.pa())
    }

    /// A page for a harness to kmap; `None` if none is free. It is held until
    /// [`give_back`](Self::give_back).
    pub fn buffer(&self) -> Option<Frame> {
        let page = self.memory.take(0)?;
        self.pages[self.memory.number(page)?].refs.set(1);
        self.hold(page);
        Some(page)
    }

    /// Gives a page from [`buffer`](Self::buffer) back; nobody has it mapped.
    pub fn give_back(&self, page: Frame) {
        self.let_go(page);
        if let Some(n) = self.memory.number(page) {
            self.pages[n].refs.set(0);
        }
        self.memory.give(page);
    }

    /// How many pages neither the MMU code nor the page allocator has.
    pub(crate) fn held_pages(&self) -> usize {
        self.books.held.lock().len()
    }

    /// Keeps a violation that was noticed between audits.
    pub(crate) fn report(&self, property: Property, detail: String) {
        self.books.noticed.lock().push(Violation { property, subject: Subject::Text, detail });
    }

    /// The violations that were noticed since this was last called, without an audit: what vmap
    /// returned overlaps something, an access led where it must not.
    pub fn noticed(&self) -> Vec<Violation> {
        std::mem::take(&mut self.books.noticed.lock())
    }

    /// Whether process `p` lives.
    pub fn lives(&self, p: usize) -> bool {
        self.procs[p].state.value.load(Relaxed) != DEAD
    }
}

impl<V: Variant> Cpu<V> {
    /// Accesses `va` as a program does: a user address in user mode, VMAP and KMAP in the kernel. A
    /// fault in VMAP is handled; returns the physical address that the access led to.
    ///
    /// # Errors
    /// A fault that vmapsync does not mend, or one in user memory, after which
    /// [`Shared::fault`](crate::Shared::fault) is to be called, or in KMAP.
    pub fn touch(&self, va: u32, write: bool) -> Result<u32, Fault> {
        let mode = if PC386.in_user(va) { Mode::User } else { Mode::Kernel };
        loop {
            self.point();
            let fault = match self.access(va, write, mode) {
                Ok(pa) => {
                    self.machine().log.push(self.id(), Happening::Access(va, pa));
                    return Ok(pa);
                }
                Err(fault) => fault,
            };
            // The fault handler runs with interrupts off.
            if !PC386.in_vmap(va) || !self.at_splhi(|| vmapsync(self, va)) {
                return Err(fault);
            }
        }
    }

    /// vmap. An overlap with what is mapped, or still being unmapped, is noticed (V2).
    ///
    /// # Errors
    /// As [`vmap::vmap`].
    pub fn vmap(&self, pa: u32, size: u32) -> Result<u32, VmapError> {
        let machine = self.machine();
        machine.ledger().mapping(pa, size);
        let result = vmap::vmap(self, pa, size);
        let Ok(va) = result else {
            machine.ledger().refused(pa, size);
            return result;
        };
        let overlap = machine.ledger().mapped(va, pa, size);
        if let Some(overlap) = overlap {
            self.overlaps(va, overlap);
        }
        machine.interest(va);
        machine.interest(va.wrapping_add(size.max(1) - 1));
        result
    }

    /// vunmap. Nobody may reach the old memory once it has returned.
    ///
    /// # Errors
    /// As [`vmap::vunmap`].
    pub fn vunmap(&self, va: u32, size: u32) -> Result<(), VunmapError> {
        let machine = self.machine();
        self.unmapping.set(Some(machine.ledger().unmapping(va, size)));
        let result = vmap::vunmap(self, va, size);
        match (&result, self.unmapping.take()) {
            (Ok(()), Some(unmapping)) => machine.ledger().gone(unmapping),
            (Err(_), Some(unmapping)) => machine.ledger().kept(unmapping),
            (_, None) => {}
        }
        result
    }

    /// vunmap is about to return: its addresses are vmap's again since a moment ago.
    pub(crate) fn unmapped(&self) {
        if let Some(unmapping) = self.unmapping.take() {
            self.machine().ledger().gone(unmapping);
        }
    }

    /// What vmap returned overlaps a mapping. If that is being unmapped, it may be that its addresses
    /// are free already, and its vunmap had no time to say so; no CPU may have it cached then.
    fn overlaps(&self, va: u32, overlap: Overlap) {
        let machine = self.machine();
        let old = |t: &Translation| t.covers(overlap.va) && t.translate(overlap.va) == overlap.pa;
        let unseen = machine.drive.lockstep().is_none() && overlap.torn;
        if unseen && !(0..machine.config.cpus).any(|n| machine.tlb(n).iter().any(old)) {
            return;
        }
        let id = self.id();
        machine.report(Property::V2, format!("vmap on cpu{id} returned {va:#x}: {overlap}"));
    }

    /// patwc.
    pub fn patwc(&self, va: u32, size: u32) -> bool {
        let unmapping = self.machine().ledger().unmapping(va, size);
        let done = patwc::patwc(self, va, size);
        self.machine().ledger().kept(unmapping);
        done
    }

    /// kmap. One over a live kmap is noticed (K1).
    ///
    /// # Errors
    /// As [`kmap::kmap`].
    pub fn kmap(&self, page: Frame) -> Result<u32, KmapError> {
        let va = kmap::kmap(self, page)?;
        let machine = self.machine();
        let up = self.state().up().expect("kmap came back to a process");
        let already = machine.ledger().kmapped(up, va, page.pa());
        if let Some(pa) = already {
            let what = format!("kmap gave proc {up} {va:#x}, which shows {pa:#x} already");
            machine.report(Property::K1, what);
        }
        machine.interest(va);
        Ok(va)
    }

    /// kunmap.
    pub fn kunmap(&self, va: u32) {
        if let Some(up) = self.state().up() {
            self.machine().ledger().kunmapped(up, va);
        }
        kmap::kunmap(self, va);
    }

    /// Process `p` is born and runs on this CPU, which runs none. It has no mappings.
    ///
    /// # Panics
    /// If the CPU runs a process, or the process lives.
    pub fn birth(&self, p: usize) {
        let machine = self.machine();
        assert_eq!(self.state().up(), None, "cpu{}: the CPU runs a process", self.id());
        assert!(!machine.lives(p), "proc {p} lives");
        let proc = &machine.procs[p];
        self.store(&proc.state, ALIVE);
        self.at_splhi(|| self.enter(p));
    }

    /// The CPU's process goes, and the CPU idles. Returns the process, which may
    /// [`resume`](Self::resume) on any CPU.
    ///
    /// # Panics
    /// If the CPU runs none.
    pub fn suspend(&self) -> usize {
        self.at_splhi(|| self.leave())
    }

    /// Process `p`, which lives and runs nowhere, goes on on this CPU, which runs none.
    ///
    /// # Panics
    /// If the CPU runs a process, or the process runs.
    pub fn resume(&self, p: usize) {
        let machine = self.machine();
        assert_eq!(self.state().up(), None, "cpu{}: the CPU runs a process", self.id());
        assert!(machine.cpus.iter().all(|cpu| cpu.up() != Some(p)), "proc {p} runs");
        self.at_splhi(|| self.enter(p));
    }

    /// The CPU's process dies: undoes its kmaps, and gives back what the MMU code holds for it. The
    /// CPU idles.
    ///
    /// # Panics
    /// If the CPU runs none.
    pub fn die(&self) {
        let machine = self.machine();
        let p = self.state().up().expect("a process runs here");
        let kmaps: Vec<u32> = machine.ledger().kmaps(p).map(|(va, _)| va).collect();
        for va in kmaps {
            self.kunmap(va);
        }
        self.set_level(Spl::Hi);
        let proc = &machine.procs[p];
        mmu386::switch::mmuleave(self, self.idle_stack());
        self.store(&proc.state, DEAD);
        machine.ledger().exited(p);
        mmurelease(self, proc, self.idle_stack());
        self.state().set_up(None);
        machine.log.push(self.id(), Happening::Leaves(p));
        self.set_level(Spl::Lo);
    }

    /// Reads the word at `va`, as [`touch`](Self::touch) reaches it, or writes it; `None` if no
    /// content is there.
    ///
    /// # Errors
    /// As [`touch`](Self::touch).
    pub fn word(&self, va: u32, write: Option<u32>) -> Result<Option<u32>, Fault> {
        let pa = self.touch(va, write.is_some())?;
        let words = self.machine().memory.words(Frame::containing(pa));
        let Some(word) = words.map(|words| &words[(pa % BY2PG / 4) as usize]) else {
            return Ok(None);
        };
        if let Some(value) = write {
            word.value.store(value, std::sync::atomic::Ordering::Release);
        }
        Ok(Some(word.value.load(std::sync::atomic::Ordering::Acquire)))
    }
}
