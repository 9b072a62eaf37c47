//! What a CPU may have cached.
//!
//! A TLB may hold any translation that could be walked at any moment since it was last flushed, and
//! no program can tell which \[M3\]. More entries never make a program right, so the worst TLB is the
//! one that holds them all; the model has that one, and needs no choice to get there.

use std::fmt;

use mmu386::entry::Entry;
use mmu386::layout::BY2PG;

use super::{Cpu, GEOMETRY, Machine};
use crate::counterexample::Op;
use crate::engine::Word;
use crate::oracle::{self, Property};
use mmu386::arch::{Arch, WordName};
use mmu386::variant::Variant;

/// The translations that a CPU may use: pairs of virtual page and physical page.
#[derive(Default)]
pub struct Tlb(Vec<(u32, u32)>);

impl Tlb {
    /// The translations of a page.
    pub fn lookup(&self, va: u32) -> impl Iterator<Item = u32> {
        let page = va & !(BY2PG - 1);
        self.0.iter().filter(move |entry| entry.0 == page).map(|entry| entry.1)
    }

    /// All translations.
    pub fn all(&self) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().copied()
    }
}

impl fmt::Display for Tlb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing of VMAP");
        }
        for (i, (va, pa)) in self.0.iter().enumerate() {
            write!(f, "{}{va:#x} -> {pa:#x}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl<V: Variant> Machine<V> {
    /// CPU `n` may have the translation from here on. It must be one that may be used.
    pub(super) fn fill(&self, n: usize, va: u32, pa: u32) {
        let (va, pa) = (va & !(BY2PG - 1), pa & !(BY2PG - 1));
        let mut cpu = self.cpu(n);
        if cpu.tlb.0.contains(&(va, pa)) {
            return;
        }
        cpu.tlb.0.push((va, pa));
        drop(cpu);
        self.log.push(n, Op::Fill(va, pa));
        let allowed = self.ledger.lock().expect("no panic while it is held").allows(va, pa);
        if !allowed {
            let how = self.how_reached(n, va);
            oracle::broken(
                Property::V1,
                &format!(
                    "cpu {n} walks to {pa:#x} through {va:#x}, which vunmap took away ({how})"
                ),
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
        let master = Entry(self.memory.entry(super::memory::mach_pdb(0), index).now());
        if cr3 == super::memory::mach_pdb(0) && own.large() {
            "the entry is back in the master".into()
        } else if own.large() && own.frame() != master.frame() {
            "a stale large entry is left in its page directory".into()
        } else if up.is_none() {
            "its TLB; the CPU is idle".into()
        } else {
            "its TLB".into()
        }
    }

    /// An entry of a table is about to lose the value `old`: whoever could walk it until now may
    /// have done so \[M4\].
    pub(super) fn overwritten(&self, word: &Word, old: u32) {
        let WordName::Entry(table, index) = word.name() else { return };
        let old = Entry(old);
        if !old.valid() {
            return;
        }
        let vmap = GEOMETRY.vmap..GEOMETRY.vmap + GEOMETRY.vmap_slots;
        for n in 0..self.config.cpus {
            let cr3 = self.cpu(n).cr3;
            if cr3 == table && vmap.contains(&index) && old.large() {
                for page in 0..GEOMETRY.entries() as u32 {
                    let (va, pa) = (GEOMETRY.base(index), old.frame().pa());
                    if self.of_interest(va + page * BY2PG) {
                        self.fill(n, va + page * BY2PG, pa + page * BY2PG);
                    }
                }
            }
            for slot in vmap.clone() {
                let pde = Entry(self.memory.entry(cr3, slot).now());
                if pde.table() && pde.frame() == table {
                    self.fill(n, GEOMETRY.base(slot) + index as u32 * BY2PG, old.frame().pa());
                }
            }
        }
    }

    /// Whether a page was ever given out: others cannot go stale.
    fn of_interest(&self, va: u32) -> bool {
        self.ledger.lock().expect("no panic while it is held").pages().any(|page| page == va)
    }
}

impl<V: Variant> Cpu<V> {
    /// Drops what a flush drops, and walks again to all that can be walked \[M3\].
    pub(super) fn flush_tlb(&self, only: Option<u32>) {
        let machine = &self.machine;
        if !self.faulty(super::Fault::Cr3KeepsTlb) {
            let page = only.map(|va| va & !(BY2PG - 1));
            machine.cpu(self.id()).tlb.0.retain(|e| page.is_some_and(|page| e.0 != page));
        }
        machine.flushes[self.id()].fetch_add(1);
        let pages: Vec<u32> =
            machine.ledger.lock().expect("no panic while it is held").pages().collect();
        for va in pages {
            self.speculate(va);
        }
    }

    /// Walks to a page as a speculative access would: silently.
    pub(super) fn speculate(&self, va: u32) {
        let pde = Entry(self.walk_load(self.machine.memory.entry(self.getcr3(), GEOMETRY.pdx(va))));
        if pde.large() {
            let offset = va % GEOMETRY.large_page();
            self.machine.fill(self.id(), va, pde.frame().pa() + offset);
        } else if pde.table() {
            let pte = self.machine.memory.entry(pde.frame(), GEOMETRY.ptx(va));
            let pte = Entry(self.walk_load(pte));
            if pte.valid() {
                self.machine.fill(self.id(), va, pte.frame().pa());
            }
        }
    }

    /// A load by the walker: a step of the interleaving like any other, but no interrupt can come
    /// before it, and nothing orders it.
    fn walk_load(&self, word: &Word) -> u32 {
        word.load()
    }
}
