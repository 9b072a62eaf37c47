//! The handle through which the core, and its tests, see a CPU.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use auditor::Unmapping;
use mmu386::arch::{Arch, Spl};
use mmu386::variant::Variant;

use crate::machine::{CpuState, Machine};
use crate::owned::{Context, touching};

/// A thread of control on the CPU that it runs on at the moment.
///
/// The kernel's `m` is a constant address that shows another page on each CPU; so is this handle.
/// Where its process sleeps and wakes elsewhere, it goes along.
pub struct Cpu<V: Variant> {
    machine: Arc<Machine<V>>,
    id: Cell<usize>,
    /// An address was translated, and the access that belongs to it comes next: nothing happens in
    /// between, as both are one instruction.
    pub(crate) translated: Cell<bool>,
    /// What vunmap is taking away.
    pub(crate) unmapping: Cell<Option<Unmapping>>,
}

impl<V: Variant> Cpu<V> {
    pub(crate) fn new(machine: Arc<Machine<V>>, id: usize) -> Self {
        assert!(id < machine.config.cpus, "cpu{id}: the machine has {} CPUs", machine.config.cpus);
        Self {
            machine,
            id: Cell::new(id),
            translated: Cell::new(false),
            unmapping: Cell::new(None),
        }
    }

    /// The machine.
    pub fn machine(&self) -> &Arc<Machine<V>> {
        &self.machine
    }

    /// The CPU that this thread runs on now.
    pub fn id(&self) -> usize {
        self.id.get()
    }

    pub(crate) fn move_to(&self, cpu: usize) {
        self.id.set(cpu);
        self.touches();
    }

    pub(crate) fn state(&self) -> &CpuState {
        &self.machine.cpus[self.id()]
    }

    /// What values with one owner see from here on.
    pub(crate) fn touches(&self) {
        touching(self.context());
    }

    pub(crate) fn context(&self) -> Option<Context> {
        let state = self.state();
        let (cpu, up, lo) = (self.id(), state.up(), state.lo());
        self.machine.config.check_owners.then_some(Context { cpu, up, lo })
    }

    pub(crate) fn set_level(&self, level: Spl) -> Spl {
        let before = self.state().lo.swap(level == Spl::Lo, Ordering::Relaxed);
        self.touches();
        if before { Spl::Lo } else { Spl::Hi }
    }

    /// Does something with interrupts off.
    pub fn at_splhi<T>(&self, work: impl FnOnce() -> T) -> T {
        let level = self.splhi();
        let done = work();
        self.splx(level);
        done
    }

    /// Whether another CPU may do something here that waits for this one: interrupts are on, and no
    /// lock is held anywhere.
    pub fn may_pause(&self) -> bool {
        let lockstep = self.machine.drive.lockstep();
        self.state().lo() && lockstep.is_some_and(|lockstep| lockstep.locks_held() == 0)
    }
}
