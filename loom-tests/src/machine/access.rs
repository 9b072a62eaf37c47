//! What programs on a CPU do with addresses, and what the ledger hears of it.

use mmu386::arch::Arch;
use mmu386::error::{VmapError, VunmapError};
use mmu386::patwc;
use mmu386::shootdown;
use mmu386::variant::Variant;
use mmu386::vmap;
use mmu386::vmapsync::vmapsync;

use super::{Cpu, Translation};
use crate::counterexample::Op;
use crate::oracle::{self, Property, audit};

impl<V: Variant> Cpu<V> {
    /// Accesses a VMAP address as a driver would. Returns whether it could: a fault that vmapsync
    /// cannot mend ends the attempt.
    pub fn touch(&self, va: u32) -> bool {
        self.point();
        self.note(Op::Access(va));
        loop {
            // Also where it is cached: whether it is depends on what others have stored.
            self.speculate(va);
            if self.machine.cpu(self.id()).tlb.lookup(va).next().is_some() {
                self.check(va);
                return true;
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
        let cached: Vec<Translation> = self.machine.cpu(self.id()).tlb.lookup(va).collect();
        for translation in cached {
            self.machine.judge(self.id(), translation, "uses its way");
        }
    }

    /// The CPU takes part in shootdowns from here on, and may use VMAP.
    pub fn go_online(&self) {
        shootdown::online(self);
        self.machine.cpu(self.id()).online = true;
        let cached: Vec<Translation> = self.machine.cpu(self.id()).tlb.all().collect();
        for translation in cached {
            self.machine.judge(self.id(), translation, "is online and can go");
        }
    }

    /// vmap, with the ledger told what came of it.
    pub fn vmap(&self, pa: u32, size: u32) -> Result<u32, VmapError> {
        self.machine.ledger().common_mut().mapping(pa, size);
        let va = match vmap::vmap(self, pa, size) {
            Ok(va) => va,
            Err(error) => {
                self.machine.ledger().common_mut().refused(pa, size);
                return Err(error);
            }
        };
        let overlap = self.machine.ledger().mapped(va, pa, size);
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
        let unmapping = self.machine.ledger().common_mut().unmapping(va, size);
        let result = vmap::vunmap(self, va, size);
        if result.is_err() {
            self.machine.ledger().common_mut().kept(unmapping);
            return result;
        }
        self.machine.ledger().common_mut().gone(unmapping);
        // Whoever changes these entries, or flushes them, does so before or after this moment.
        self.speculate(va);
        self.machine.expect_unreachable("vunmap");
        result
    }

    /// patwc, with the ledger told before and after. Once it has returned, no CPU may use the old
    /// memory type.
    pub fn patwc(&self, va: u32, size: u32) {
        let combining = self.machine.ledger().combining(va, size);
        assert!(patwc::patwc(self, va, size), "the model's processor has a page attribute table");
        self.machine.ledger().combined(combining);
        self.speculate(va);
        self.machine.expect_unreachable("patwc");
    }

    /// A fault at `va`, as the processor reports it, whatever has happened since: the handler runs
    /// with interrupts off.
    pub fn fault(&self, va: u32) {
        let level = self.splhi();
        vmapsync(self, va);
        self.splx(level);
    }
}

impl<V: Variant> super::Machine<V> {
    /// No TLB may hold what is gone.
    fn expect_unreachable(&self, who: &str) {
        for n in 0..self.config.cpus {
            // Before or after that CPU's next flush: the explorer tries both.
            self.flushes[n].fetch_add(0);
            if !self.cpu(n).online {
                continue;
            }
            let cached = self.tlb(n);
            let stale = cached.into_iter().find_map(|translation| {
                self.vmap_fault(&translation).map(|fault| (translation, fault))
            });
            if let Some((translation, (property, _))) = stale {
                let how = self.how_reached(n, translation.va);
                oracle::broken(
                    property,
                    &format!("{who} has returned, and cpu {n} may use {translation} ({how})"),
                );
            }
        }
        audit::after_unmap(self);
    }
}
