//! What programs on a CPU do with addresses, and what the ledger hears of it.

use mmu386::arch::Arch;
use mmu386::error::{VmapError, VunmapError};
use mmu386::state::DEAD;
use mmu386::user::mmurelease;
use mmu386::variant::Variant;
use mmu386::vmap;
use mmu386::vmapsync::vmapsync;

use super::Cpu;
use crate::counterexample::Op;
use crate::oracle::{self, Property};

impl<V: Variant> Cpu<V> {
    /// Accesses a VMAP address as a driver would. Returns whether it could: a fault that vmapsync
    /// cannot mend ends the attempt.
    pub fn touch(&self, va: u32) -> bool {
        self.point();
        self.note(Op::Access(va));
        loop {
            if self.machine.cpu(self.id()).tlb.lookup(va).next().is_some() {
                self.check(va);
                return true;
            }
            self.speculate(va);
            if self.machine.cpu(self.id()).tlb.lookup(va).next().is_some() {
                continue;
            }
            // The fault handler runs with interrupts off.
            let level = self.splhi();
            let mended = vmapsync(self, va);
            self.splx(level);
            if !mended {
                return false;
            }
        }
    }

    /// Every translation that the access may use must be one that it may use.
    fn check(&self, va: u32) {
        let ledger = self.machine.ledger.lock().expect("no panic while it is held");
        let cpu = self.machine.cpu(self.id());
        let stale = cpu.tlb.lookup(va).find(|&pa| !ledger.allows(va, pa));
        drop((cpu, ledger));
        if let Some(pa) = stale {
            let how = self.machine.how_reached(self.id(), va);
            oracle::broken(
                Property::V1,
                &format!("cpu {} uses {pa:#x} through {va:#x}, which is gone ({how})", self.id()),
            );
        }
    }

    /// vmap, with the ledger told what came of it.
    pub fn vmap(&self, pa: u32, size: u32) -> Result<u32, VmapError> {
        let va = vmap::vmap(self, pa, size)?;
        let overlap =
            self.machine.ledger.lock().expect("no panic while it is held").mapped(va, pa, size);
        if let Some(overlap) = overlap {
            oracle::broken(
                Property::V2,
                &format!("vmap on cpu {} returned {va:#x}, which is {overlap}", self.id()),
            );
        }
        Ok(va)
    }

    /// vunmap, with the ledger told before and after. Once it has returned, no CPU may be able to
    /// reach the old memory.
    pub fn vunmap(&self, va: u32, size: u32) -> Result<(), VunmapError> {
        self.machine.ledger.lock().expect("no panic while it is held").unmapping(va);
        let result = vmap::vunmap(self, va, size);
        if result.is_err() {
            self.machine.ledger.lock().expect("no panic while it is held").kept(va);
            return result;
        }
        self.machine.ledger.lock().expect("no panic while it is held").gone(va);
        // Whoever changes these entries, or flushes them, does so before or after this moment.
        self.speculate(va);
        self.machine.expect_unreachable();
        result
    }

    /// A fault at `va`, as the processor reports it, whatever has happened since: the handler runs
    /// with interrupts off.
    pub fn fault(&self, va: u32) {
        let level = self.splhi();
        vmapsync(self, va);
        self.splx(level);
    }

    /// Sleeps for as long as the explorer likes, while its CPU idles and takes interrupts, and wakes
    /// on this CPU or another.
    pub fn sleep(&self) {
        self.sleep_and_wake(true);
    }

    /// The process dies: its CPU gives back what the MMU code holds for it, and idles.
    pub fn die(&self) {
        self.splhi();
        let up = self.machine.cpu(self.id()).up.take().expect("a process dies once");
        let proc = &self.machine.procs[up];
        self.store(&proc.state, DEAD);
        mmurelease(self, proc, 0);
        self.spllo();
        self.gone.set(true);
        self.machine.vacant[self.id()].swap(1);
    }
}

impl<V: Variant> super::Machine<V> {
    /// No TLB may hold what is gone.
    fn expect_unreachable(&self) {
        for n in 0..self.config.cpus {
            // Before or after that CPU's next flush: the explorer tries both.
            self.flushes[n].fetch_add(0);
            let ledger = self.ledger.lock().expect("no panic while it is held");
            let cpu = self.cpu(n);
            let stale = cpu.tlb.all().find(|&(va, pa)| !ledger.allows(va, pa));
            drop((cpu, ledger));
            if let Some((va, pa)) = stale {
                let how = self.how_reached(n, va);
                oracle::broken(
                    Property::V1,
                    &format!(
                        "vunmap has returned, and cpu {n} reaches {pa:#x} through {va:#x} ({how})"
                    ),
                );
            }
        }
    }
}
