//! Processes that leave their CPU and go on, there or elsewhere.

use std::sync::atomic::Ordering::Relaxed;

use mmu386::arch::{Arch, Owned};
use mmu386::layout::Frame;
use mmu386::switch::{mmuenter, mmuleave};
use mmu386::variant::Variant;

use super::interrupts::TICK;
use super::{Cpu, IDLE_STACK};
use crate::counterexample::Op;
use crate::engine::{self, Word, explorer};

impl<V: Variant> Cpu<V> {
    /// Idles on a CPU that its process has left, taking interrupts, until the explorer lets the
    /// process wake, or only this thread still has work.
    fn idle(&self) {
        if engine::explored() {
            return self.doze();
        }
        while self.wakes.poll() == 0 {
            let busy = self.machine.unfinished(self.id());
            if busy <= 1 {
                return;
            }
            self.wait(&[(&self.machine.busy, busy)]);
            if engine::joins() {
                self.point();
            }
        }
    }

    /// The same where interrupts are choices of their own.
    fn doze(&self) {
        loop {
            explorer::doze();
            if self.tick_would_stir() && explorer::happens(TICK) {
                self.quiet_or_not();
            } else if !self.device_comes() {
                return explorer::observe("woke");
            }
        }
    }

    /// The process leaves the CPU, which idles with interrupts on. Returns the process, if there was
    /// one.
    pub(super) fn leave(&self) -> Option<usize> {
        let machine = &self.machine;
        let cpu = self.id();
        let up = machine.cpu(cpu).up.look()?;
        // What a tick found in the process says nothing of the idle CPU.
        self.forget_ticks();
        *machine.lo(cpu) = false;
        self.keeps_level("mmuleave", || mmuleave(self, IDLE_STACK));
        self.runs_otherwise();
        machine.cpu(cpu).up.set(None);
        *machine.lo(cpu) = true;
        Some(up)
    }

    /// Process `up` enters a CPU of the explorer's choosing that nobody runs on, with interrupts
    /// on or off.
    pub(super) fn enter(&self, up: usize, lo: bool) {
        let machine = &self.machine;
        let first = self.wakes.poll();
        explorer::observe(("wakes", first));
        let to = loop {
            let cpus = machine.config.cpus;
            let taken = (0..cpus)
                .map(|k| (self.id() + first + k) % cpus)
                .find(|&n| machine.vacant[n].swap(0) == 1);
            if let Some(n) = taken {
                break n;
            }
            let seen: Vec<_> = machine.vacant.iter().map(|word| (word.clone(), 0)).collect();
            self.wait_for_change(&seen);
        };
        self.note(Op::Moved(self.id(), to));
        self.move_to(to);
        {
            self.runs_otherwise();
            machine.cpu(to).up.set(Some(up));
            *machine.lo(to) = false;
        }
        self.keeps_level("mmuenter", || mmuenter(self, &machine.procs[up]));
        *machine.lo(to) = lo;
    }

    /// Leaves the CPU and goes on, at the level that it had, on a CPU of the explorer's choosing
    /// that nobody runs on \[M10\]. A thread that runs no process stays where it is.
    pub(super) fn sleep_and_wake(&self, long: bool) {
        if !self.machine.running.load(Relaxed) {
            return;
        }
        self.call(|| {
            let lo = *self.machine.lo(self.id());
            let Some(up) = self.leave() else { return };
            if long {
                self.idle();
            }
            self.vacate();
            self.enter(up, lo);
        });
    }

    /// Sleeps, and finds a page.
    pub(super) fn sleep_for_page(&self) -> Frame {
        self.sleep_and_wake(false);
        self.machine.palloc.pass();
        let page = self.machine.memory.page();
        self.machine.not_walked(page);
        explorer::observe(page.pa());
        self.page(page).refs.set(1);
        page
    }

    /// The clock wants the CPU for somebody else now, and gets it if it may. Returns whether it did.
    pub fn give_up(&self) -> bool {
        let may = self.may_preempt();
        if may {
            self.sleep_and_wake(false);
        }
        may
    }

    /// Gives the CPU away; comes back when one of the words may have changed.
    #[track_caller]
    pub(super) fn give_way(&self, seen: &[(&Word, u32)]) {
        if seen.is_empty() {
            return self.sleep_and_wake(false);
        }
        let up = self.leave();
        self.wait(seen);
        while engine::joins() && self.point_finds(seen) {
            self.wait(seen);
        }
        if let Some(up) = up {
            self.vacate();
            self.enter(up, true);
        }
    }

    /// Takes the interrupts that have come while this CPU waited. Returns whether all words are as seen.
    fn point_finds(&self, seen: &[(&Word, u32)]) -> bool {
        self.point();
        let mut same = true;
        for (n, (word, value)) in seen.iter().enumerate() {
            let load = || word.load(self.id());
            same &= *value == if n == 0 { load() } else { engine::joined(load) };
        }
        same
    }

    /// Nobody runs on the CPU from here on. Released here, acquired in `enter`: the order in which
    /// CPUs see a process's own state.
    pub(super) fn vacate(&self) {
        self.machine.vacant[self.id()].swap(1);
    }
}
