//! What fills a TLB: walks, and entries that change under a walker.

use std::sync::atomic::Ordering::Relaxed;

use mmu386::arch::{Arch, WordName};
use mmu386::entry::Entry;
use mmu386::layout::{BY2PG, Frame};
use mmu386::variant::Variant;

use super::digest::WALKED;
use super::frames::{TEXT, is_page, mach_pdb};
use super::marks::unmarked;
use super::tlb::{Translation, page_of};
use super::{Cpu, GEOMETRY, Machine};
use crate::counterexample::Op;
use crate::engine::{self, How, Word, hidden, touches};
use crate::oracle::{self, Property};

/// What a walk comes to.
pub(super) enum Walked {
    /// A directory entry that names a page table.
    Table(Entry),
    /// A translation.
    Page(Translation),
}

impl<V: Variant> Machine<V> {
    /// CPU `n` may have the translation from here on. It must be one that may be used.
    pub(super) fn fill(&self, n: usize, translation: Translation) {
        if self.cpu(n).tlb.has(translation) {
            return;
        }
        self.cpu(n).tlb.add(translation);
        self.filled(n, translation);
    }

    /// CPU `n` has walked to this.
    pub(super) fn filled(&self, n: usize, translation: Translation) {
        hidden("TLB", n, translation.va, How::Add);
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
            if self.cpu(n).online.peek() { self.vmap_fault(n, &translation) } else { None }
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
            (cpu.cr3.peek(), cpu.up.peek())
        };
        let index = GEOMETRY.pdx(va);
        let held = |pdb| unmarked(Entry(self.seen_by(n, self.memory.entry(pdb, index))));
        let (own, master) = (held(cr3), held(mach_pdb(0)));
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

    /// The translation of a page by the directory that CPU `n` has loaded, as that CPU sees memory now.
    pub(super) fn walk_now(&self, n: usize, va: u32) -> Option<Translation> {
        let cr3 = self.cpu(n).cr3.look();
        self.walk_from(n, self.directory_entry(n, cr3, GEOMETRY.pdx(va)), va)
    }

    /// An entry of a directory, as CPU `n` sees memory now.
    pub(super) fn directory_entry(&self, n: usize, directory: Frame, index: usize) -> Entry {
        Entry(self.seen_by(n, self.memory.entry(directory, index)))
    }

    /// The translation of a page by a directory entry, as CPU `n` sees memory now.
    fn walk_from(&self, n: usize, pde: Entry, va: u32) -> Option<Translation> {
        if pde.large() {
            return Some(Translation::large(va, pde, va % GEOMETRY.large_page()));
        }
        if !pde.table() {
            return None;
        }
        let pte = Entry(self.seen_by(n, self.memory.look(pde.frame(), GEOMETRY.ptx(va))?));
        pte.valid().then(|| Translation::small(va, pde, pte))
    }

    /// What is wrong with a translation of a page in VMAP that CPU `n` has, if no CPU may use it. vmap makes an
    /// entry first and returns then.
    pub(super) fn vmap_fault(
        &self,
        n: usize,
        translation: &Translation,
    ) -> Option<(Property, &'static str)> {
        let Translation { va, pa, .. } = *translation;
        let ledger = self.ledger();
        let on_its_way = || ledger.common().is_asked(pa) && self.mapped_to(n, va) == Some(pa);
        ledger.fault(translation).filter(|_| !on_its_way())
    }

    /// What the master maps a page of VMAP to, as CPU `n` sees memory now.
    fn mapped_to(&self, n: usize, va: u32) -> Option<u32> {
        let pde = self.directory_entry(n, mach_pdb(0), GEOMETRY.pdx(va));
        self.walk_from(n, pde, va).map(|walked| walked.pa)
    }

    /// An entry of a table has got a value in memory. Every CPU that can walk to it may do so at once \[M4\].
    pub(super) fn changed(&self, word: &Word, old: u32) {
        let WordName::Entry(table, index) = word.name() else { return };
        for n in 0..self.config.cpus {
            let new = Entry(self.seen_by(n, word));
            if new.valid() && new.0 != old {
                self.walk_entry(n, table, index, new);
            }
        }
    }

    /// CPU `n` walks to a valid entry, if it can: by the directory that it has loaded, or by an upper level that
    /// it has cached, whether the directory still has that or not \[M4\].
    pub(super) fn walk_entry(&self, n: usize, table: Frame, index: usize, new: Entry) {
        if self.cpu(n).cr3.is(table) {
            self.walk_slot(n, index, new);
        }
        hidden("ways", n, table, How::Look);
        let ways: Vec<(usize, Entry)> = self.cpu(n).tlb.ways_to(table).collect();
        for (slot, pde) in ways {
            let va = GEOMETRY.base(slot) + index as u32 * BY2PG;
            if self.of_interest(va) {
                self.fill(n, Translation::small(va, pde, new));
            }
        }
    }

    /// CPU `n` caches all that it can walk by the directory that it has loaded.
    pub(super) fn walk_everywhere(&self, n: usize) {
        let cr3 = self.cpu(n).cr3.look();
        self.walks(n, cr3);
        for slot in 0..GEOMETRY.entries() {
            self.walk_slot(n, slot, self.directory_entry(n, cr3, slot));
        }
    }

    /// CPU `n` caches a directory entry and all that it leads to.
    fn walk_slot(&self, n: usize, slot: usize, pde: Entry) {
        self.each_walked(n, slot, pde, |walked| match walked {
            Walked::Table(pde) => {
                self.add_upper(n, slot, pde);
                self.walks(n, pde.frame());
            }
            Walked::Page(page) => self.fill(n, page),
        });
    }

    /// A directory entry and all that CPU `n` finds that it leads to, one by one.
    pub(super) fn each_walked(
        &self,
        n: usize,
        slot: usize,
        pde: Entry,
        mut walked: impl FnMut(Walked),
    ) {
        if !pde.valid() {
            return;
        }
        if pde.table() {
            walked(Walked::Table(pde));
        }
        for second in 0..GEOMETRY.entries() as u32 {
            let va = GEOMETRY.base(slot) + second * BY2PG;
            if self.of_interest(va)
                && let Some(page) = self.walk_from(n, pde, va)
            {
                walked(Walked::Page(page));
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
        let up = self.cpu(n).up.peek();
        let known = up.is_some_and(|up| self.ledger().common().access(up, va, pa).is_some());
        (!known).then_some((Property::U1, "which is not the process's"))
    }

    /// All that user mode could reach on CPU `n` must be what it may reach.
    pub(super) fn judge_user(&self, n: usize, how: &str) {
        let cr3 = self.cpu(n).cr3.look();
        for slot in 0..GEOMETRY.vmap {
            if !self.directory_entry(n, cr3, slot).valid() {
                continue;
            }
            for second in 0..GEOMETRY.entries() as u32 {
                if let Some(walked) = self.walk_now(n, GEOMETRY.base(slot) + second * BY2PG) {
                    self.judge(n, walked, how);
                }
            }
        }
        self.judge_cached_user(n, how);
    }

    /// The same for what it has cached, which is all that it can walk to, and more \[M3\].
    pub(super) fn judge_cached_user(&self, n: usize, how: &str) {
        let user = |translation: &Translation| GEOMETRY.in_user(translation.va);
        for translation in self.tlb(n).into_iter().filter(user) {
            self.judge(n, translation, how);
        }
    }

    /// CPU `n` may walk through a directory entry from here on.
    fn add_upper(&self, n: usize, slot: usize, pde: Entry) {
        if !self.cpu(n).tlb.has_upper(slot, pde) {
            self.cpu(n).tlb.add_upper(slot, pde);
            hidden("ways", n, pde.frame(), How::Add);
        }
    }

    /// CPU `n` can walk through the frame.
    pub(super) fn walks(&self, n: usize, frame: Frame) {
        touches(WALKED, false);
        if self.walked[frame.number()].load(Relaxed) & 1 << n == 0 {
            touches(WALKED, true);
            self.walked[frame.number()].fetch_or(1 << n, Relaxed);
            hidden("walks", n, frame, How::Change);
        }
    }

    /// The frame is a new page, which nobody has walked through.
    pub(super) fn not_walked(&self, page: Frame) {
        touches(WALKED, true);
        let walked = self.walked[page.number()].swap(0, Relaxed);
        for n in (0..self.config.cpus).filter(|n| walked & 1 << n != 0) {
            hidden("walks", n, page, How::Change);
        }
    }

    /// Whether CPU `n` could walk through the frame since it was a new page.
    pub(super) fn has_walked(&self, n: usize, page: Frame) -> bool {
        hidden("walks", n, page, How::Look);
        touches(WALKED, false);
        self.walked[page.number()].load(Relaxed) & 1 << n != 0
    }

    /// CPU `by` looks at what CPU `n` has loaded and cached, before or after that changes: the engine tries
    /// both.
    pub(super) fn looked_at_by(&self, by: usize, n: usize) {
        if n == by {
            return;
        }
        if engine::joins() {
            engine::joined(|| self.views[n].load(by));
        } else if !engine::explored() {
            self.views[n].fetch_add(0);
        }
    }

    /// How CPU `n` could walk through the frame, as a page directory or as a page table of something
    /// else than the VPT, if it could.
    pub(super) fn walks_through(&self, n: usize, frame: Frame) -> Option<&'static str> {
        hidden("ways", n, frame, How::Look);
        let cpu = self.cpu(n);
        if cpu.cr3.is(frame) {
            return Some("has it loaded");
        }
        if cpu.tlb.ways_to(frame).any(|(slot, _)| slot != GEOMETRY.vpt) {
            return Some("has cached a way to it");
        }
        None
    }
}

impl<V: Variant> Cpu<V> {
    /// A look at what this CPU has loaded and cached comes before or after this step, which changes it.
    pub(super) fn views(&self) {
        if !engine::explored() {
            self.machine.views[self.id()].fetch_add(1);
        }
    }

    /// What this CPU runs, or whether it may use VMAP, changes within the step that it is in.
    pub(super) fn runs_otherwise(&self) {
        if engine::joins() {
            engine::joined(|| self.views());
        }
    }

    /// A store to an entry: others can walk to it, or, where it is a CPU's own copy of an entry for VMAP,
    /// audit it. So it conflicts with their own changes of what they have cached, or with their looks.
    pub(super) fn may_be_walked(&self, word: &Word) {
        let WordName::Entry(table, index) = word.name() else { return };
        if !engine::joins() {
            return;
        }
        if word.is_shared() {
            let others = (0..self.machine.config.cpus).filter(|n| *n != self.id());
            for n in others.filter(|n| self.machine.has_walked(*n, table)) {
                self.machine.views[n].load(self.id());
            }
        } else if GEOMETRY.in_vmap(GEOMETRY.base(index)) {
            self.views();
        }
    }

    /// Where a store is not told to conflict with what others can walk to: what a speculative access loads
    /// here does.
    pub(super) fn walks_meanwhile(&self, va: u32) {
        if !engine::joins() && !engine::explored() {
            self.speculate(va);
        }
    }

    /// Walks to a page of VMAP as a speculative access would: silently. What it loads are accesses
    /// in the explorer's eyes, so that it tries them before and after the stores of others.
    pub(super) fn speculate(&self, va: u32) {
        let slot = GEOMETRY.pdx(va);
        let pde_word = self.machine.memory.entry(self.getcr3(), slot);
        let pde = Entry(self.walk_load(pde_word));
        if pde.large() {
            self.machine.fill(self.id(), Translation::large(va, pde, va % GEOMETRY.large_page()));
        } else if pde.table() {
            self.machine.add_upper(self.id(), slot, pde);
            let pte = self.machine.memory.entry(pde.frame(), GEOMETRY.ptx(va));
            // One walk is one step, but for an entry of the CPU's own, which costs none.
            let load = || self.walk_load(pte);
            let pte = Entry(if pde_word.is_shared() { engine::joined(load) } else { load() });
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
        let n = self.id();
        if engine::explored() { self.machine.seen_by(n, word) } else { word.load(n) }
    }
}
