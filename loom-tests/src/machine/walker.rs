//! What fills a TLB: walks, and entries that change under a walker.

use mmu386::arch::{Arch, WordName};
use mmu386::entry::Entry;
use mmu386::layout::{BY2PG, Frame};
use mmu386::variant::Variant;

use super::frames::{TEXT, is_page, mach_pdb};
use super::tlb::{Translation, page_of};
use super::{Cpu, GEOMETRY, Machine};
use crate::counterexample::Op;
use crate::engine::{self, Word};
use crate::oracle::{self, Property};

impl<V: Variant> Machine<V> {
    /// CPU `n` may have the translation from here on. It must be one that may be used.
    pub(super) fn fill(&self, n: usize, translation: Translation) {
        if self.cpu(n).tlb.add(translation) {
            return;
        }
        self.log.push(n, Op::Fill(translation));
        self.judge(n, translation, "walks");
    }

    /// The translation must be one that the CPU may use, if its kind is judged by itself.
    pub(super) fn judge(&self, n: usize, translation: Translation, how: &str) {
        let Translation { va, pa, .. } = translation;
        let fault = if GEOMETRY.in_vmap(va) {
            // What a CPU has cached before it is online goes as it comes online, or is found then.
            if self.cpu(n).online { self.ledger().fault(&translation) } else { None }
        } else if GEOMETRY.in_user(va) {
            self.user_fault(n, va, pa)
        } else {
            None
        };
        if let Some((property, what)) = fault {
            let why = self.how_reached(n, va);
            oracle::broken(
                property,
                &format!("cpu {n} {how} to {pa:#x} through {va:#x}, {what} ({why})"),
            );
        }
    }

    /// Why a CPU can still reach a page.
    pub(super) fn how_reached(&self, n: usize, va: u32) -> String {
        let (cr3, up) = {
            let cpu = self.cpu(n);
            (cpu.cr3, cpu.up)
        };
        let index = GEOMETRY.pdx(va);
        let own = Entry(self.memory.entry(cr3, index).now());
        let master = Entry(self.memory.entry(mach_pdb(0), index).now());
        if GEOMETRY.in_vmap(va) && cr3 == mach_pdb(0) && own.large() {
            "the entry is back in the master".into()
        } else if GEOMETRY.in_vmap(va) && own.large() && own.0 != master.0 {
            "a stale large entry is left in its page directory".into()
        } else if up.is_none() {
            "its TLB; the CPU is idle".into()
        } else {
            "its TLB".into()
        }
    }

    /// The translation of a page by the directory that CPU `n` has loaded, as memory is now.
    pub(super) fn walk_now(&self, n: usize, va: u32) -> Option<Translation> {
        let cr3 = self.cpu(n).cr3;
        let pde = Entry(self.memory.entry(cr3, GEOMETRY.pdx(va)).now());
        if pde.large() {
            return Some(Translation::large(va, pde, va % GEOMETRY.large_page()));
        }
        if !pde.table() {
            return None;
        }
        let pte = Entry(self.memory.look(pde.frame(), GEOMETRY.ptx(va))?.now());
        pte.valid().then(|| Translation::small(va, pde, pte))
    }

    /// An entry of a table is about to lose the value `old`: whoever could walk it until now may
    /// have done so \[M4\].
    pub(super) fn overwritten(&self, word: &Word, old: u32) {
        let WordName::Entry(table, index) = word.name() else { return };
        let old = Entry(old);
        if !old.valid() || old.0 == word.now() {
            return;
        }
        for n in 0..self.config.cpus {
            let cr3 = self.cpu(n).cr3;
            if cr3 == table {
                self.directory_entry_lost(n, index, old);
            }
            for slot in 0..GEOMETRY.entries() {
                let pde = Entry(self.memory.entry(cr3, slot).now());
                let va = GEOMETRY.base(slot) + index as u32 * BY2PG;
                if pde.table()
                    && pde.frame() == table
                    && (GEOMETRY.in_vmap(va) || self.of_interest(va))
                {
                    self.fill(n, Translation::small(va, pde, old));
                }
            }
        }
    }

    /// The directory that CPU `n` has loaded has lost an entry, and with it all that it led to.
    fn directory_entry_lost(&self, n: usize, index: usize, old: Entry) {
        for second in 0..GEOMETRY.entries() {
            let va = GEOMETRY.base(index) + second as u32 * BY2PG;
            if index == GEOMETRY.vpt || !self.of_interest(va) {
                continue;
            }
            if old.large() {
                self.fill(n, Translation::large(va, old, second as u32 * BY2PG));
            } else if let Some(pte) = self.memory.look(old.frame(), second)
                && Entry(pte.now()).valid()
            {
                self.fill(n, Translation::small(va, old, Entry(pte.now())));
            }
        }
    }

    /// Whether the translations of a page can go stale: those of VMAP that was never given out, and
    /// those of the window, cannot.
    fn of_interest(&self, va: u32) -> bool {
        if GEOMETRY.in_vmap(va) {
            self.ledger().common().edges().any(|page| page == va)
        } else if GEOMETRY.pdx(va) == GEOMETRY.kzero {
            va == GEOMETRY.tmpaddr() || TEXT.contains(&GEOMETRY.ptx(va))
        } else {
            true
        }
    }

    /// Why user mode must not reach a page on CPU `n`, if it must not.
    fn user_fault(&self, n: usize, va: u32, pa: u32) -> Option<(Property, &'static str)> {
        let frame = Frame::containing(pa);
        if is_page(frame) && self.memory.is_free(frame) {
            return Some((Property::U1, "which is free"));
        }
        let up = self.cpu(n).up;
        let known = up.is_some_and(|up| self.ledger().common().access(up, va, pa).is_some());
        (!known).then_some((Property::U1, "which is not the process's"))
    }

    /// All that user mode could reach on CPU `n` must be what it may reach.
    pub(super) fn judge_user(&self, n: usize, how: &str) {
        let cr3 = self.cpu(n).cr3;
        for slot in 0..GEOMETRY.vmap {
            if !Entry(self.memory.entry(cr3, slot).now()).valid() {
                continue;
            }
            for second in 0..GEOMETRY.entries() as u32 {
                if let Some(walked) = self.walk_now(n, GEOMETRY.base(slot) + second * BY2PG) {
                    self.judge(n, walked, how);
                }
            }
        }
        let cached: Vec<Translation> =
            self.cpu(n).tlb.all().filter(|translation| GEOMETRY.in_user(translation.va)).collect();
        for translation in cached {
            self.judge(n, translation, how);
        }
    }

    /// Whether some entry of a loaded directory leads to the frame as a page table.
    pub(super) fn walks_through(&self, n: usize, frame: Frame) -> bool {
        let cr3 = self.cpu(n).cr3;
        cr3 == frame
            || (0..GEOMETRY.entries()).any(|slot| {
                let pde = Entry(self.memory.entry(cr3, slot).now());
                slot != GEOMETRY.vpt && pde.table() && pde.frame() == frame
            })
    }
}

impl<V: Variant> Cpu<V> {
    /// Drops what a load of CR3 drops, and walks again to all that can be walked \[M3\].
    pub(super) fn flush_tlb(&self) {
        let machine = &self.machine;
        if !self.faulty(super::Fault::Cr3KeepsTlb) {
            machine.cpu(self.id()).tlb.drop_all_but_global();
        }
        self.refilled();
    }

    /// Drops what INVLPG drops. It leaves the translations of other pages as they are.
    pub(super) fn flush_page(&self, va: u32) {
        self.machine.cpu(self.id()).tlb.drop_page(va);
        if GEOMETRY.in_vmap(va) {
            self.refilled();
        } else if GEOMETRY.in_user(va) {
            self.machine.flushes[self.id()].fetch_add(1);
        }
    }

    fn refilled(&self) {
        let machine = &self.machine;
        machine.flushes[self.id()].fetch_add(1);
        let pages: Vec<u32> = machine.ledger().common().edges().collect();
        for va in pages {
            self.speculate(va);
        }
    }

    /// Walks to a page of VMAP as a speculative access would: silently.
    pub(super) fn speculate(&self, va: u32) {
        let pde = Entry(self.walk_load(self.machine.memory.entry(self.getcr3(), GEOMETRY.pdx(va))));
        if pde.large() {
            self.machine.fill(self.id(), Translation::large(va, pde, va % GEOMETRY.large_page()));
        } else if pde.table() {
            let pte = self.machine.memory.entry(pde.frame(), GEOMETRY.ptx(va));
            let pte = Entry(self.walk_load(pte));
            if pte.valid() {
                self.machine.fill(self.id(), Translation::small(page_of(va), pde, pte));
            }
        }
    }

    /// A load by the walker: a step of the interleaving like any other, but no interrupt can come
    /// before it, and nothing orders it.
    ///
    /// The explorer sees the whole state, and has this within the step that walks.
    fn walk_load(&self, word: &Word) -> u32 {
        if engine::explored() {
            return word.now();
        }
        word.load()
    }
}
