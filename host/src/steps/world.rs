//! Does steps on a machine, and compares what each access comes to with the reference.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use mmu386::arch::{Arch, WordName};
use mmu386::layout::{BY2PG, Frame, PC386};
use mmu386::lock::Lock;
use mmu386::switch::flushmmu;
use mmu386::variant::Variant;
use parking_lot::Mutex;

use super::reference::Reference;
use super::{Action, Meanwhile, Step};
use crate::config::{Chances, Config};
use crate::cpu::Cpu;
use crate::machine::Machine;
use crate::shared::Shared;

/// Pages of a segment.
pub(super) const PAGES: usize = 6;
/// Where the segments are: two share a page table.
const SEGMENTS: [u32; 3] = [0x0000_1000, 0x0020_0000, 0xDFC0_0000];

/// What a step found by itself: property, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub property: &'static str,
    pub hazard: Option<&'static str>,
    pub text: String,
}

/// A machine, and what it is to show.
pub(crate) struct World<V: Variant> {
    pub machine: Arc<Machine<V>>,
    pub(super) segments: [Shared<V, PAGES>; 3],
    pub(super) reference: Mutex<Reference>,
    /// A driver's lock, held over vunmap.
    pub(super) lock: Lock<Cpu<V>>,
    /// By process: address and page.
    pub(super) kmaps: Mutex<Vec<Vec<(u32, Frame)>>>,
    seen: Mutex<Vec<Seen>>,
    /// vunmaps and patwcs that were called without a process.
    pub without_process: AtomicUsize,
    /// Frees that were called while somebody was in the middle of something.
    pub nested_frees: AtomicUsize,
}

impl<V: Variant> World<V> {
    /// The world of lockstep.
    pub fn new(seed: u64) -> Arc<Self> {
        let config = Self::config(6);
        Self::of(Machine::boot(config, seed))
    }

    /// The world of threads.
    pub fn of_threads(seed: u64) -> Arc<Self> {
        let config = Self::config(8);
        Self::of(Machine::boot_threads(config, seed))
    }

    fn config(procs: usize) -> Config {
        let chances = Chances { accesses: 24, sleep: 25, preempt: 8 };
        Config { procs, pages: 64, pages_above: 128, chances, ..Config::default() }
    }

    fn of(machine: Arc<Machine<V>>) -> Arc<Self> {
        Arc::new(Self {
            segments: SEGMENTS.map(Shared::new),
            reference: Mutex::default(),
            lock: Lock::new(WordName::Other("a driver's lock", 0)),
            kmaps: Mutex::new(vec![Vec::new(); machine.config().procs]),
            seen: Mutex::default(),
            without_process: AtomicUsize::new(0),
            nested_frees: AtomicUsize::new(0),
            machine,
        })
    }

    /// What steps have found since this was last called.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock())
    }

    pub(super) fn saw(&self, property: &'static str, hazard: Option<&'static str>, text: String) {
        self.seen.lock().push(Seen { property, hazard, text });
    }

    /// Does a step.
    pub fn step(self: &Arc<Self>, step: Step) {
        // Nobody changes the lists while countpagerefs looks at all.
        let alone = step.action == Action::Countpagerefs;
        let Some(meanwhile) = step.meanwhile.filter(|_| !alone) else {
            return self.perform(step.cpu, step.action, false);
        };
        let Meanwhile { events, cpu, action } = meanwhile;
        let (world, mut left) = (self.clone(), Some(events));
        self.machine.at_events(move |at, _| match left {
            Some(0) if at.may_pause() => {
                left = None;
                world.perform(cpu, action, true);
            }
            Some(n) => left = Some(n.saturating_sub(1)),
            None => {}
        });
        self.perform(step.cpu, step.action, false);
        self.machine.no_events();
    }

    /// A thread of control on a CPU on which nobody is in the middle of something.
    fn on(&self, cpu: u8) -> Option<Cpu<V>> {
        let cpu = usize::from(cpu) % self.machine.config().cpus;
        (!self.machine.is_paused(cpu)).then(|| self.machine.cpu(cpu))
    }

    /// Process `p`, running: where it is, or on `cpu`, where it is born if need be.
    fn process(&self, p: u8, cpu: u8) -> Option<Cpu<V>> {
        let p = usize::from(p) % self.machine.config().procs;
        if let Some(cpu) = self.machine.running(p) {
            return (!self.machine.is_paused(cpu.id())).then_some(cpu);
        }
        let cpu = self.on(cpu)?;
        if self.machine.up(cpu.id()).is_some() {
            cpu.suspend();
        }
        if self.machine.lives(p) {
            cpu.resume(p);
        } else {
            cpu.birth(p);
        }
        Some(cpu)
    }

    /// Does an action in lockstep. One that cannot be done in this situation is none.
    fn perform(&self, cpu: u8, action: Action, nested: bool) {
        match action {
            Action::Switch { proc } => self.switch(proc, cpu),
            Action::Idle => {
                if let Some(cpu) = self.on(cpu).filter(|cpu| self.machine.up(cpu.id()).is_some()) {
                    cpu.suspend();
                }
            }
            // It looks at all lists, which nobody else may change meanwhile.
            Action::Countpagerefs if nested => {}
            _ => {
                let cpu = match action.process() {
                    Some(proc) => self.process(proc, cpu),
                    None => self.on(cpu),
                };
                if let Some(cpu) = cpu {
                    self.act(&cpu, action, nested);
                }
            }
        }
    }

    /// Does an action on a CPU, by the process that runs there. `others` may act meanwhile, so that
    /// less can be said of what comes of it. One that cannot be done in this situation is none.
    pub fn act(&self, cpu: &Cpu<V>, action: Action, others: bool) {
        if others && matches!(action, Action::Free { .. }) {
            self.nested_frees.fetch_add(1, Relaxed);
        }
        let _ = self.act_or_not(cpu, action, others);
    }

    /// `None` if the action cannot be done in this situation.
    fn act_or_not(&self, cpu: &Cpu<V>, action: Action, others: bool) -> Option<()> {
        match action {
            Action::Vmap { pages, offset } => {
                let start = u32::from(offset % 16) * (BY2PG / 16);
                self.vmap(cpu, start, u32::from(pages) * BY2PG + 1, others);
            }
            Action::VmapLarge { large, pages, shift } => {
                let large = (u32::from(large % 4) + 1) * PC386.large_page();
                let start = u32::from(shift) * BY2PG;
                self.vmap(cpu, start, large + u32::from(pages) * BY2PG, others);
            }
            Action::VmapNothing => self.vmap_nothing(cpu),
            Action::Vunmap { mapping, how } => self.vunmap(cpu, mapping.into(), how),
            Action::VunmapPart { mapping } => self.vunmap_part(cpu, mapping.into())?,
            Action::TouchVmap { mapping, page, write } => {
                self.touch_vmap(cpu, mapping.into(), page.into(), write)?;
            }
            Action::Patwc { mapping } => self.patwc(cpu, mapping.into())?,
            Action::Switch { .. } | Action::Idle => cpu.sched(&[]),
            Action::Flushmmu { .. } => flushmmu(cpu),
            Action::TouchUser { segment, page, write, .. } => {
                self.touch_user(cpu, segment.into(), page.into(), write);
            }
            Action::Checkmmu { segment, page, .. } => {
                self.checkmmu(cpu, segment.into(), page.into())?;
            }
            Action::Free { segment, page, count, .. } => {
                let page = usize::from(page) % PAGES;
                let count = (usize::from(count) + 1).min(PAGES - page);
                if let Err(error) = self.segment(segment.into()).free(cpu, page, count) {
                    self.saw("E1", None, format!("free of pages that there are: {error}"));
                }
            }
            Action::Kmap { .. } => self.kmap(cpu)?,
            Action::Kunmap { kmap, .. } => self.kunmap(cpu, kmap.into())?,
            Action::TouchKmap { kmap, .. } => self.touch_kmap(cpu, kmap.into())?,
            Action::Die { .. } => {
                let p = self.machine.up(cpu.id())?;
                cpu.die();
                let kmaps = std::mem::take(&mut self.kmaps.lock()[p]);
                for (_, page) in kmaps {
                    self.machine.give_back(page);
                }
            }
            Action::Countpagerefs => self.countpagerefs(cpu),
        }
        Some(())
    }

    pub(super) fn segment(&self, n: usize) -> &Shared<V, PAGES> {
        &self.segments[n % self.segments.len()]
    }

    fn switch(&self, proc: u8, cpu: u8) {
        let _ = self.switch_or_not(proc, cpu);
    }

    fn switch_or_not(&self, proc: u8, cpu: u8) -> Option<()> {
        let p = usize::from(proc) % self.machine.config().procs;
        let to = self.on(cpu)?;
        if let Some(from) = self.machine.running(p) {
            if self.machine.is_paused(from.id()) || from.id() == to.id() {
                return None;
            }
            from.suspend();
        }
        self.process(proc, cpu).map(|_| ())
    }
}
