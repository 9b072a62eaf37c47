//! What drivers do: they map devices, use them, and unmap them.

use std::sync::atomic::Ordering::Relaxed;

use mmu386::error::VmapError;
use mmu386::layout::BY2PG;
use mmu386::patwc::PATWC;
use mmu386::variant::Variant;

use super::How;
use super::reference::{Expected, Mapping};
use super::world::World;
use crate::cpu::Cpu;

/// Slots of VMAP that mappings may take; the oldest goes before there are more.
const SLOTS: usize = 24;
const MAPPINGS: usize = 20;

impl<V: Variant> World<V> {
    pub(super) fn vmap(&self, cpu: &Cpu<V>, start: u32, size: u32, others: bool) {
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

    pub(super) fn vmap_nothing(&self, cpu: &Cpu<V>) {
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

    /// A request to all CPUs is about to be made.
    fn asks_all(&self, cpu: &Cpu<V>) {
        if self.machine.up(cpu.id()).is_none() {
            self.without_process.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn vunmap(&self, cpu: &Cpu<V>, mapping: usize, how: How) {
        let Some(mapping) = self.reference.lock().going(mapping, |_| true) else { return };
        self.asks_all(cpu);
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

    pub(super) fn vunmap_part(&self, cpu: &Cpu<V>, mapping: usize) -> Option<()> {
        let mapping = self.reference.lock().going(mapping, Mapping::begins_large)?;
        let result = mmu386::vmap::vunmap(cpu, mapping.va, BY2PG);
        self.reference.lock().kept(mapping);
        if let Ok(()) = result {
            let text = format!("vunmap of a page of the large page at {:#x} was done", mapping.va);
            self.saw("E1", Some("A9"), text);
        }
        Some(())
    }

    pub(super) fn touch_vmap(
        &self,
        cpu: &Cpu<V>,
        mapping: usize,
        page: u32,
        write: bool,
    ) -> Option<()> {
        let mapping = self.reference.lock().nth(mapping)?;
        let last = mapping.pages() - 1;
        // The ends are where things go wrong.
        let va = mapping.address(if page.is_multiple_of(3) { last } else { page.min(last) });
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

    pub(super) fn patwc(&self, cpu: &Cpu<V>, mapping: usize) -> Option<()> {
        let mapping = self.reference.lock().going(mapping, |_| true)?;
        self.asks_all(cpu);
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
}
