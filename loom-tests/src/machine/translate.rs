//! Addresses of the kernel: the window, TMPADDR, KMAP and the VPT.

use mmu386::layout::{BY2PG, BY2WD, Frame};
use mmu386::variant::Variant;

use super::frames::second_table;
use super::tlb::page_of;
use super::{Cpu, GEOMETRY};
use crate::engine::Word;
use crate::oracle::{self, Property};

impl<V: Variant> Cpu<V> {
    /// The word at an address. A page fault is taken here, and an interrupt comes before the
    /// translation, never between it and the access \[M7\].
    pub(super) fn word_at(&self, va: u32) -> &Word {
        let index = (va % BY2PG / BY2WD) as usize;
        let page = page_of(va);
        if page >= GEOMETRY.kzero_base() && page != GEOMETRY.tmpaddr() {
            let pa = page - GEOMETRY.kzero_base();
            let shown = pa < GEOMETRY.window && self.shows_window(page);
            assert!(shown, "cpu{}: page fault at {va:#x}", self.id());
            return self.machine.memory.entry(Frame::containing(pa), index);
        }
        self.last_point();
        self.arrived.set(true);
        self.machine.memory.entry(self.shown_at(page), index)
    }

    /// Whether the loaded directory has what it should where it has an entry for a page of the window
    /// at all.
    fn shows_window(&self, page: u32) -> bool {
        let beyond = page - GEOMETRY.kzero_base() >= 2 * GEOMETRY.large_page();
        let second = GEOMETRY.pdx(page) > GEOMETRY.kzero;
        let cr3 = self.machine.cpu(self.id()).cr3.look();
        let pde = || self.machine.directory_entry(self.id(), cr3, GEOMETRY.pdx(page));
        beyond || !second || (pde().table() && pde().frame() == second_table())
    }

    /// The frame that a page of addresses shows. What the tables say now is what the TLB must say.
    fn shown_at(&self, page: u32) -> Frame {
        let walked = self.machine.walk_now(self.id(), page);
        let stale = {
            let differs = |pa| walked.is_none_or(|walked| walked.pa != pa);
            self.machine.cached(self.id(), page).into_iter().find(|cached| differs(cached.pa))
        };
        if let Some(stale) = stale {
            let property = if GEOMETRY.in_kmap(page) { Property::K1 } else { Property::T1 };
            let id = self.id();
            let now = match walked {
                Some(walked) => format!("to {:#x} now", walked.pa),
                None => "nowhere now".into(),
            };
            oracle::broken(
                property,
                &format!("cpu {id} may still use {stale}, which the tables lead {now}"),
            );
        }
        match walked {
            Some(walked) => Frame::containing(walked.pa),
            None => panic!("cpu{}: page fault at {page:#x}", self.id()),
        }
    }
}
