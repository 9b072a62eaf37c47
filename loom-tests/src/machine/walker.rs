//! What fills a TLB: walks, and entries that change under a walker.

use std::sync::atomic::Ordering::Relaxed;

use mmu386::arch::{Arch, WordName};
use mmu386::entry::Entry;
use mmu386::layout::{BY2PG, Frame};
use mmu386::variant::Variant;

use super::frames::{TEXT, is_page, mach_pdb};
use super::marks::unmarked;
use super::tlb::{Translation, page_of};
use super::{Cpu, GEOMETRY, Machine};
use crate::counterexample::Op;
use crate::engine::{self, Word, explorer, fence};
use crate::oracle::{self, Property};

impl<V: Variant> Machine<V> {
    /// CPU `n` may have the translation from here on. It must be one that may be used.
    pub(super) fn fill(&self, n: usize, translation: Translation) {
        if self.cpu(n).tlb.add(translation) {
            return;
        }
        if translation.va < GEOMETRY.vmap_end() {
            self.log.push(n, Op::Fill(translation));
        }
        self.judge(n, translation, "walks");
    }

    /// The translation must be one that the CPU may use, if its kind is judged by itself.
    pub(super) fn judge(&self, n: usize, translation: Translation, how: &str) {
        let Translation { va, pa, .. } = translation;
        let fault = if GEOMETRY.in_vmap(va) {
            // What a CPU has cached before it is online goes as it comes online, or is found then.
            if self.cpu(n).online { self.vmap_fault(&translation) } else { None }
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
        let own = unmarked(Entry(self.memory.entry(cr3, index).now()));
        let master = unmarked(Entry(self.memory.entry(mach_pdb(0), index).now()));
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
        self.walk_from(Entry(self.memory.entry(cr3, GEOMETRY.pdx(va)).now()), va)
    }

    /// The translation of a page by a directory entry, as memory is now.
    fn walk_from(&self, pde: Entry, va: u32) -> Option<Translation> {
        if pde.large() {
            return Some(Translation::large(va, pde, va % GEOMETRY.large_page()));
        }
        if !pde.table() {
            return None;
        }
        let pte = Entry(self.memory.look(pde.frame(), GEOMETRY.ptx(va))?.now());
        pte.valid().then(|| Translation::small(va, pde, pte))
    }

    /// What is wrong with a translation of a page in VMAP, if no CPU may use it. vmap makes an entry
    /// first and returns then.
    pub(super) fn vmap_fault(&self, translation: &Translation) -> Option<(Property, &'static str)> {
        let Translation { va, pa, .. } = *translation;
        let ledger = self.ledger();
        let on_its_way = || ledger.common().is_asked(pa) && self.mapped_to(va) == Some(pa);
        ledger.fault(translation).filter(|_| !on_its_way())
    }

    /// What the master maps a page of VMAP to.
    fn mapped_to(&self, va: u32) -> Option<u32> {
        let pde = Entry(self.memory.entry(mach_pdb(0), GEOMETRY.pdx(va)).now());
        self.walk_from(pde, va).map(|walked| walked.pa)
    }

    /// An entry of a table has got a value. Every CPU that can walk to it may do so at once: by the
    /// directory that it has loaded, or by an upper level that it has cached, whether the directory
    /// still has that or not \[M4\].
    pub(super) fn changed(&self, word: &Word, old: u32) {
        let WordName::Entry(table, index) = word.name() else { return };
        let new = Entry(word.now());
        if !new.valid() || new.0 == old {
            return;
        }
        for n in 0..self.config.cpus {
            if self.cpu(n).cr3 == table {
                self.walk_slot(n, index, new);
            }
            let ways: Vec<(usize, Entry)> = self.cpu(n).tlb.ways_to(table).collect();
            for (slot, pde) in ways {
                let va = GEOMETRY.base(slot) + index as u32 * BY2PG;
                if self.of_interest(va) {
                    self.fill(n, Translation::small(va, pde, new));
                }
            }
        }
    }

    /// CPU `n` caches all that it can walk by the directory that it has loaded.
    pub(super) fn walk_everywhere(&self, n: usize) {
        let cr3 = self.cpu(n).cr3;
        self.walks(n, cr3);
        for slot in 0..GEOMETRY.entries() {
            self.walk_slot(n, slot, Entry(self.memory.entry(cr3, slot).now()));
        }
    }

    /// CPU `n` caches a directory entry and all that it leads to.
    fn walk_slot(&self, n: usize, slot: usize, pde: Entry) {
        if !pde.valid() {
            return;
        }
        if pde.table() {
            self.cpu(n).tlb.add_upper(slot, pde);
            self.walks(n, pde.frame());
        }
        for second in 0..GEOMETRY.entries() as u32 {
            let va = GEOMETRY.base(slot) + second * BY2PG;
            if self.of_interest(va)
                && let Some(walked) = self.walk_from(pde, va)
            {
                self.fill(n, walked);
            }
        }
    }

    /// Whether the translations of a page can go stale: those of the window cannot, and MACHADDR's
    /// are judged by themselves \[M6\].
    fn of_interest(&self, va: u32) -> bool {
        GEOMETRY.pdx(va) < GEOMETRY.kzero
            || va == GEOMETRY.tmpaddr()
            || (GEOMETRY.pdx(va) == GEOMETRY.kzero && TEXT.contains(&GEOMETRY.ptx(va)))
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

    /// CPU `n` can walk through the frame.
    fn walks(&self, n: usize, frame: Frame) {
        self.walked[frame.number()].fetch_or(1 << n, Relaxed);
    }

    /// The frame is a new page, which nobody has walked through.
    pub(super) fn not_walked(&self, page: Frame) {
        self.walked[page.number()].store(0, Relaxed);
    }

    /// Whether CPU `n` could walk through the frame since it was a new page.
    pub(super) fn has_walked(&self, n: usize, page: Frame) -> bool {
        self.walked[page.number()].load(Relaxed) & 1 << n != 0
    }

    /// CPU `by` looks at what CPU `n` has cached, before or after that CPU's next flush: the engine tries
    /// both.
    pub(super) fn looked_at_by(&self, by: usize, n: usize) {
        if n != by {
            self.flushes[n].fetch_add(0);
        }
    }

    /// How CPU `n` could walk through the frame, as a page directory or as a page table of something
    /// else than the VPT, if it could.
    pub(super) fn walks_through(&self, n: usize, frame: Frame) -> Option<&'static str> {
        let cpu = self.cpu(n);
        if cpu.cr3 == frame {
            return Some("has it loaded");
        }
        if cpu.tlb.ways_to(frame).any(|(slot, _)| slot != GEOMETRY.vpt) {
            return Some("has cached a way to it");
        }
        None
    }
}

impl<V: Variant> Cpu<V> {
    /// Drops what a load of CR3 drops, and walks again to all that can be walked \[M3\].
    pub(super) fn flush_tlb(&self) {
        let machine = &self.machine;
        if !self.faulty(super::Fault::Cr3KeepsTlb) {
            machine.cpu(self.id()).tlb.drop_all_but_global();
        }
        machine.walk_everywhere(self.id());
        self.flushed();
        if engine::explored() {
            return;
        }
        let pages: Vec<u32> = machine.ledger().common().edges().collect();
        for va in pages {
            self.speculate(va);
        }
    }

    /// Drops what INVLPG drops, and walks again. It leaves the translations of other pages as they
    /// are.
    pub(super) fn flush_page(&self, va: u32) {
        self.machine.cpu(self.id()).tlb.drop_page(va);
        self.machine.walk_everywhere(self.id());
        self.flushed();
        if GEOMETRY.in_vmap(va) {
            self.speculate(va);
        }
    }

    /// The TLB is flushed here, in the order of the explorer.
    pub(super) fn flushes(&self) {
        self.does_something();
        if engine::explored() {
            explorer::step(true);
            while self.point() {}
        } else {
            self.point();
        }
        fence();
    }

    /// Whoever looks at what this CPU has cached does so before or after the flush.
    fn flushed(&self) {
        self.machine.flushes[self.id()].fetch_add(1);
    }

    /// Walks to a page of VMAP as a speculative access would: silently. What it loads are accesses
    /// in the explorer's eyes, so that it tries them before and after the stores of others.
    pub(super) fn speculate(&self, va: u32) {
        let slot = GEOMETRY.pdx(va);
        let pde = Entry(self.walk_load(self.machine.memory.entry(self.getcr3(), slot)));
        if pde.large() {
            self.machine.fill(self.id(), Translation::large(va, pde, va % GEOMETRY.large_page()));
        } else if pde.table() {
            self.machine.cpu(self.id()).tlb.add_upper(slot, pde);
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
        word.load_on(self.id())
    }
}
