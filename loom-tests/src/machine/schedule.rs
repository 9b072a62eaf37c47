//! Processes that sleep and wake on another CPU.

use std::sync::atomic::Ordering::Relaxed;

use mmu386::switch::{mmuleave, mmuswitch};
use mmu386::variant::Variant;

use super::Cpu;
use crate::counterexample::Op;

impl<V: Variant> Cpu<V> {
    /// Idles on a CPU that its process has left, taking interrupts, until the explorer lets the
    /// process wake, or only this thread still has work.
    fn idle(&self) {
        while self.wakes.poll() == 0 {
            let busy = self.machine.busy.load();
            if busy <= 1 {
                return;
            }
            self.wait(&[(&self.machine.busy, busy)]);
        }
    }

    /// Leaves the CPU and goes on, with interrupts on, on a CPU of the explorer's choosing that
    /// nobody runs on \[M10\]. A thread that runs no process stays where it is.
    pub(super) fn sleep_and_wake(&self, long: bool) {
        let machine = &self.machine;
        if !machine.running.load(Relaxed) {
            return;
        }
        let from = self.id();
        let Some(up) = machine.cpu(from).up else { return };
        let was_lo = machine.cpu(from).lo;
        machine.cpu(from).lo = false;
        mmuleave(self, 0);
        {
            let mut cpu = machine.cpu(from);
            cpu.up = None;
            cpu.lo = true;
        }
        if long {
            self.idle();
        }
        // Released here, acquired below: the order in which CPUs see the process's own state.
        machine.vacant[from].swap(1);
        let first = self.wakes.poll();
        let to = loop {
            let cpus = machine.config.cpus;
            let taken = (0..cpus)
                .map(|k| (from + first + k) % cpus)
                .find(|&n| machine.vacant[n].swap(0) == 1);
            if let Some(n) = taken {
                break n;
            }
            let seen: Vec<_> = machine.vacant.iter().map(|word| (word.clone(), 0)).collect();
            self.wait_for_change(&seen);
        };
        self.move_to(to);
        self.note(Op::Moved(from, to));
        {
            let mut cpu = machine.cpu(to);
            cpu.up = Some(up);
            cpu.lo = false;
        }
        mmuswitch(self, &machine.procs[up]);
        machine.cpu(to).lo = was_lo;
    }
}
