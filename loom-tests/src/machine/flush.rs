//! What empties a TLB: loads of CR3, and INVLPG.

use mmu386::variant::Variant;

use super::tlb::Tlb;
use super::walker::Walked;
use super::{Cpu, Fault, GEOMETRY, Machine};
use crate::engine::{self, How, explorer, fence, hidden};

impl<V: Variant> Machine<V> {
    /// Drops some of what CPU `n` has cached, and walks again to all that can be walked. Most that goes comes
    /// back at once; only if not all does is the TLB changed.
    fn drops(&self, n: usize, drop: impl FnOnce(&mut Tlb)) {
        let before = self.cpu(n).tlb.clone();
        let mut kept = before.clone();
        drop(&mut kept);
        let mut refilled = kept.clone();
        let cr3 = self.cpu(n).cr3.look();
        self.walks(n, cr3);
        for slot in 0..GEOMETRY.entries() {
            self.each_walked(n, slot, self.directory_entry(n, cr3, slot), |walked| match walked {
                Walked::Table(pde) => {
                    refilled.add_upper(slot, pde);
                    self.walks(n, pde.frame());
                }
                Walked::Page(page) => refilled.add(page),
            });
        }
        let back = refilled.all().filter(|held| !kept.has(*held)).collect::<Vec<_>>();
        if refilled != before {
            self.cpu(n).tlb = refilled;
        }
        for translation in back {
            self.filled(n, translation);
        }
    }
}

impl<V: Variant> Cpu<V> {
    /// Drops what a load of CR3 drops, and walks again to all that can be walked \[M3\].
    pub(super) fn flush_tlb(&self) {
        if self.faulty(Fault::Cr3KeepsTlb) {
            self.machine.walk_everywhere(self.id());
        } else {
            self.drops(Tlb::drop_all_but_global);
        }
        let pages: Vec<u32> = self.machine.ledger().common().edges().collect();
        for va in pages {
            self.walks_meanwhile(va);
        }
    }

    /// Drops what INVLPG drops, and walks again. It leaves the translations of other pages as they
    /// are.
    pub(super) fn flush_page(&self, va: u32) {
        self.views();
        self.drops(|tlb| tlb.drop_page(va));
        if GEOMETRY.in_vmap(va) {
            self.walks_meanwhile(va);
        }
    }

    fn drops(&self, drop: impl FnOnce(&mut Tlb)) {
        let n = self.id();
        if engine::explored() {
            return self.machine.drops(n, drop);
        }
        let before = engine::watched().then(|| self.machine.cpu(n).tlb.clone());
        drop(&mut self.machine.cpu(n).tlb);
        self.machine.walk_everywhere(n);
        let Some(before) = before else { return };
        let now = self.machine.cpu(n).tlb.clone();
        for translation in before.all().filter(|held| !now.all().any(|h| h == *held)) {
            hidden("TLB", n, translation.va, How::Change);
            hidden("TLB", n, "all", How::Change);
        }
        for table in before.tables().filter(|table| now.ways_to(*table).ne(before.ways_to(*table)))
        {
            hidden("ways", n, table, How::Change);
        }
    }

    /// The TLB is flushed here, in the order of the explorer.
    pub(super) fn flushes(&self) {
        self.does_something();
        if engine::explored() {
            explorer::step(true);
        }
        self.points();
        self.announce_if_due();
        fence();
    }
}
