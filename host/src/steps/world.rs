//! Does steps on a machine, and compares what each access comes to with the reference.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use mmu386::arch::{Arch, WordName};
use mmu386::error::VmapError;
use mmu386::layout::{BY2PG, Frame, PC386};
use mmu386::lock::Lock;
use mmu386::pagerefs::{Pass, Said, countpagerefs};
use mmu386::patwc::PATWC;
use mmu386::switch::flushmmu;
use mmu386::user::checkmmu;
use mmu386::variant::Variant;
use parking_lot::Mutex;

use super::reference::{Expected, Reference};
use super::{Action, How, Meanwhile, Step};
use crate::config::{Chances, Config};
use crate::cpu::Cpu;
use crate::machine::Machine;
use crate::owned::for_a_while;
use crate::shared::Shared;

/// Pages of a segment.
const PAGES: usize = 6;
/// Where the segments are: two share a page table.
const SEGMENTS: [u32; 3] = [0x0000_1000, 0x0020_0000, 0xDFC0_0000];
/// Slots of VMAP that mappings may take; the oldest goes before there are more.
const SLOTS: usize = 24;
const MAPPINGS: usize = 20;
const KMAPS: usize = 4;

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
    segments: [Shared<V, PAGES>; 3],
    reference: Mutex<Reference>,
    /// A driver's lock, held over vunmap.
    lock: Lock<Cpu<V>>,
    /// By process: address and page.
    kmaps: Mutex<Vec<Vec<(u32, Frame)>>>,
    seen: Mutex<Vec<Seen>>,
    /// vunmaps that were called without a process.
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

    fn saw(&self, property: &'static str, hazard: Option<&'static str>, text: String) {
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
    /// less can be said of what comes of it.
    pub fn act(&self, cpu: &Cpu<V>, action: Action, others: bool) {
        let Action::Free { .. } = action else {
            return self.act_or_not(cpu, action, others).unwrap_or(());
        };
        if others {
            self.nested_frees.fetch_add(1, Relaxed);
        }
        self.act_or_not(cpu, action, others).unwrap_or(());
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

    fn segment(&self, n: usize) -> &Shared<V, PAGES> {
        &self.segments[n % self.segments.len()]
    }

    fn vmap(&self, cpu: &Cpu<V>, start: u32, size: u32, others: bool) {
        loop {
            let reference = self.reference.lock();
            let full = reference.slots() > SLOTS || reference.mappings.len() >= MAPPINGS;
            drop(reference);
            if !full {
                break;
            }
            if others {
                return;
            }
            self.vunmap(cpu, 0, How::Plain);
        }
        let pa = self.reference.lock().device() + start;
        let room = self.reference.lock().has_room((start % BY2PG + size).div_ceil(BY2PG));
        self.reference.lock().asks(pa, size);
        let result = cpu.vmap(pa, size);
        let mut reference = self.reference.lock();
        reference.answered(pa, size);
        match result {
            Ok(va) => reference.mapped(va, pa, size, self.machine.config().features.pse),
            Err(error) if room && !others => {
                self.saw(
                    "E1",
                    None,
                    format!("vmap of {size:#x} bytes, for which there is room: {error}"),
                );
            }
            Err(_) => {}
        }
    }

    fn vmap_nothing(&self, cpu: &Cpu<V>) {
        let pa = self.reference.lock().device();
        for (pa, size) in [(pa, 0), (pa, u32::MAX - 7)] {
            match mmu386::vmap::vmap(cpu, pa, size) {
                Err(VmapError::BadSize { .. }) => {}
                other => {
                    let text = format!("vmap of {size:#x} bytes at {pa:#x}: {other:x?}");
                    return self.saw("E1", Some("A9"), text);
                }
            }
        }
    }

    fn vunmap(&self, cpu: &Cpu<V>, mapping: usize, how: How) {
        let Some(mapping) = self.reference.lock().going(mapping) else { return };
        if self.machine.up(cpu.id()).is_none() {
            self.without_process.fetch_add(1, Relaxed);
        }
        let unmap = || cpu.vunmap(mapping.va, mapping.size);
        let result = match how {
            How::Plain => unmap(),
            How::Splhi => cpu.at_splhi(unmap),
            How::Locked => cpu.at_splhi(|| {
                let _locked = self.lock.ilock(cpu);
                unmap()
            }),
        };
        match result {
            Ok(()) => self.reference.lock().gone(mapping),
            Err(error) => {
                self.reference.lock().kept(mapping);
                self.saw("E1", None, format!("vunmap of what vmap gave: {error}"));
            }
        }
    }

    fn vunmap_part(&self, cpu: &Cpu<V>, mapping: usize) -> Option<()> {
        let mapping =
            self.reference.lock().nth(mapping).filter(|m| !m.going && m.begins_large())?;
        if let Ok(()) = mmu386::vmap::vunmap(cpu, mapping.va, BY2PG) {
            let text = format!("vunmap of a page of the large page at {:#x} was done", mapping.va);
            self.saw("E1", Some("A9"), text);
        }
        Some(())
    }

    fn touch_vmap(&self, cpu: &Cpu<V>, mapping: usize, page: u32, write: bool) -> Option<()> {
        let mapping = self.reference.lock().nth(mapping)?;
        let last = mapping.pages() - 1;
        // The ends are where things go wrong.
        let va = mapping.address(if page % 3 == 0 { last } else { page.min(last) });
        let before = self.reference.lock().expected(va);
        let found = cpu.touch(va, write);
        // One look at both: between two, a vmap may return.
        let (after, is_asked) = {
            let reference = self.reference.lock();
            (reference.expected(va), found.is_ok_and(|pa| reference.is_asked(pa)))
        };
        let right = match (after, found) {
            // Somebody else changed it meanwhile.
            _ if before != after => true,
            (Expected::Leads(pa), found) => found == Ok(pa),
            // Its addresses may be another's before its vunmap has returned.
            (Expected::Maybe(pa), Ok(found)) => found == pa || is_asked,
            (Expected::Nowhere, Ok(_)) => is_asked,
            (Expected::Maybe(_) | Expected::Nowhere, Err(_)) => true,
        };
        if !right {
            let id = cpu.id();
            let text = format!("an access of cpu{id} to {va:#x}: {found:x?}, and not {after:x?}");
            self.saw("V1", None, text);
        }
        Some(())
    }

    fn patwc(&self, cpu: &Cpu<V>, mapping: usize) -> Option<()> {
        let mapping = self.reference.lock().going(mapping)?;
        let done = cpu.patwc(mapping.va, mapping.size);
        if !done {
            self.saw("E1", None, "patwc did nothing on a CPU that can".into());
        }
        let range = |va: u32| va.wrapping_sub(mapping.address(0)) < mapping.size;
        for n in 0..self.machine.config().cpus {
            let old = self.machine.tlb(n).into_iter().find(|t| range(t.va) && t.pat != PATWC);
            if let Some(old) = old {
                let (va, pat) = (old.va, old.pat);
                let text =
                    format!("patwc has returned, and cpu{n} uses {va:#x} by attribute {pat}");
                self.saw("V1", Some("A10"), text);
            }
        }
        self.reference.lock().kept(mapping);
        Some(())
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

    fn touch_user(&self, cpu: &Cpu<V>, segment: usize, page: usize, write: bool) {
        let shared = self.segment(segment);
        let page = page % PAGES;
        if let Err(error) = shared.touch(cpu, page, write) {
            return self.saw("E1", None, format!("a fault in a segment: {error}"));
        }
        // A page is cleared before it is first seen, and holds what the segment's users wrote.
        let stamp = 1 << 16 | (segment % 3) as u32 * 256 | page as u32;
        let va = shared.address(page);
        match cpu.word(va, None) {
            Ok(Some(found)) if found == 0 || found == stamp => {
                // Whoever unmaps it in between is not asked.
                let _ = cpu.word(va, write.then_some(stamp));
            }
            Ok(found) => {
                let text = format!("{va:#x} holds {found:x?}, neither 0 nor {stamp:#x}");
                self.saw("U1", None, text);
            }
            Err(_) => {}
        }
    }

    fn checkmmu(&self, cpu: &Cpu<V>, segment: usize, page: usize) -> Option<()> {
        let (shared, page) = (self.segment(segment), page % PAGES);
        let before = shared.page(&self.machine, page);
        let found = checkmmu(cpu, shared.address(page), before?.pa());
        if shared.page(&self.machine, page) == before
            && let Err(mismatch) = found
        {
            self.saw("U1", None, format!("checkmmu: {mismatch}"));
        }
        Some(())
    }

    fn kmap(&self, cpu: &Cpu<V>) -> Option<()> {
        let p = self.machine.up(cpu.id())?;
        if self.kmaps.lock()[p].len() >= KMAPS {
            return None;
        }
        let page = self.machine.buffer()?;
        match cpu.kmap(page) {
            Ok(va) => self.kmaps.lock()[p].push((va, page)),
            Err(error) => {
                self.saw("E1", None, format!("kmap, for which there is room: {error}"));
                self.machine.give_back(page);
            }
        }
        Some(())
    }

    fn kunmap(&self, cpu: &Cpu<V>, nth: usize) -> Option<()> {
        let p = self.machine.up(cpu.id())?;
        let (va, page) = {
            let mut kmaps = self.kmaps.lock();
            let count = kmaps[p].len().max(1);
            (nth % count < kmaps[p].len()).then(|| kmaps[p].remove(nth % count))?
        };
        cpu.kunmap(va);
        self.machine.give_back(page);
        Some(())
    }

    fn touch_kmap(&self, cpu: &Cpu<V>, nth: usize) -> Option<()> {
        let p = self.machine.up(cpu.id())?;
        let (va, page) = {
            let kmaps = self.kmaps.lock();
            *kmaps[p].get(nth % kmaps[p].len().max(1))?
        };
        let found = cpu.touch(va, true);
        if found != Ok(page.pa()) {
            let text = format!("kmap {va:#x} of proc {p}: {found:x?}, and not {:#x}", page.pa());
            self.saw("K1", None, text);
        }
        Some(())
    }

    fn countpagerefs(&self, cpu: &Cpu<V>) {
        let machine = &self.machine;
        let config = machine.config();
        let mut refs = vec![0; config.pages + config.pages_above];
        let (mut pools, mut shared, mut told) = (0, 0, 0);
        // Lists of all, while nothing else runs.
        let _anyone = for_a_while(None);
        machine.set_chances(Chances::NONE);
        countpagerefs(cpu, &mut refs, Pass::Count, |said| match said {
            Said::OtherRefs(..) => shared += 1,
            Said::InPools(n) => pools = n,
            _ => {}
        });
        let counted = refs.iter().filter(|refs| **refs > 0).count();
        countpagerefs(cpu, &mut refs, Pass::Print, |_| told += 1);
        machine.set_chances(config.chances);
        let in_pools: usize =
            (0..config.cpus).map(|n| machine.mach(n).pdbcnt.peek() as usize).sum();
        let used = refs.len() - machine.free_pages() - machine.held_pages();
        if (counted, pools, shared) != (used, in_pools, 0) {
            let text = format!(
                "countpagerefs: {counted} pages, {pools} in pools, {shared} twice; \
                 {used} are used, {in_pools} in pools"
            );
            self.saw("P1", None, text);
        }
        if told != used {
            let text = format!("countpagerefs tells of {told} pages, and {used} are used");
            self.saw("E2", Some("D2"), text);
        }
    }
}
