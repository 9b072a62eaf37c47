//! What programs on a CPU do with addresses, and what the ledger hears of it.

use mmu386::arch::{Arch, Feature};
use mmu386::error::{VmapError, VunmapError};
use mmu386::patwc;
use mmu386::shootdown;
use mmu386::variant::{Fixes, Variant};
use mmu386::vmap;
use mmu386::vmapsync::vmapsync;

use super::{Cpu, Translation};
use crate::counterexample::Op;
use crate::engine::{explorer, fence};
use crate::oracle::{self, Property, audit};

impl<V: Variant> Cpu<V> {
    /// Accesses a VMAP address as a driver would. Returns whether it could: a fault that vmapsync
    /// cannot mend ends the attempt.
    pub fn touch(&self, va: u32) -> bool {
        explorer::step(false);
        self.points();
        self.note(Op::Access(va));
        loop {
            // Also where it is cached: whether it is depends on what others have stored.
            self.speculate(va);
            if !self.machine.cached(self.id(), va).is_empty() {
                self.check(va);
                explorer::observe(true);
                return true;
            }
            // The fault handler runs with interrupts off.
            let level = self.splhi();
            let mended = self.keeps_level("vmapsync", || vmapsync(self, va));
            self.splx(level);
            self.returned();
            if !mended {
                return false;
            }
        }
    }

    /// Every translation that the access may use must be one that it may use.
    fn check(&self, va: u32) {
        for translation in self.machine.cached(self.id(), va) {
            self.machine.judge(self.id(), translation, "uses its way");
        }
    }

    /// The CPU takes part in shootdowns from here on, and may use VMAP.
    pub fn go_online(&self) {
        shootdown::online(self);
        explorer::step(false);
        self.runs_otherwise();
        self.machine.cpu(self.id()).online.set(true);
        let cached = self.machine.tlb(self.id());
        for translation in cached {
            self.machine.judge(self.id(), translation, "is online and can go");
        }
    }

    /// The CPU, which runs no process, takes no part in shootdowns from here on, and may not use VMAP.
    /// Interrupts stay off until it is online again.
    pub fn go_offline(&self) {
        self.splhi();
        // A CPU that judges what this one may use does so before or after.
        explorer::step(false);
        self.runs_otherwise();
        self.machine.cpu(self.id()).online.set(false);
        shootdown::offline(self);
    }

    /// vmap, with the ledger told what came of it.
    pub fn vmap(&self, pa: u32, size: u32) -> Result<u32, VmapError> {
        let announced = self.announce(move |ledger| ledger.common_mut().mapping(pa, size));
        let result = self.keeps_level("vmap", || vmap::vmap(self, pa, size));
        self.announced(announced);
        let va = match result {
            Ok(va) => va,
            Err(error) => {
                self.machine.ledger().common_mut().refused(pa, size);
                return Err(error);
            }
        };
        let overlap = self.machine.ledger().mapped(va, pa, size);
        if let Some(overlap) = overlap {
            // vunmap gives addresses back one by one before it returns: as soon as no CPU can reach
            // the old memory, and no sooner.
            let reached = if overlap.torn { self.machine.reaches_gone(self.id()) } else { None };
            let how = match reached {
                Some((n, stale, _)) => format!(", and cpu {n} may use {stale}"),
                None if overlap.torn => {
                    audit::after_unmap(&self.machine, self.id());
                    return Ok(va);
                }
                None => String::new(),
            };
            oracle::broken(
                Property::V2,
                &format!("vmap on cpu {} returned {va:#x}; {overlap}{how}", self.id()),
            );
        }
        Ok(va)
    }

    /// vunmap, with the ledger told before and after. Once it has returned, no CPU may be able to
    /// reach the old memory.
    pub fn vunmap(&self, va: u32, size: u32) -> Result<(), VunmapError> {
        let announced = self.announce(move |ledger| ledger.common_mut().unmapping(va, size));
        let call = || vmap::vunmap(self, va, size);
        // Without B1 it is not for callers with interrupts off: sched turns them on for Upstream's.
        let judged = V::FIXES.has(Fixes::B1) || self.takes_interrupts();
        let result = if judged { self.keeps_level("vunmap", call) } else { call() };
        let unmapping = self.announced(announced);
        if result.is_err() {
            self.machine.ledger().common_mut().kept(unmapping);
            return result;
        }
        // Others may be told something before it returns, or after.
        explorer::step(false);
        self.machine.ledger().common_mut().gone(unmapping);
        self.walks_meanwhile(va);
        self.machine.expect_unreachable(self.id(), "vunmap");
        result
    }

    /// patwc, with the ledger told before and after. Once it has returned, no CPU may use the old
    /// memory type.
    pub fn patwc(&self, va: u32, size: u32) {
        let announced = self.announce(move |ledger| ledger.combining(va, size));
        let done = self.keeps_level("patwc", || patwc::patwc(self, va, size));
        let combining = self.announced(announced);
        assert_eq!(done, self.machine.can(Feature::Pat), "patwc needs a page attribute table");
        explorer::step(false);
        self.machine.ledger().combined(combining, done);
        self.walks_meanwhile(va);
        self.machine.expect_unreachable(self.id(), "patwc");
    }

    /// A fault at `va`, as the processor reports it, whatever has happened since: the handler runs
    /// with interrupts off.
    pub fn fault(&self, va: u32) {
        let level = self.splhi();
        self.keeps_level("vmapsync", || vmapsync(self, va));
        self.splx(level);
        self.returned();
    }

    /// Back from a fault: IRET serializes (SDM vol. 3, 9.3).
    fn returned(&self) {
        fence();
    }
}

impl<V: Variant> super::Machine<V> {
    /// No TLB may hold what is gone.
    fn expect_unreachable(&self, by: usize, who: &str) {
        if let Some((n, stale, property)) = self.reaches_gone(by) {
            let how = self.how_reached(n, stale.va);
            oracle::broken(
                property,
                &format!("{who} has returned, and cpu {n} may use {stale} ({how})"),
            );
        }
        audit::after_unmap(self, by);
    }

    /// A CPU that has cached what it may not use, if there is one.
    fn reaches_gone(&self, by: usize) -> Option<(usize, Translation, Property)> {
        (0..self.config.cpus).find_map(|n| {
            self.looked_at_by(by, n);
            if !self.cpu(n).online.look() {
                return None;
            }
            self.tlb(n).into_iter().find_map(|translation| {
                let (property, _) = self.vmap_fault(n, &translation)?;
                Some((n, translation, property))
            })
        })
    }
}
