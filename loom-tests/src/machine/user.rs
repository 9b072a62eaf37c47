//! User memory: what programs do with it, and what must not be reached any more.

use auditor::Access;
use mmu386::arch::WordName::Entry as Name;
use mmu386::arch::{Arch, Owned};
use mmu386::entry::{Entry, PTEUSER, PTEVALID, PTEWRITE};
use mmu386::error::{KmapError, Mismatch, PutmmuError};
use mmu386::kmap;
use mmu386::layout::{BY2PG, BY2WD, Frame};
use mmu386::pool;
use mmu386::state::DEAD;
use mmu386::switch::{self, mmuleave};
use mmu386::user::{Ticket, checkmmu, fault_begins, mmurelease, putmmu};
use mmu386::variant::Variant;

use super::frames::is_page;
use super::{Cpu, GEOMETRY, IDLE_STACK, Machine};
use crate::counterexample::Op;
use crate::engine::{self, Held, How, Word, explorer, hidden};
use crate::oracle::{self, Property, audit};

impl<V: Variant> Cpu<V> {
    /// A fault of the process that is answered with device memory, which nobody takes away.
    pub fn map_user(&self, va: u32, pa: u32) -> Result<(), PutmmuError> {
        self.may_show_user(va, pa);
        self.call(|| self.map_found(va, pa, fault_begins(self)))
    }

    /// The current process may have what is at `pa` at `va`, until that is taken from it.
    pub fn may_show_user(&self, va: u32, pa: u32) {
        let up = self.up().expect("it is a process's").index;
        self.machine.ledger().common_mut().may_show(up, va, pa, Access::Write);
    }

    /// A fault is answered with what was found since it began. Whether the process may see it is for others
    /// to say.
    pub fn map_found(&self, va: u32, pa: u32, ticket: Ticket) -> Result<(), PutmmuError> {
        self.keeps_level("putmmu", || putmmu(self, va, pa | PTEWRITE, ticket))
    }

    /// Accesses a user address as a program would. Returns whether something was there.
    pub fn use_user(&self, va: u32) -> bool {
        explorer::step(false);
        self.points();
        self.note(Op::Access(va));
        self.machine.judge_user(self.id(), "uses its way");
        let there = self.machine.walk_now(self.id(), va).is_some();
        explorer::observe(there);
        there
    }

    /// What a program reads at an address of a page that newpage gave; `None` on a page fault.
    pub fn read_user(&self, va: u32) -> Option<u32> {
        let word = self.user_word(va)?;
        Some(self.load(word))
    }

    /// A program stores to such an address. Returns whether it could.
    pub fn write_user(&self, va: u32, value: u32) -> bool {
        let word = self.user_word(va);
        if let Some(word) = word {
            self.store(word, value);
        }
        word.is_some()
    }

    fn user_word(&self, va: u32) -> Option<&Word> {
        if !self.use_user(va) {
            return None;
        }
        let walked = self.machine.walk_now(self.id(), va)?;
        // No interrupt comes between a translation and its access \[M7\].
        self.arrived.set(true);
        let index = (va % BY2PG / BY2WD) as usize;
        Some(self.machine.memory.entry(Frame::containing(walked.pa), index))
    }

    /// What user mode could reach at `pa` is taken from it: no CPU may let it get there any more.
    pub fn taken_from_user(&self, pa: u32) {
        explorer::step(false);
        self.machine.ledger().common_mut().freed(pa);
        self.machine.expect_no_user_reaches(self.id());
    }

    /// A page that newpage gave is the model's, until it is given back.
    pub fn hold(&self, page: Frame) {
        self.machine.hold(page);
    }

    /// Gives such a page back.
    pub fn give_back(&self, page: Frame) {
        self.call(|| {
            self.page(page).refs.set(0);
            self.freepage(page);
        });
    }

    /// kmap, with the ledger told.
    pub fn kmap(&self, page: Frame) -> Result<u32, KmapError> {
        let va = self.keeps_level("kmap", || kmap::kmap(self, page))?;
        let up = self.up().expect("a process maps").index;
        if self.machine.ledger().common_mut().kmapped(up, va, page.pa()).is_some() {
            oracle::broken(
                Property::K1,
                &format!("kmap returned {va:#x}, which shows a page already"),
            );
        }
        Ok(va)
    }

    /// kunmap, with the ledger told.
    pub fn kunmap(&self, va: u32) {
        self.keeps_level("kunmap", || kmap::kunmap(self, va));
        let up = self.up().expect("a process unmaps").index;
        self.machine.ledger().common_mut().kunmapped(up, va);
    }

    /// The process gets a page directory, if it has none.
    pub fn upallocpdb(&self) {
        self.keeps_level("upallocpdb", || pool::upallocpdb(self));
    }

    /// flushmmu.
    pub fn flushmmu(&self) {
        self.keeps_level("flushmmu", || switch::flushmmu(self));
    }

    /// checkmmu.
    pub fn checkmmu(&self, va: u32, pa: u32) -> Result<(), Mismatch> {
        self.keeps_level("checkmmu", || checkmmu(self, va, pa))
    }

    /// The process needs its CPU no more, and lives on.
    pub fn finish(&self) {
        self.stop();
        self.gone.set(true);
    }

    /// The CPU, which has gone offline, stays so.
    pub fn stay_offline(&self) {
        self.gone.set(true);
    }

    /// The process leaves its CPU in set-up, and waits for one.
    pub fn stop(&self) {
        self.leave();
        self.vacate();
    }

    /// Sleeps for as long as the explorer likes, while its CPU idles and takes interrupts, and wakes
    /// on this CPU or another.
    pub fn sleep(&self) {
        self.sleep_and_wake(true);
    }

    /// The process dies: its CPU gives back what the MMU code holds for it, and idles.
    pub fn die(&self) {
        self.call(|| {
            self.splhi();
            let up = self.up().expect("a process dies once");
            mmuleave(self, IDLE_STACK);
            self.store(&up.state, DEAD);
            self.machine.ledger().common_mut().exited(up.index);
            mmurelease(self, up, IDLE_STACK);
            self.runs_otherwise();
            self.machine.cpu(self.id()).up.set(None);
            self.spllo();
            self.gone.set(true);
            self.vacate();
        });
    }

    /// The process dies, and is given back before its CPU has left it.
    pub fn die_in_place(&self) {
        self.call(|| {
            self.splhi();
            let up = self.up().expect("a process dies once");
            self.machine.ledger().common_mut().exited(up.index);
            mmurelease(self, up, IDLE_STACK);
            mmuleave(self, IDLE_STACK);
            self.store(&up.state, DEAD);
            self.runs_otherwise();
            self.machine.cpu(self.id()).up.set(None);
            self.spllo();
            self.gone.set(true);
            self.vacate();
        });
    }

    /// Whether a store makes a user page reachable in the directory that this CPU has loaded.
    pub(super) fn maps_user(&self, word: &Word, value: u32) -> bool {
        let both = PTEUSER | PTEVALID;
        value & both == both && self.machine.user_address(self.id(), word).is_some()
    }
}

impl<V: Variant> Machine<V> {
    /// CPU `n` is about to store an entry that maps a user page: which one its segment has, only the
    /// segment knows, but it must be one that newpage has given.
    pub(super) fn maps_page(&self, n: usize, word: &Word, value: u32) {
        let frame = Entry(value).frame();
        let (Some(va), Some(up)) = (self.user_address(n, word), self.cpu(n).up.look()) else {
            return;
        };
        if is_page(frame) && !self.memory.is_free(frame) {
            self.ledger().common_mut().may_show(up, va, frame.pa(), Access::Write);
            self.hold(frame);
        }
    }

    /// The user address of which a word is the page table entry in the directory that CPU `n` has
    /// loaded.
    pub(super) fn user_address(&self, n: usize, word: &Word) -> Option<u32> {
        let Name(table, index) = word.name() else { return None };
        let cr3 = self.cpu(n).cr3.look();
        let slot = (0..GEOMETRY.vmap).find(|&slot| {
            let pde = self.directory_entry(n, cr3, slot);
            pde.table() && pde.frame() == table
        })?;
        Some(GEOMETRY.base(slot) + index as u32 * BY2PG)
    }

    /// A page is about to be given back.
    pub(super) fn expect_nobody_reaches(&self, by: usize, frame: Frame) {
        let held = self.is_held(frame);
        for n in 0..self.config.cpus {
            if held || self.has_walked(n, frame) {
                self.looked_at_by(by, n);
            }
            if let Some(how) = self.walks_through(n, frame) {
                let pa = frame.pa();
                oracle::broken(
                    Property::P1,
                    &format!("page {pa:#x} is given back while cpu {n} {how}"),
                );
            }
        }
        self.ledger().common_mut().freed(frame.pa());
        if held {
            hidden("holders", 0, frame, How::Change);
            self.held().retain(|page| *page != frame);
        }
        if held {
            for n in 0..self.config.cpus {
                self.expect_not_reached(by, n, frame);
            }
        }
    }

    /// Pages that neither the MMU code nor the page allocator has: what user addresses have led to
    /// since newpage gave it, and what models hold.
    pub(super) fn held(&self) -> Held<'_, Vec<Frame>> {
        self.held.hold()
    }

    fn hold(&self, page: Frame) {
        hidden("holders", 0, page, How::Add);
        let mut held = self.held();
        if !held.contains(&page) {
            held.push(page);
        }
    }

    fn is_held(&self, page: Frame) -> bool {
        hidden("holders", 0, page, How::Look);
        self.held().contains(&page)
    }

    /// How many pages segments and models have, and are to have, if that is known and differs.
    pub fn left_over(&self) -> Option<(usize, usize)> {
        let left = self.held().len();
        self.config.left.filter(|&wanted| wanted != left).map(|wanted| (left, wanted))
    }

    fn expect_not_reached(&self, by: usize, n: usize, frame: Frame) {
        let reaches = |translation: &super::Translation| {
            translation.pa == frame.pa() && GEOMETRY.in_user(translation.va)
        };
        let cached = self.tlb(n).into_iter().find(reaches);
        // What others can walk to they have cached \[M3\].
        let walked = || {
            (0..GEOMETRY.vmap_base())
                .step_by(BY2PG as usize)
                .filter(|_| n == by || !engine::joins())
                .filter_map(|va| self.walk_now(n, va))
                .find(reaches)
        };
        if let Some(translation) = cached.or_else(walked) {
            let how = self.how_reached(n, translation.va);
            oracle::broken(
                Property::U1,
                &format!("a page is given back, and cpu {n} may use {translation} ({how})"),
            );
        }
    }

    fn expect_no_user_reaches(&self, by: usize) {
        for n in 0..self.config.cpus {
            self.looked_at_by(by, n);
            if n == by || !engine::joins() {
                self.judge_user(n, "can go");
            } else {
                self.judge_cached_user(n, "can go");
            }
        }
        audit::after_flush(self, by);
    }
}
