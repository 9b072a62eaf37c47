//! The machine as the auditor sees it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;

use auditor::{Layout, Ledger, Property, Temporary, View, Violation};
use mmu386::layout::{BY2PG, Frame, PC386};
use mmu386::state::DEAD;
use mmu386::variant::Variant;
use parking_lot::Mutex;

use crate::machine::Machine;
use crate::memory::private_table;
use crate::word::Word;

/// What the harness knows beside the machine.
#[derive(Default)]
pub(crate) struct Books {
    pub ledger: Mutex<Ledger>,
    /// Pages that neither the MMU code nor the page allocator has.
    pub held: Mutex<BTreeSet<u32>>,
    /// Violations that were noticed without an audit.
    pub noticed: Mutex<Vec<Violation>>,
}

impl<V: Variant> Machine<V> {
    /// Everything about the machine that is not as it must be. The machine stands still meanwhile.
    pub fn audit(&self) -> Vec<Violation> {
        auditor::audit(&Onlooker::new(self), &self.ledger())
    }

    /// The page directories in the pools of all CPUs.
    pub(crate) fn pooled(&self) -> Vec<Frame> {
        let mut pages = Vec::new();
        for mach in &self.machs {
            let mut next = mach.pdbpool.peek();
            while let Some(page) = next.filter(|_| pages.len() < self.pages.len()) {
                pages.push(page);
                next = self.memory.number(page).and_then(|n| self.pages[n].next.peek());
            }
        }
        pages
    }

    /// As [`audit`](Self::audit), for some properties.
    pub fn audit_only(&self, only: &[Property]) -> Vec<Violation> {
        auditor::audit_only(&Onlooker::new(self), &self.ledger(), only)
    }
}

/// Reads the machine from outside.
struct Onlooker<'a, V: Variant> {
    machine: &'a Machine<V>,
    held: Vec<u32>,
    /// The table that was looked at last: rules read tables from end to end.
    last: Cell<(u32, Option<&'a [Word]>)>,
}

impl<'a, V: Variant> Onlooker<'a, V> {
    fn new(machine: &'a Machine<V>) -> Self {
        let held = machine.books.held.lock().iter().copied().collect();
        Self { machine, held, last: Cell::new((u32::MAX, None)) }
    }
}

fn pa(frame: Option<Frame>) -> Option<u32> {
    frame.map(Frame::pa)
}

impl<V: Variant> View for Onlooker<'_, V> {
    fn layout(&self) -> Layout {
        Layout {
            entries: PC386.entries(),
            vmap: PC386.vmap,
            vmap_slots: PC386.vmap_slots,
            kmap: PC386.kmap,
            vpt: PC386.vpt,
            kzero: PC386.kzero,
        }
    }

    fn entry(&self, table: u32, index: usize) -> Option<u32> {
        let (last, mut words) = self.last.get();
        if last != table {
            words = self.machine.memory.words(Frame::containing(table));
            self.last.set((table, words));
        }
        Some(words?[index].value.load(Relaxed))
    }

    fn cpus(&self) -> usize {
        self.machine.cpus.len()
    }

    fn cpu(&self, n: usize) -> auditor::Cpu {
        let (mach, cpu) = (&self.machine.machs[n], &self.machine.cpus[n]);
        let busy = self.machine.is_paused(n);
        let tmp = Temporary { index: PC386.ptx(PC386.tmpaddr()), frame: PC386.tmp };
        auditor::Cpu {
            pdb: mach.pdb.pa(),
            cr3: cpu.cr3().pa(),
            private: private_table(n).pa(),
            online: mach.online.value.load(Relaxed) != 0,
            runs: cpu.up(),
            swept: mach.slotgen.peek(),
            pdbpool: pa(mach.pdbpool.peek()),
            pdbcnt: mach.pdbcnt.peek(),
            tmp: (!busy).then_some(tmp),
            busy,
        }
    }

    fn tlb(&self, n: usize) -> Option<impl Iterator<Item = auditor::Translation>> {
        let shown = |t: crate::tlb::Translation| auditor::Translation {
            va: t.va,
            pa: t.pa,
            large: t.large,
            global: t.global,
            writable: t.write,
            user: t.user,
        };
        Some(self.machine.tlb(n).into_iter().map(shown))
    }

    fn processes(&self) -> usize {
        self.machine.procs.len()
    }

    fn process(&self, n: usize) -> auditor::Process {
        let proc = &self.machine.procs[n];
        let cpus = 0..self.machine.cpus.len();
        let busy = cpus
            .into_iter()
            .any(|cpu| self.machine.is_paused(cpu) && self.machine.up(cpu) == Some(n));
        auditor::Process {
            alive: proc.state.value.load(Relaxed) != DEAD,
            pdb: pa(proc.mmupdb.peek()),
            mmuused: pa(proc.mmuused.peek()),
            mmufree: pa(proc.mmufree.peek()),
            kmaptable: pa(proc.kmaptable.peek()),
            nkmap: proc.nkmap.peek(),
            newtlb: proc.newtlb.value.load(Relaxed) != 0,
            busy,
        }
    }

    fn page(&self, pa: u32) -> Option<auditor::Page> {
        let page = &self.machine.pages[self.machine.memory.number(Frame::containing(pa))?];
        Some(auditor::Page {
            next: page.next.peek().map(Frame::pa),
            refs: page.refs.peek(),
            daddr: page.daddr.peek(),
            swept: page.slotgen.peek(),
        })
    }

    fn pages(&self) -> impl Iterator<Item = u32> {
        self.machine.memory.all_pages().map(Frame::pa)
    }

    fn free(&self) -> impl Iterator<Item = u32> {
        self.machine.memory.free_pages().into_iter().map(Frame::pa)
    }

    fn held(&self) -> impl Iterator<Item = u32> {
        self.held.iter().copied()
    }

    fn generation(&self) -> u32 {
        self.machine.system.slotgen.value.load(Relaxed)
    }
}

const _: () = assert!(BY2PG == 4096, "the auditor's page");
