//! What models and oracles may look at, without being part of the execution.

use mmu386::arch::{Arch, Feature};
use mmu386::entry::{Entry, PTEGLOBAL, PTEVALID, PTEWRITE};
use mmu386::layout::{BY2PG, Frame};
use mmu386::pagerefs::Holder;
use mmu386::state::DEAD;
use mmu386::variant::Variant;

use super::frames::{FRAMES, PAGES, TEXT, frame, mach_page, mach_pdb, private_table, second_table};
use super::tlb::page_of;
use super::{Cpu, GEOMETRY, Machine, Registers, Translation};
use crate::engine::{self, How, Word, explorer, hidden};

/// What an auditor sees of a CPU.
pub struct SeenCpu {
    /// Its own page directory.
    pub pdb: Frame,
    /// The one that it has loaded.
    pub cr3: Frame,
    /// Its private page table.
    pub private: Frame,
    /// It may use VMAP.
    pub online: bool,
    /// The process whose page directory it has loaded, or would have, if it had one.
    pub runs: Option<usize>,
    /// Generation up to which its own page directory was swept.
    pub swept: u32,
    /// First of its pool.
    pub pdbpool: Option<Frame>,
    /// What it takes for the length of that.
    pub pdbcnt: u32,
}

/// What an auditor sees of a process.
pub struct SeenProcess {
    /// Neither dead nor unborn.
    pub alive: bool,
    /// Its page directory.
    pub pdb: Option<Frame>,
    /// First of the page tables that it uses.
    pub mmuused: Option<Frame>,
    /// First of those that it keeps.
    pub mmufree: Option<Frame>,
    /// The page table of its KMAP.
    pub kmaptable: Option<Frame>,
    /// What it takes for the number of its kmaps.
    pub nkmap: i32,
    /// It is to drop its mappings.
    pub newtlb: bool,
}

/// What an auditor sees of the record of a page.
pub struct SeenPage {
    /// Next of its list.
    pub next: Option<Frame>,
    /// References.
    pub refs: u32,
    /// What it is a page table for.
    pub daddr: usize,
    /// Generation up to which it was swept.
    pub swept: u32,
}

/// What a word holds now, for an audit by a CPU, which is before or after each store to it; or for one when
/// all is over.
fn audited(word: &Word, by: Option<usize>) -> u32 {
    match by {
        Some(cpu) if engine::joins() && word.is_shared() => engine::joined(|| word.load(cpu)),
        _ => word.now(),
    }
}

impl<V: Variant> Machine<V> {
    /// Whether the processors have a feature.
    pub fn can(&self, feature: Feature) -> bool {
        !self.config.lacks.contains(&feature)
    }

    /// CPU `n`.
    pub fn see_cpu(&self, n: usize) -> SeenCpu {
        let mach = &self.machs[n];
        let cpu = self.cpu(n);
        let loaded =
            |&process: &usize| self.procs[process].mmupdb.peek().is_none_or(|pdb| cpu.cr3.is(pdb));
        SeenCpu {
            pdb: mach.pdb,
            cr3: cpu.cr3.look(),
            private: private_table(n),
            online: cpu.online.look(),
            runs: cpu.up.look().filter(loaded),
            swept: mach.slotgen.peek(),
            pdbpool: mach.pdbpool.peek(),
            pdbcnt: mach.pdbcnt.peek(),
        }
    }

    /// Process `n`.
    pub fn see_process(&self, n: usize, by: Option<usize>) -> SeenProcess {
        let proc = &self.procs[n];
        SeenProcess {
            alive: audited(&proc.state, by) != DEAD,
            pdb: proc.mmupdb.peek(),
            mmuused: proc.mmuused.peek(),
            mmufree: proc.mmufree.peek(),
            kmaptable: proc.kmaptable.peek(),
            nkmap: proc.nkmap.peek(),
            newtlb: audited(&proc.newtlb, by) != 0,
        }
    }

    /// The record of a page, if it has one.
    pub fn see_page(&self, page: Frame) -> Option<SeenPage> {
        let record = self.pages.get(page.number().checked_sub(PAGES)?)?;
        Some(SeenPage {
            next: record.next.peek(),
            refs: record.refs.peek(),
            daddr: record.daddr.peek(),
            swept: record.slotgen.peek(),
        })
    }

    /// What CPU `n` may have cached.
    pub fn tlb(&self, n: usize) -> Vec<Translation> {
        hidden("TLB", n, "all", How::Look);
        self.cpu(n).tlb.all().collect()
    }

    /// What CPU `n` may have cached of a page.
    pub(super) fn cached(&self, n: usize, va: u32) -> Vec<Translation> {
        hidden("TLB", n, page_of(va), How::Look);
        self.cpu(n).tlb.lookup(va).collect()
    }

    /// An entry's value now, if the frame has contents.
    pub fn look(&self, frame: Frame, index: usize, by: Option<usize>) -> Option<u32> {
        self.memory.look(frame, index).map(|word| audited(word, by))
    }

    /// Generation of large VMAP entries that were removed.
    pub fn generation(&self, by: Option<usize>) -> u32 {
        audited(&self.system.slotgen, by)
    }

    /// Number of CPUs.
    pub fn cpus(&self) -> usize {
        self.config.cpus
    }

    /// Number of process slots.
    pub fn processes(&self) -> usize {
        self.config.procs
    }

    /// An entry's value now.
    pub fn peek(&self, frame: Frame, index: usize) -> u32 {
        self.memory.entry(frame, index).now()
    }

    /// The pages of a list that starts at `first`. Ends when the list does, or goes round.
    fn list(&self, first: Option<Frame>) -> Vec<Frame> {
        let mut pages = Vec::new();
        let mut next = first;
        while let Some(page) = next {
            pages.push(page);
            if pages.len() > FRAMES {
                break;
            }
            next = self.pages[page.number() - PAGES].next.peek();
        }
        pages
    }

    /// The pages that a process holds, and as what.
    fn pages_of(&self, n: usize) -> Vec<(Frame, Holder)> {
        let proc = &self.procs[n];
        let pdb = proc.mmupdb.peek().map(|page| (page, Holder::Pdb(n)));
        let kmaptable = proc.kmaptable.peek().map(|page| (page, Holder::Kmaptable(n)));
        let used =
            self.list(proc.mmuused.peek()).into_iter().map(|page| (page, Holder::Mmuused(n)));
        let free =
            self.list(proc.mmufree.peek()).into_iter().map(|page| (page, Holder::Mmufree(n)));
        pdb.into_iter().chain(kmaptable).chain(used).chain(free).collect()
    }

    /// All pages that newpage gives out, in the order of their numbers.
    pub fn all_pages(&self) -> Vec<Frame> {
        (PAGES..FRAMES).map(frame).collect()
    }

    /// The pages that the page allocator has.
    pub fn free_pages(&self) -> Vec<Frame> {
        self.memory.free_pages()
    }

    /// The pages that neither it nor the MMU code has.
    pub fn held_pages(&self) -> Vec<Frame> {
        self.held().clone()
    }

    /// What a CPU's private page table and its own page directory hold apart from VMAP, with the CPU
    /// itself taken out.
    fn skeleton(&self, n: usize) -> Vec<u32> {
        let private = (0..GEOMETRY.entries()).map(|index| self.peek(private_table(n), index));
        let own = [GEOMETRY.kmap, GEOMETRY.vpt, GEOMETRY.kzero, GEOMETRY.kzero + 1];
        let own = own.into_iter().map(|index| self.peek(mach_pdb(n), index));
        private.chain(own).collect()
    }
}

impl<V: Variant> Cpu<V> {
    /// The translations that an access to a page could use, at a moment of its own in which no
    /// interrupt comes. Under the explorer, which is told what came of it.
    pub fn could_use(&self, va: u32) -> Vec<Translation> {
        explorer::step(false);
        let cached = self.machine.cached(self.id(), va);
        explorer::observe(&cached);
        cached
    }

    /// An entry's value now.
    pub fn peek(&self, frame: Frame, index: usize) -> u32 {
        self.machine.peek(frame, index)
    }

    /// What an address leads to on this CPU, in set-up.
    pub fn leads_to(&self, va: u32) -> Option<u32> {
        self.machine.walk_now(self.id(), va).map(|walked| walked.pa)
    }

    /// What this CPU's descriptor registers hold.
    pub fn registers(&self) -> Registers {
        self.machine.cpu(self.id()).registers
    }

    /// Local descriptor tables that were given back.
    pub fn freed_ldts(&self) -> Vec<u32> {
        self.machine.freed_ldts.hold().clone()
    }

    /// All pages that newpage gives out, in the order of their numbers.
    pub fn all_pages(&self) -> Vec<Frame> {
        self.machine.all_pages()
    }

    /// Which pages the MMU code holds, and as what.
    pub fn holders(&self) -> Vec<(Frame, Holder)> {
        let machine = &self.machine;
        let procs = (0..machine.processes()).flat_map(|n| machine.pages_of(n));
        let pools = (0..machine.cpus()).flat_map(|n| {
            let pool = machine.list(machine.machs[n].pdbpool.peek());
            pool.into_iter().map(move |page| (page, Holder::Pdbpool(n)))
        });
        procs.chain(pools).collect()
    }

    /// A way in which this CPU could write kernel code, by what it has cached or can walk.
    pub fn writes_text(&self) -> Option<Translation> {
        let n = self.id();
        TEXT.map(|number| GEOMETRY.kzero_base() + number as u32 * BY2PG).find_map(|va| {
            self.machine
                .cached(n, va)
                .into_iter()
                .chain(self.machine.walk_now(n, va))
                .find(|t| t.write)
        })
    }

    /// Whether this CPU's page directory and private page table hold what set-up gives to CPUs that
    /// are through mmuinit in models of other things.
    pub fn memory_is_as_mmuinit_leaves_it(&self) -> bool {
        let n = self.id();
        let global = if self.has(Feature::Pge) { PTEGLOBAL } else { 0 };
        let bits = global | PTEVALID;
        let private = (0..GEOMETRY.entries()).map(|index| {
            let is_mach = index == GEOMETRY.ptx(GEOMETRY.mach);
            let shown = if is_mach { mach_page(n) } else { frame(index) };
            let write = if TEXT.contains(&index) { 0 } else { PTEWRITE };
            shown.pa() | write | bits
        });
        let own = [
            0,
            mach_pdb(n).pa() | PTEWRITE | PTEVALID,
            private_table(n).pa() | PTEWRITE | bits,
            second_table().pa() | PTEWRITE | bits,
        ];
        self.machine.skeleton(n).into_iter().eq(private.chain(own))
    }

    /// Makes the page directory and the private page table of CPU `n`, which is not up yet, from this
    /// CPU's, as a kernel's start of another CPU does.
    pub fn prepare(&self, n: usize) {
        let memory = &self.machine.memory;
        let copy = |from: &Word, to: &Word, value: u32| {
            from.load(self.id());
            to.store(value);
        };
        for index in 0..GEOMETRY.entries() {
            let (from, to) = (
                memory.entry(private_table(self.id()), index),
                memory.entry(private_table(n), index),
            );
            let own = index == GEOMETRY.ptx(GEOMETRY.mach);
            let page = if own { mach_page(n) } else { Entry(from.now()).frame() };
            copy(from, to, page.pa() | from.now() & (BY2PG - 1));
            let (from, to) =
                (memory.entry(mach_pdb(self.id()), index), memory.entry(mach_pdb(n), index));
            let table = index == GEOMETRY.kzero;
            let named = if table { private_table(n) } else { Entry(from.now()).frame() };
            copy(from, to, named.pa() | from.now() & (BY2PG - 1));
        }
        // It starts with these loaded, and nothing cached of before.
        self.machine.walk_everywhere(n);
    }
}
