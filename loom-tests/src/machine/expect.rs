//! What the machine expects of the code that uses it, beside what it translates.

use std::hash::Hash;

use mmu386::arch::{Arch, Feature, Owned, WordName};
use mmu386::entry::{Entry, PTEGLOBAL, PTESIZE};
use mmu386::variant::Variant;

use super::frames::{mach_page, private_of};
use super::{Cpu, GEOMETRY};
use crate::engine::{Word, explorer};
use crate::oracle::{self, Property};

impl<V: Variant> Cpu<V> {
    /// MACHADDR is read through the loaded page directory \[M6\]; it must show this CPU's page.
    pub(super) fn expect_own_mach(&self) {
        let id = self.id();
        let memory = &self.machine.memory;
        let cr3 = self.machine.cpu(id).cr3.look();
        explorer::noticed(cr3.pa().into());
        let pde = Entry(memory.entry(cr3, GEOMETRY.kzero).now());
        let private = private_of(pde.frame()).filter(|_| pde.table());
        let whose = match private {
            Some(n) if n != id => format!("that of cpu {n}"),
            Some(_) => {
                let pte = Entry(memory.entry(pde.frame(), GEOMETRY.ptx(GEOMETRY.mach)).now());
                if pte.valid() && pte.frame() == mach_page(id) {
                    return;
                }
                format!("what entry {:#x} shows", pte.0)
            }
            None => format!("what entry {:#x} names", pde.0),
        };
        oracle::broken(Property::U2, &format!("cpu {id} takes {whose} for its own Mach"));
    }

    /// A bit that the processor does not know would be ignored, or reserved: a defect of the code.
    pub(super) fn expect_known_bits(&self, word: &Word, entry: Entry) {
        let WordName::Entry(..) = word.name() else { return };
        for (bit, feature) in [(PTESIZE, Feature::Pse), (PTEGLOBAL, Feature::Pge)] {
            let known = self.has(feature) || (bit == PTESIZE && self.has(Feature::Pat));
            assert!(
                known || !entry.valid() || entry.0 & bit == 0,
                "cpu{}: entry {:#x} has a bit that the processor does not know",
                self.id(),
                entry.0
            );
        }
    }

    /// What walkers make of an entry that somebody adds to is not in the machine \[M14\].
    pub(super) fn expect_no_entry(&self, word: &Word) {
        let entry = matches!(word.name(), WordName::Entry(..));
        assert!(!entry, "cpu{}: a LOCKed add to an entry; exchange it instead", self.id());
    }

    /// A process that gives the CPU away must have interrupts on \[M15\].
    pub(super) fn expect_to_sleep(&self, who: &str) {
        if self.machine.is_running() && !self.takes_interrupts() {
            self.wrong_level(&format!("{who} is called with interrupts off"));
        }
        // Processes that spin for a lock of its may keep all CPUs, so that it never gets one back.
        let locks = self.up().map_or(0, |up| up.nlocks.get());
        if locks != 0 {
            let id = self.id();
            oracle::broken(
                Property::E2,
                &format!("{who} is called by a process on cpu {id} that holds {locks} locks"),
            );
        }
    }

    /// Makes a call that leaves interrupts as they are, on whatever CPU it returns \[M15\].
    pub(super) fn keeps_level<R: Hash>(&self, who: &str, call: impl FnOnce() -> R) -> R {
        let before = self.takes_interrupts();
        let result = self.call(call);
        self.expect_level(before, who);
        result
    }

    /// Makes a call of which nothing is left but its result, and what is a part of the machine's state.
    pub fn call<R: Hash>(&self, call: impl FnOnce() -> R) -> R {
        let called = explorer::called();
        let result = call();
        let device = self.handler.borrow().is_some();
        let flags = [self.preempted.get(), device, self.arrived.get(), self.gone.get()];
        explorer::returned(called, (&result, self.id(), self.takes_interrupts(), flags));
        result
    }

    /// Interrupts must be as they were before `who` was called.
    pub(super) fn expect_level(&self, before: bool, who: &str) {
        if self.takes_interrupts() != before {
            let [was, is] = if before { ["on", "off"] } else { ["off", "on"] };
            self.wrong_level(&format!("{who} was called with interrupts {was}, and they are {is}"));
        }
    }

    pub(super) fn takes_interrupts(&self) -> bool {
        *self.machine.lo(self.id())
    }

    fn wrong_level(&self, what: &str) -> ! {
        oracle::broken(Property::I1, &format!("on cpu {}, {what}", self.id()))
    }
}
