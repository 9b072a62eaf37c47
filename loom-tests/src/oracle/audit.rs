//! The common auditor, shown the model machine.

use auditor::{Cpu, Layout, Page, Process, Property as Rule, Temporary, Translation, View};
use mmu386::layout::Frame;
use mmu386::variant::Variant;

use super::{Property, broken};
use crate::machine::{GEOMETRY, Machine, POOL};

/// The machine, between two steps of the execution.
struct Still<'a, V: Variant> {
    machine: &'a Machine<V>,
    /// The CPU that audits, while others may be in the middle of a call.
    by: Option<usize>,
}

/// Judges everything, once all threads are done.
pub fn at_end<V: Variant>(machine: &Machine<V>) {
    judge(Still { machine, by: None }, &Rule::ALL);
    if let Some((left, wanted)) = machine.left_over() {
        let what = format!("segments and models have {left} pages in the end, and should {wanted}");
        broken(Property::P1, &what);
    }
}

/// vunmap or patwc has returned: what it took away is out of everybody's reach.
pub fn after_unmap<V: Variant>(machine: &Machine<V>, by: usize) {
    judge(Still { machine, by: Some(by) }, &[Rule::V1]);
}

/// procflushmmu has returned, and what it took away is nobody's any more.
pub fn after_flush<V: Variant>(machine: &Machine<V>, by: usize) {
    judge(Still { machine, by: Some(by) }, &[Rule::U1]);
}

fn judge<V: Variant>(still: Still<'_, V>, rules: &[Rule]) {
    let found = {
        let ledger = still.machine.ledger();
        auditor::audit_only(&still, ledger.common(), rules)
    };
    if let Some(first) = found.first() {
        broken(first.property.into(), &first.detail);
    }
}

impl From<Rule> for Property {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::V1 => Self::V1,
            Rule::V2 => Self::V2,
            Rule::V3 => Self::V3,
            Rule::U1 => Self::U1,
            Rule::U2 => Self::U2,
            Rule::U3 => Self::U3,
            Rule::P1 => Self::P1,
            Rule::P2 => Self::P2,
            Rule::K1 => Self::K1,
            Rule::T1 => Self::T1,
        }
    }
}

impl<V: Variant> View for Still<'_, V> {
    fn layout(&self) -> Layout {
        Layout {
            entries: GEOMETRY.entries(),
            vmap: GEOMETRY.vmap,
            vmap_slots: GEOMETRY.vmap_slots,
            kmap: GEOMETRY.kmap,
            vpt: GEOMETRY.vpt,
            kzero: GEOMETRY.kzero,
        }
    }

    fn entry(&self, table: u32, index: usize) -> Option<u32> {
        self.machine.look(Frame::containing(table), index, self.by)
    }

    fn cpus(&self) -> usize {
        self.machine.cpus()
    }

    fn cpu(&self, n: usize) -> Cpu {
        let seen = self.machine.see_cpu(n);
        let frame = GEOMETRY.tmp;
        Cpu {
            pdb: seen.pdb.pa(),
            cr3: seen.cr3.pa(),
            private: seen.private.pa(),
            online: seen.online,
            runs: seen.runs,
            swept: seen.swept,
            pdbpool: seen.pdbpool.map(Frame::pa),
            pdbcnt: seen.pdbcnt,
            tmp: self.by.is_none().then_some(Temporary { index: GEOMETRY.ptx(frame), frame }),
            busy: self.by.is_some(),
        }
    }

    fn tlb(&self, n: usize) -> Option<impl Iterator<Item = Translation>> {
        let translations = self.machine.tlb(n).into_iter().map(|held| Translation {
            va: held.va,
            pa: held.pa,
            large: false,
            global: held.global,
            writable: held.write,
            user: held.user,
        });
        Some(translations)
    }

    fn processes(&self) -> usize {
        self.machine.processes()
    }

    fn process(&self, n: usize) -> Process {
        let seen = self.machine.see_process(n, self.by);
        Process {
            alive: seen.alive,
            pdb: seen.pdb.map(Frame::pa),
            mmuused: seen.mmuused.map(Frame::pa),
            mmufree: seen.mmufree.map(Frame::pa),
            kmaptable: seen.kmaptable.map(Frame::pa),
            nkmap: seen.nkmap,
            newtlb: seen.newtlb,
            busy: self.by.is_some(),
        }
    }

    fn page(&self, pa: u32) -> Option<Page> {
        self.machine.see_page(Frame::containing(pa)).map(|seen| Page {
            next: seen.next.map(Frame::pa),
            refs: seen.refs,
            daddr: seen.daddr,
            swept: seen.swept,
        })
    }

    fn pages(&self) -> impl Iterator<Item = u32> {
        self.machine.all_pages().into_iter().map(Frame::pa)
    }

    fn free(&self) -> impl Iterator<Item = u32> {
        self.machine.free_pages().into_iter().map(Frame::pa)
    }

    fn held(&self) -> impl Iterator<Item = u32> {
        self.machine.held_pages().into_iter().map(Frame::pa)
    }

    fn generation(&self) -> u32 {
        self.machine.generation(self.by)
    }

    fn pool_max(&self) -> u32 {
        POOL
    }
}
