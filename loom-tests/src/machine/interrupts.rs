//! Ticks, IPIs, devices and preemption: where they may come, and what they do.

use std::sync::atomic::Ordering::Relaxed;

use mmu386::lock;
use mmu386::shootdown;
use mmu386::variant::Variant;

use super::quiet::Recording;
use super::{Cpu, Fault};
use crate::counterexample::Op;
use crate::engine::explorer::{self, Defect, has};
use crate::engine::{self, Access, Word};

/// What a device's driver does when that interrupts, with interrupts off.
pub(super) type Handler<V> = Box<dyn FnOnce(&Cpu<V>)>;

// What may happen at a point.
pub(super) const TICK: u8 = 255;
const PREEMPTION: u8 = 254;
const DEVICE: u8 = 253;

impl<V: Variant> Cpu<V> {
    /// The point before an access, unless the access's address was translated just now. It is this
    /// CPU's turn when an interrupt or the access comes.
    pub(super) fn before_access(&self, word: &Word, access: Access) {
        let arrived = self.arrived.replace(false);
        if access != Access::Load {
            self.announce_at_latest();
        }
        let interruptible = !arrived && self.interruptible();
        loop {
            let matters = word.request(access, interruptible)
                || self.may_be_preempted()
                || self.device_may_interrupt();
            if arrived || !matters || !self.point() || !engine::explored() {
                return self.announce_if_due();
            }
        }
    }

    /// The same at which any number of them may arrive.
    pub(super) fn points(&self) {
        while self.point() && !has(Defect::OneInterruptAPoint) {}
    }

    /// The same under the explorer alone. To loom, which has one stray tick for all points, it would show no more.
    pub(super) fn explored_points(&self) {
        if engine::explored() {
            self.points();
        }
    }

    /// The last point before something that is no access and makes a difference to the next interrupt: that
    /// interrupts go off, or an address is translated. What others do after this thread's last access may make one
    /// come here.
    pub(super) fn last_point(&self) {
        let explored = engine::explored() && self.interruptible();
        loop {
            if explored {
                explorer::lets_others();
            }
            if !self.point() {
                return;
            }
        }
    }

    fn interruptible(&self) -> bool {
        self.machine.running.load(Relaxed)
            && !self.in_interrupt.get()
            && *self.machine.lo(self.id())
    }

    /// A point between two shared accesses: with interrupts on, one may arrive here \[M8\]. Returns
    /// whether one did, under the explorer.
    pub(super) fn point(&self) -> bool {
        if !self.interruptible() {
            return false;
        }
        if engine::explored() {
            return self.explored_point();
        }
        self.look_for_stirs();
        if self.take_tick_of_rest() {
            self.look_for_stirs();
        }
        self.take_ipi();
        let offered = !self.ticked.get() && self.tick.offers() && self.stray_tick_would_stir();
        if offered && self.tick.poll() > 0 {
            self.ticked.set(self.quiet_or_not());
        }
        if !self.preempted.get() && self.preempt.poll() > 0 {
            self.preempted.set(true);
            if self.may_preempt() {
                self.sleep_and_wake(false);
            }
        }
        if self.device_may_interrupt() && self.device.poll() > 0 {
            self.take_device();
        }
        false
    }

    /// The same where interrupts are choices of their own: a tick or IPI, which are one to the core,
    /// comes at any point at which it would find something, as often as the explorer likes. After one that found
    /// nothing no other comes at this point: all that others did meanwhile they can do before it.
    pub(super) fn explored_point(&self) -> bool {
        explorer::point();
        if self.tick_would_stir() && explorer::happens(TICK) {
            return self.quiet_or_not();
        }
        if self.may_be_preempted() && explorer::happens(PREEMPTION) {
            let called = explorer::called();
            self.preempted.set(true);
            if self.may_preempt() {
                self.sleep_and_wake(false);
            }
            explorer::unnoticed(called, 0);
            return true;
        }
        self.device_comes()
    }

    /// Under the explorer, which chooses whether a device interrupts here. Returns whether it did.
    pub(super) fn device_comes(&self) -> bool {
        let comes = self.device_may_interrupt() && explorer::happens(DEVICE);
        if comes {
            let called = explorer::called();
            self.take_device();
            explorer::unnoticed(called, 1);
        }
        comes
    }

    /// Under loom: a step that all that may give an interrupt something to do conflicts with.
    pub(super) fn look_for_stirs(&self) {
        self.stirs_seen.set(self.machine.stirs[self.id()].load(self.id()));
    }

    pub(super) fn device_may_interrupt(&self) -> bool {
        self.handler.borrow().is_some()
    }

    pub(super) fn may_be_preempted(&self) -> bool {
        self.preempt.offers() && !self.preempted.get()
    }

    /// The scheduler's tick asks, with interrupts off.
    pub(super) fn may_preempt(&self) -> bool {
        *self.machine.lo(self.id()) = false;
        let may = lock::may_preempt(self);
        *self.machine.lo(self.id()) = true;
        may || self.faulty(Fault::NlocksIgnored)
    }

    /// Takes the pending IPI, if there is one.
    pub(super) fn take_ipi(&self) -> bool {
        let pending = self.machine.cpu(self.id()).ipi.look();
        if pending {
            self.machine.cpu(self.id()).ipi.set(false);
            let took = self.take(Op::Ipi);
            self.settle(took);
        }
        pending
    }

    pub(super) fn take_tick(&self) -> Recording {
        self.take(Op::Tick)
    }

    /// Takes an interrupt, and watches what it does.
    fn take(&self, op: Op) -> Recording {
        if !self.silent.get() {
            self.note(op);
        }
        self.recording.replace(Some(Recording::default()));
        let owned = explorer::watch_owned(|| self.interrupt());
        let mut took = self.recording.take().unwrap_or_default();
        took.wrote |= owned.wrote;
        took.unsure = owned.read;
        took
    }

    /// A device interrupts, once, and its driver handles it \[M8\].
    fn take_device(&self) {
        if let Some(handler) = self.handler.take() {
            self.note(Op::Device);
            self.handle(|| handler(self));
        }
    }

    fn interrupt(&self) {
        self.handle(|| shootdown::interrupt(self));
    }

    fn handle(&self, handler: impl FnOnce()) {
        let interrupted = explorer::interrupted();
        self.in_interrupt.set(true);
        *self.machine.lo(self.id()) = false;
        self.drains();
        self.keeps_level("an interrupt handler", handler);
        self.drains();
        *self.machine.lo(self.id()) = true;
        self.in_interrupt.set(false);
        explorer::resumed(interrupted);
    }

    /// An interrupt waits until the store buffer is empty, and so does its IRET \[M2\].
    fn drains(&self) {
        if engine::explored() {
            engine::fence();
        }
    }
}
