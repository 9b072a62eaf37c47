//! Ticks and IPIs, and what is between two accesses.

use std::sync::atomic::Ordering;

use mmu386::arch::Spl;
use mmu386::lock::may_preempt;
use mmu386::shootdown;
use mmu386::variant::Variant;

use crate::cpu::Cpu;
use crate::log::Happening;
use crate::word::Word;

impl<V: Variant> Cpu<V> {
    /// Between two accesses: with interrupts on, one may be taken here.
    pub(crate) fn point(&self) {
        self.machine().drive.point(self);
    }

    /// Waits until one of the words is not as seen.
    pub(crate) fn wait(&self, seen: &[(&Word, u32)]) {
        self.translated.set(false);
        self.machine().drive.wait(self, seen);
    }

    /// Takes a clock tick.
    ///
    /// # Panics
    /// If interrupts are off.
    pub fn tick(&self) {
        self.machine().log.push(self.id(), Happening::Tick);
        self.interrupt();
        if self.machine().drive.tick_preempts(self.id()) {
            // The handler gives the CPU away before it returns.
            self.set_level(Spl::Hi);
            if may_preempt(self) {
                self.sleep();
            }
            self.set_level(Spl::Lo);
        }
    }

    /// Takes the pending IPI, if there is one. Returns whether there was.
    ///
    /// # Panics
    /// If interrupts are off.
    pub fn take_ipi(&self) -> bool {
        let pending = self.state().ipi.swap(false, Ordering::SeqCst);
        if pending {
            self.machine().log.push(self.id(), Happening::Ipi);
            self.interrupt();
        }
        pending
    }

    fn interrupt(&self) {
        let before = self.set_level(Spl::Hi);
        assert_eq!(before, Spl::Lo, "cpu{}: an interrupt while they are off", self.id());
        shootdown::interrupt(self);
        self.set_level(Spl::Lo);
    }
}
