//! What processes do: user pages, kmaps, and the count of all pages that the MMU code holds for them.

use mmu386::pagerefs::{Pass, Said, countpagerefs};
use mmu386::user::checkmmu;
use mmu386::variant::Variant;

use super::world::{PAGES, World};
use crate::config::Chances;
use crate::cpu::Cpu;
use crate::owned::for_a_while;

/// Kmaps that a process has at a time.
const KMAPS: usize = 4;

impl<V: Variant> World<V> {
    pub(super) fn touch_user(&self, cpu: &Cpu<V>, segment: usize, page: usize, write: bool) {
        let shared = self.segment(segment);
        let page = page % PAGES;
        if let Err(error) = shared.touch(cpu, page, write) {
            return self.saw("E1", None, format!("a fault in a segment: {error}"));
        }
        // A page is cleared before it is first seen, and holds what the segment's users wrote.
        let stamp = (1 << 16) + (segment % 3) as u32 * 256 + page as u32;
        let va = shared.address(page);
        match cpu.word(va, None) {
            Ok(Some(found)) if found == 0 || found == stamp => {
                // A process that unmaps it in between is not asked.
                let _ = cpu.word(va, write.then_some(stamp));
            }
            Ok(found) => {
                let text = format!("{va:#x} holds {found:x?}, neither 0 nor {stamp:#x}");
                self.saw("U1", None, text);
            }
            Err(_) => {}
        }
    }

    pub(super) fn checkmmu(&self, cpu: &Cpu<V>, segment: usize, page: usize) -> Option<()> {
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

    pub(super) fn kmap(&self, cpu: &Cpu<V>) -> Option<()> {
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

    pub(super) fn kunmap(&self, cpu: &Cpu<V>, nth: usize) -> Option<()> {
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

    pub(super) fn touch_kmap(&self, cpu: &Cpu<V>, nth: usize) -> Option<()> {
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

    pub(super) fn countpagerefs(&self, cpu: &Cpu<V>) {
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
