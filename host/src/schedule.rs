//! Processes that come to a CPU, and leave it (`sched`).

use mmu386::arch::{Arch, Spl};
use mmu386::switch::{mmuenter, mmuleave};
use mmu386::variant::Variant;

use crate::cpu::Cpu;
use crate::log::Happening;

impl<V: Variant> Cpu<V> {
    /// Process `p` runs on this CPU from now on. With interrupts off.
    pub(crate) fn enter(&self, p: usize) {
        let machine = self.machine();
        machine.log.push(self.id(), Happening::Enters(p));
        self.state().set_up(Some(p));
        self.touches();
        mmuenter(self, &machine.procs[p]);
    }

    /// The CPU's process gives it up, and is returned. With interrupts off.
    pub(crate) fn leave(&self) -> usize {
        let p = self.state().up().expect("a process runs here");
        mmuleave(self, self.idle_stack());
        self.state().set_up(None);
        self.touches();
        self.machine().log.push(self.id(), Happening::Leaves(p));
        p
    }

    /// The process leaves its CPU, which idles with interrupts on, and goes on on a free CPU at the
    /// level that it had. A thread that runs no process only lets others act.
    pub(crate) fn sleep(&self) {
        let drive = &self.machine().drive;
        if self.state().up().is_none() {
            return drive.rest(self);
        }
        let level = self.splhi();
        let p = self.leave();
        self.set_level(Spl::Lo);
        self.move_to(drive.sleep(self));
        self.set_level(Spl::Hi);
        self.enter(p);
        self.splx(level);
    }
}
