//! What mmu386 asks of a machine, answered by this one.

use std::ops::Range;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::fence;

use mmu386::arch::{Arch, Feature, Owned, Spl, WordName};
use mmu386::event::Event;
use mmu386::gdt::{Descriptors, Selector};
use mmu386::layout::{BY2PG, BY2WD, Frame, Geometry, PC386};
use mmu386::patwc::IA32_PAT;
use mmu386::state::{Mach, Page, Proc, System};
use mmu386::variant::Variant;

use crate::cpu::Cpu;
use crate::drive::Drive;
use crate::log::Happening;
use crate::memory::{TEXT, TEXT_PAGES};
use crate::owned::OwnedCell;
use crate::walker::Mode;
use crate::word::Word;

impl<V: Variant> Cpu<V> {
    /// Something may happen before an access, unless its address was just translated.
    fn before_access(&self) {
        if !self.translated.replace(false) {
            self.point();
        }
    }

    fn has_pat(&self, msr: u32) -> bool {
        self.machine().config.features.pat && msr == IA32_PAT
    }
}

impl<V: Variant> Arch for Cpu<V> {
    type Variant = V;
    type Word = Word;
    type Owned<T: Copy + 'static> = OwnedCell<T>;

    const GEOMETRY: Geometry = PC386;

    fn word(name: WordName, value: u32) -> Word {
        Word::new(name, value)
    }

    fn load(&self, word: &Word) -> u32 {
        self.before_access();
        word.value.load(Acquire)
    }

    fn store(&self, word: &Word, value: u32) {
        self.before_access();
        if let Some(drive) = self.machine().drive.lockstep() {
            drive.stores(word, value);
        }
        word.value.store(value, Release);
    }

    fn swap(&self, word: &Word, value: u32) -> u32 {
        self.before_access();
        let old = word.value.swap(value, SeqCst);
        if let Some(drive) = self.machine().drive.lockstep() {
            drive.swapped(word, old, value);
        }
        old
    }

    fn fetch_add(&self, word: &Word, value: u32) -> u32 {
        self.before_access();
        if let Some(drive) = self.machine().drive.lockstep() {
            drive.changed();
        }
        word.value.fetch_add(value, SeqCst)
    }

    fn fence(&self) {
        self.point();
        fence(SeqCst);
    }

    fn nmach(&self) -> usize {
        self.machine().config.cpus
    }

    fn nproc(&self) -> usize {
        self.machine().config.procs
    }

    fn machno(&self) -> usize {
        self.expect_own_mach();
        self.touches();
        self.id()
    }

    fn mach(&self, n: usize) -> &Mach<Self> {
        &self.machine().machs[n]
    }

    fn proc(&self, n: usize) -> &Proc<Self> {
        &self.machine().procs[n]
    }

    fn up(&self) -> Option<&Proc<Self>> {
        self.touches();
        self.state().up().map(|n| &self.machine().procs[n])
    }

    fn system(&self) -> &System<Self> {
        &self.machine().system
    }

    fn page(&self, frame: Frame) -> &Page<Self> {
        match self.machine().memory.number(frame) {
            Some(n) => &self.machine().pages[n],
            None => {
                panic!("cpu{}: no page of the allocator is at {:#010x}", self.id(), frame.pa())
            }
        }
    }

    fn splhi(&self) -> Spl {
        self.set_level(Spl::Hi)
    }

    fn spllo(&self) -> Spl {
        self.set_level(Spl::Lo)
    }

    fn splx(&self, level: Spl) {
        self.set_level(level);
    }

    fn islo(&self) -> bool {
        self.state().lo()
    }

    fn getcr3(&self) -> Frame {
        self.state().cr3()
    }

    fn putcr3(&self, pdb: Frame) {
        self.point();
        let state = self.state();
        {
            let mut tlb = state.tlb.lock();
            state.cr3.store(pdb.pa(), SeqCst);
            tlb.load_cr3();
        }
        fence(SeqCst);
        self.machine().log.push(self.id(), Happening::Cr3(pdb.pa()));
        self.expect_own_mach();
    }

    fn invlpg(&self, va: u32) {
        self.point();
        self.state().tlb.lock().invlpg(va);
        fence(SeqCst);
        self.machine().log.push(self.id(), Happening::Invlpg(va));
    }

    fn has(&self, feature: Feature) -> bool {
        let features = &self.machine().config.features;
        match feature {
            Feature::Invlpg => features.invlpg,
            Feature::Pse => features.pse,
            Feature::Pge => features.pge,
            Feature::Pat => features.pat,
        }
    }

    fn rdmsr(&self, msr: u32) -> Option<u64> {
        self.has_pat(msr).then(|| self.state().pat.load(Relaxed))
    }

    fn wrmsr(&self, msr: u32, value: u64) {
        assert!(self.has_pat(msr), "cpu{}: wrmsr: there is no MSR {msr:#x}", self.id());
        assert!(!self.islo(), "cpu{}: wrmsr with interrupts on", self.id());
        self.state().pat.store(value, Relaxed);
    }

    fn descriptors(&self) -> &Descriptors<Self> {
        self.touches();
        &self.machine().descriptors[self.id()]
    }

    fn lgdt(&self, base: u32, limit: u16) {
        self.state().registers.lock().gdt = Some((base, limit));
    }

    fn lidt(&self, limit: u16) {
        self.state().registers.lock().idt = Some(limit);
    }

    fn ltr(&self, task: Selector) {
        self.state().registers.lock().task = task;
    }

    fn lldt(&self, table: Selector) {
        self.state().registers.lock().ldt = table;
    }

    fn freeldt(&self, base: u32) {
        self.machine().free_ldt(base);
    }

    fn text(&self) -> Range<u32> {
        let first = PC386.kzero_base() + TEXT;
        first..first + TEXT_PAGES * BY2PG
    }

    fn relax(&self, seen: &[(&Word, u32)]) {
        self.wait(seen);
    }

    fn kick(&self, cpu: usize) {
        self.point();
        self.machine().log.push(self.id(), Happening::Kick(cpu));
        self.machine().cpus[cpu].ipi.store(true, SeqCst);
        if let Drive::Threads(threads) = &self.machine().drive {
            threads.wake(cpu);
        }
    }

    fn sched(&self, seen: &[(&Word, u32)]) {
        self.expect_may_sleep("sched");
        self.sleep();
        if !seen.is_empty() {
            self.wait(seen);
        }
    }

    fn at(&self, va: u32) -> &Word {
        if !self.translated.get() {
            self.point();
        }
        self.translated.set(true);
        let pa = self.physical(va);
        let index = (pa % BY2PG / BY2WD) as usize;
        match self.machine().memory.words(Frame::containing(pa)) {
            Some(words) => &words[index],
            None => panic!("cpu{}: nothing is at {pa:#010x}, va={va:#010x}", self.id()),
        }
    }

    fn newpage(&self) -> Frame {
        self.expect_may_sleep("newpage");
        if self.machine().drive.newpage_sleeps() {
            self.sleep();
        }
        let page = self.machine().drive.page(self);
        self.page(page).refs.set(1);
        page
    }

    fn freepage(&self, frame: Frame) {
        let refs = self.page(frame).refs.peek();
        assert_eq!(refs, 0, "cpu{}: freepage: {:#010x} is in use", self.id(), frame.pa());
        let machine = self.machine();
        // Nobody may see it from here on.
        machine.let_go(frame);
        machine.ledger().freed(frame.pa());
        machine.memory.give(frame);
        if let Drive::Threads(threads) = &machine.drive {
            threads.page_freed();
        }
    }

    fn xspanalloc(&self) -> Option<u32> {
        self.machine().memory.table().map(|table| PC386.kzero_base() + table.pa())
    }

    fn pagenumber(&self, frame: Frame) -> usize {
        let number = self.machine().memory.number(frame);
        number.unwrap_or_else(|| panic!("pagenumber: {:#010x} is not a page", frame.pa()))
    }

    fn trace(&self, event: Event) {
        if let Event::Call(function) = event {
            self.machine().called(function);
        } else {
            self.machine().log.push(self.id(), Happening::Core(event));
            if let Drive::Threads(threads) = &self.machine().drive {
                threads.event();
            }
        }
        if let Event::Unmapped { .. } = event {
            self.unmapped();
        }
        self.tell_hook(event);
    }
}

impl<V: Variant> Cpu<V> {
    /// MACHADDR is read through the loaded page directory; it must show this CPU's page (U2).
    #[track_caller]
    fn expect_own_mach(&self) {
        let pdb = self.getcr3();
        let id = self.id();
        match self.machine().mach_shown_by(pdb) {
            Some(n) if n == id => {}
            Some(n) => {
                panic!(
                    "cpu{id}: U2: the page directory {:#010x} shows the Mach of cpu{n}",
                    pdb.pa()
                )
            }
            None => panic!("cpu{id}: U2: the page directory {:#010x} shows no Mach", pdb.pa()),
        }
    }

    /// Translates an address of the kernel for an access of the core's.
    fn physical(&self, va: u32) -> u32 {
        let g = &PC386;
        if let Some(pa) = va.checked_sub(g.kzero_base())
            && va & !(BY2PG - 1) != g.tmpaddr()
        {
            return pa;
        }
        if va < g.kmap_base() {
            panic!("cpu{}: va={va:#010x} is not the core's to access", self.id());
        }
        match self.access(va, false, Mode::Kernel) {
            Ok(pa) => pa,
            Err(fault) => panic!("cpu{}: page fault at va={va:#010x}: {fault}", self.id()),
        }
    }

    #[track_caller]
    fn expect_may_sleep(&self, who: &str) {
        let id = self.id();
        assert!(self.islo(), "cpu{id}: {who} with interrupts off");
        if let Some(up) = self.up() {
            let locks = up.nlocks.get();
            assert_eq!(locks, 0, "cpu{id}: {who} with {locks} locks held");
        }
    }

    fn tell_hook(&self, event: Event) {
        let machine = self.machine();
        if !machine.has_hook.load(Relaxed) {
            return;
        }
        // Out of the lock while it runs, so that what it does tells it nothing.
        let Some(mut hook) = machine.hook.lock().take() else { return };
        self.paused(|| hook(self, event));
        let mut slot = machine.hook.lock();
        if slot.is_none() && machine.has_hook.load(Relaxed) {
            *slot = Some(hook);
        }
    }
}
