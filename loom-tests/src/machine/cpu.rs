//! A CPU as mmu386 sees it.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use mmu386::arch::{Arch, Feature, Spl, WordName};
use mmu386::event::Event;
use mmu386::gdt::{Descriptors, Selector};
use mmu386::layout::{BY2PG, Frame, Geometry};
use mmu386::patwc::IA32_PAT;
use mmu386::state::{Mach, Page, Proc, System};
use mmu386::variant::Variant;

use super::announce::Announcement;
use super::frames::{PAGES, TEXT};
use super::interrupts::Handler;
use super::quiet::Recording;
use super::{Fault, GEOMETRY, Machine, POOL};
use crate::counterexample::Op;
use crate::engine::{self, Access, Choice, OwnedCell, Sharing, Word, explorer, fence};
use crate::run;

/// A thread of control on the CPU that it runs on at the moment.
///
/// The kernel's `m` is a constant address that shows another page on each CPU; so is this handle.
pub struct Cpu<V: Variant> {
    pub(super) machine: Rc<Machine<V>>,
    id: Cell<usize>,
    /// Where `m` was first looked at; only for [`Fault::MachKept`].
    kept: Cell<usize>,
    /// An unforced clock tick arrives at one of the points where the coin is polled.
    pub(super) tick: Choice,
    pub(super) ticked: Cell<bool>,
    /// Where a process that sleeps wakes, counted from the CPU that it slept on.
    pub(super) wakes: Choice,
    /// The process is preempted at one of the points where the coin is polled.
    pub(super) preempt: Choice,
    pub(super) preempted: Cell<bool>,
    /// A device's interrupt arrives at one of the points where the coin is polled.
    pub(super) device: Choice,
    pub(super) handler: RefCell<Option<Handler<V>>>,
    pub(super) in_interrupt: Cell<bool>,
    /// The word that comes next was translated just now: no interrupt fits in between.
    pub(super) arrived: Cell<bool>,
    /// Loads cost no step: see [`super::quiet`].
    pub(super) silent: Cell<bool>,
    /// What the last tick has read, if it did nothing.
    pub(super) last_tick: RefCell<Vec<(Word, u32)>>,
    /// It has rested, and ticks have come meanwhile.
    pub(super) woken: Cell<bool>,
    /// Under loom: what it has last found counted in its word of [`Machine::stirs`].
    pub(super) stirs_seen: Cell<u32>,
    /// What the last tick that wrote nothing has read: as long as that is unchanged, so is its end.
    pub(super) idle_tick: RefCell<Vec<(Word, u32)>>,
    /// What the ledger is to hear with this thread's next step.
    pub(super) announcement: RefCell<Option<Announcement<V>>>,
    /// The thread's process has died, and somebody else may run on the CPU.
    pub(super) gone: Cell<bool>,
    /// Words that the current tick has read, and whether it has written any.
    pub(super) recording: RefCell<Option<Recording>>,
    pub(super) _variant: PhantomData<V>,
}

impl<V: Variant> Cpu<V> {
    pub(super) fn new(machine: Rc<Machine<V>>, id: usize) -> Self {
        Self {
            machine,
            id: Cell::new(id),
            kept: Cell::new(id),
            tick: Choice::new(0),
            ticked: Cell::new(false),
            wakes: Choice::new(0),
            preempt: Choice::new(0),
            preempted: Cell::new(false),
            device: Choice::new(0),
            handler: RefCell::new(None),
            in_interrupt: Cell::new(false),
            arrived: Cell::new(false),
            silent: Cell::new(false),
            last_tick: RefCell::default(),
            woken: Cell::new(false),
            stirs_seen: Cell::new(0),
            idle_tick: RefCell::new(Vec::new()),
            announcement: RefCell::default(),
            gone: Cell::new(false),
            recording: RefCell::new(None),
            _variant: PhantomData,
        }
    }

    /// The CPU that this thread runs on now.
    pub fn id(&self) -> usize {
        self.id.get()
    }

    pub(super) fn move_to(&self, cpu: usize) {
        // What a tick found on the CPU before says nothing of this one.
        self.forget_ticks();
        explorer::runs_on(cpu);
        self.id.set(cpu);
    }

    /// Whether the machine has this defect. Set-up is done by a machine without any.
    pub(super) fn faulty(&self, fault: Fault) -> bool {
        self.machine.fault == Some(fault) && self.machine.running.load(Relaxed)
    }

    pub(super) fn note(&self, op: Op) {
        self.machine.log.push(self.id(), op);
    }
}

impl<V: Variant> Arch for Cpu<V> {
    type Variant = V;
    type Word = Word;
    type Owned<T: Copy + 'static> = OwnedCell<T>;

    const GEOMETRY: Geometry = GEOMETRY;
    const PDBPOOL_MAX: u32 = POOL;

    fn word(name: WordName, value: u32) -> Word {
        Word::new(name, value, Sharing::Shared)
    }

    fn load(&self, word: &Word) -> u32 {
        let value = if self.silent.get() {
            if engine::joins() { engine::joined(|| word.load(self.id())) } else { word.now() }
        } else {
            self.walkers_come_first(word);
            self.before_access(word, Access::Load);
            let value = word.load_on(self.id());
            self.note(Op::Load(word.name(), value));
            value
        };
        if let Some(recording) = &mut *self.recording.borrow_mut() {
            recording.read.push((word.clone(), value));
        }
        value
    }

    fn store(&self, word: &Word, value: u32) {
        self.before_access(word, Access::Store);
        let maps = self.maps_user(word, value);
        if maps {
            // A CPU that looks at what user mode can reach here does so before or after.
            self.views();
            self.machine.maps_page(self.id(), word, value);
        }
        let (value, old) = self.marking(word, value, |value| word.store(value));
        self.note(Op::Store(word.name(), value));
        self.stored(word, value, old);
        if maps {
            self.machine.judge_user(self.id(), "can go");
        }
    }

    fn swap(&self, word: &Word, value: u32) -> u32 {
        let faulty = self.faulty(Fault::SwapNotLocked);
        self.walkers_come_first(word);
        self.before_access(word, if faulty { Access::Load } else { Access::Locked });
        if faulty {
            let old = word.load(self.id());
            self.stored(word, value, word.store(value));
            return old;
        }
        let (value, old) = self.marking(word, value, |value| word.swap(value));
        self.note(Op::Locked(word.name(), old, value));
        self.stored(word, value, Some(old));
        old
    }

    fn fetch_add(&self, word: &Word, value: u32) -> u32 {
        self.expect_no_entry(word);
        self.before_access(word, Access::Locked);
        let old = word.fetch_add(value);
        let new = old.wrapping_add(value);
        self.note(Op::Locked(word.name(), old, new));
        self.stored(word, new, Some(old));
        old
    }

    fn fence(&self) {
        self.points();
        fence();
    }

    fn nmach(&self) -> usize {
        self.machine.config.cpus
    }

    fn nproc(&self) -> usize {
        self.machine.config.procs
    }

    fn machno(&self) -> usize {
        if self.faulty(Fault::MachKept) {
            return self.kept.get();
        }
        // With interrupts on, a process may go on elsewhere before it reads the number,
        self.explored_points();
        self.expect_own_mach();
        let id = self.id();
        explorer::noticed(id as u64);
        // and before it uses it.
        self.points();
        id
    }

    fn mach(&self, n: usize) -> &Mach<Self> {
        &self.machine.machs[n]
    }

    fn proc(&self, n: usize) -> &Proc<Self> {
        &self.machine.procs[n]
    }

    fn up(&self) -> Option<&Proc<Self>> {
        let up = self.machine.cpu(self.id()).up.look();
        up.map(|n| &self.machine.procs[n])
    }

    fn system(&self) -> &System<Self> {
        &self.machine.system
    }

    fn page(&self, frame: Frame) -> &Page<Self> {
        // What names the page was read before; with interrupts on, it may name another one now.
        self.points();
        &self.machine.pages[frame.number() - PAGES]
    }

    fn splhi(&self) -> Spl {
        // The last moment at which an interrupt may arrive.
        self.last_point();
        let mut lo = self.machine.lo(self.id());
        let level = if *lo { Spl::Lo } else { Spl::Hi };
        *lo = *lo && self.faulty(Fault::SplhiIgnored);
        level
    }

    fn spllo(&self) -> Spl {
        let mut lo = self.machine.lo(self.id());
        let level = if *lo { Spl::Lo } else { Spl::Hi };
        *lo = true;
        level
    }

    fn splx(&self, level: Spl) {
        *self.machine.lo(self.id()) = level == Spl::Lo;
    }

    fn islo(&self) -> bool {
        *self.machine.lo(self.id()) && !self.faulty(Fault::SplhiIgnored)
    }

    fn getcr3(&self) -> Frame {
        self.explored_points();
        let cr3 = self.machine.cpu(self.id()).cr3.look();
        explorer::noticed(cr3.pa().into());
        cr3
    }

    fn putcr3(&self, pdb: Frame) {
        self.flushes();
        self.views();
        self.machine.cpu(self.id()).cr3.set(pdb);
        self.note(Op::Cr3(pdb.pa()));
        self.expect_own_mach();
        self.flush_tlb();
        self.machine.judge_user(self.id(), "can go");
        fence();
    }

    fn invlpg(&self, va: u32) {
        assert!(self.has(Feature::Invlpg), "cpu{}: INVLPG is no instruction here", self.id());
        self.flushes();
        self.note(Op::Invlpg(va));
        if !self.faulty(Fault::InvlpgKeepsTlb) {
            self.flush_page(va);
        }
        fence();
    }

    fn has(&self, feature: Feature) -> bool {
        self.machine.can(feature)
    }

    fn rdmsr(&self, msr: u32) -> Option<u64> {
        let known = msr == IA32_PAT && self.has(Feature::Pat);
        known.then(|| {
            let value = self.machine.cpu(self.id()).registers.pat;
            explorer::noticed(value);
            value
        })
    }

    fn wrmsr(&self, msr: u32, value: u64) {
        let known = msr == IA32_PAT && self.has(Feature::Pat);
        assert!(known, "cpu{}: no such MSR", self.id());
        self.machine.cpu(self.id()).registers.pat = value;
    }

    fn descriptors(&self) -> &Descriptors<Self> {
        explorer::noticed(self.id() as u64);
        &self.machine.descriptors[self.id()]
    }

    fn lgdt(&self, base: u32, limit: u16) {
        self.machine.cpu(self.id()).registers.gdt = Some((base, limit));
    }

    fn lidt(&self, limit: u16) {
        self.machine.cpu(self.id()).registers.idt = Some(limit);
    }

    fn ltr(&self, task: Selector) {
        self.machine.cpu(self.id()).registers.task = Some(task);
    }

    fn lldt(&self, table: Selector) {
        self.machine.cpu(self.id()).registers.ldt = Some(table);
    }

    fn freeldt(&self, base: u32) {
        self.machine.freed_ldts.hold().push(base);
    }

    fn text(&self) -> Range<u32> {
        let va = |number: usize| GEOMETRY.kzero_base() + number as u32 * BY2PG;
        va(TEXT.start)..va(TEXT.end)
    }

    #[track_caller]
    fn relax(&self, seen: &[(&Word, u32)]) {
        self.wait(seen);
    }

    fn kick(&self, cpu: usize) {
        self.points();
        self.note(Op::Kick(cpu));
        // Under the explorer interrupts come whenever they would find something \[M8\].
        if !engine::explored() {
            self.machine.stirs[cpu].fetch_add(1);
            self.machine.cpu(cpu).ipi.set(true);
        }
    }

    #[track_caller]
    fn sched(&self, seen: &[(&Word, u32)]) {
        // Upstream's vunmap waits so whatever its caller's level is.
        if seen.is_empty() {
            self.expect_to_sleep("sched");
        }
        self.give_way(seen);
    }

    fn at(&self, va: u32) -> &Word {
        self.word_at(va)
    }

    fn newpage(&self) -> Frame {
        self.expect_to_sleep("newpage");
        self.call(|| self.sleep_for_page())
    }

    fn freepage(&self, frame: Frame) {
        self.machine.expect_nobody_reaches(self.id(), frame);
        // Released before the page can be found, as newpage acquires before it looks.
        self.machine.palloc.pass();
        self.machine.memory.free(frame);
    }

    fn xspanalloc(&self) -> Option<u32> {
        let table = self.machine.memory.table()?;
        explorer::observe(table.pa());
        Some(GEOMETRY.kzero_base() + table.pa())
    }

    fn pagenumber(&self, frame: Frame) -> usize {
        frame.number() - PAGES
    }

    fn trace(&self, event: Event) {
        if let Event::Call(function) = event {
            if self.machine.running.load(Relaxed) {
                run::entered(function);
            }
            return explorer::advance();
        }
        explorer::advance();
        self.note(Op::Core(event));
    }
}
