//! The model machine: a few CPUs of a 386 whose MMU does everything the manual lets it do.
//!
//! Numbers in brackets, such as \[M3\], are rules of MODEL.md.

mod access;
mod announce;
mod cpu;
mod digest;
mod expect;
mod flush;
mod frames;
mod inspect;
mod interrupts;
mod marks;
mod memory;
mod own_stores;
mod quiet;
mod refusal;
mod schedule;
mod start;
mod tlb;
mod translate;
mod user;
mod waits;
mod walker;

pub use cpu::Cpu;
pub use frames::{device, role_of};
pub use marks::Marks;
pub use start::{Script, Wait};
pub use tlb::Translation;

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};

use mmu386::arch::{Arch, Feature, WordName};
use mmu386::gdt::{Descriptors, Selector};
use mmu386::layout::{BY2PG, Frame, Geometry};
use mmu386::state::{Mach, Page, Proc, System};
use mmu386::variant::{Fixes, Variant};

use crate::counterexample::{Counterexample, Log, Step};
use crate::engine::loom::learnt;
use crate::engine::{self, Held, Hidden, Part, Sharing, Word};
use crate::oracle::ledger::Ledger;
use memory::Memory;
use own_stores::OwnStores;
use tlb::Tlb;

/// Tables of eight entries: two slots of user memory, two of VMAP, then KMAP, VPT and KZERO. The
/// window shows more than the entries from KZERO on would: its translations are not in tables.
pub const GEOMETRY: Geometry = Geometry {
    table_bits: 3,
    vmap: 2,
    vmap_slots: 2,
    kmap: 4,
    vpt: 5,
    kzero: 6,
    window: frames::HIGH as u32 * BY2PG,
    tmp: 2 * BY2PG,
    mach: 3 * BY2PG,
};

/// Most page directories of a pool: the second one overflows it.
pub const POOL: u32 = 1;

/// A defect of the machine, put in to show that a model can fail. Each is what deleting or weakening
/// one kind of instruction everywhere in the core would do, or the kernel around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Fault {
    /// splhi does nothing.
    SplhiIgnored,
    /// swap is a load and a store.
    SwapNotLocked,
    /// A CR3 load leaves the TLB as it is.
    Cr3KeepsTlb,
    /// INVLPG leaves the TLB as it is.
    InvlpgKeepsTlb,
    /// `m` is kept over a sleep instead of being taken again.
    MachKept,
    /// Processes that hold locks are preempted, too.
    NlocksIgnored,
}

/// Which pages newpage gives out first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// Those that the window shows.
    InTheWindow,
    /// Those that it does not show, so that they have to be mapped at TMPADDR to be edited.
    AboveTheWindow,
}

/// What a machine is like, besides its variant.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// CPUs.
    pub cpus: usize,
    /// Process slots; process n, for n below `cpus`, starts on CPU n.
    pub procs: usize,
    /// How a CPU waits.
    pub wait: Wait,
    /// Which pages newpage gives out first.
    pub pages: Pages,
    /// Where C4 is not repaired, newpage gives cleared pages, so that C4 does not strike before what
    /// the model is about.
    pub spare_c4: bool,
    /// What the processors cannot do.
    pub lacks: &'static [Feature],
    /// When walkers set accessed and dirty bits.
    pub marks: Marks,
    /// CPUs that are through mmuinit before the first step. The others are as their boot code leaves them.
    pub ready: usize,
    /// Whether it breaks L2 if a thread is held back that could go on. Under the explorer alone.
    pub fair: bool,
    /// CPUs that are online before the first step, with interrupts on.
    pub online: usize,
    /// Pages that segments and models have when all is over, if the model knows: P1.
    pub left: Option<usize>,
}

impl Config {
    /// All CPUs up, waits that rest, pages in the window, C4 spared, processors that can do all,
    /// walkers that mark nothing.
    pub fn new(cpus: usize, procs: usize) -> Self {
        Self {
            cpus,
            procs,
            wait: Wait::Park,
            pages: Pages::InTheWindow,
            spare_c4: true,
            lacks: &[],
            marks: Marks::Never,
            ready: cpus,
            fair: false,
            online: cpus,
            left: None,
        }
    }
}

/// What a CPU's descriptor registers hold, as they were loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Registers {
    /// GDTR: base and limit.
    pub gdt: Option<(u32, u16)>,
    /// The limit in IDTR.
    pub idt: Option<u16>,
    /// The task register.
    pub task: Option<Selector>,
    /// LDTR.
    pub ldt: Option<Selector>,
    /// `IA32_PAT`.
    pub pat: u64,
}

/// A CPU's own state: no other CPU reads or writes it.
#[derive(Hash)]
struct CpuState {
    cr3: Hidden<Frame>,
    tlb: Tlb,
    /// Under loom: a shootdown IPI is pending.
    ipi: Hidden<bool>,
    up: Hidden<Option<usize>>,
    /// It may use VMAP.
    online: Hidden<bool>,
    registers: Registers,
}

/// A machine, made anew in each execution.
pub struct Machine<V: Variant> {
    config: Config,
    fault: Option<Fault>,
    machs: Vec<Mach<Cpu<V>>>,
    descriptors: Vec<Descriptors<Cpu<V>>>,
    procs: Vec<Proc<Cpu<V>>>,
    system: System<Cpu<V>>,
    /// Records of the frames from [`frames::PAGES`] on.
    pages: Vec<Page<Cpu<V>>>,
    memory: Memory,
    /// Per frame, the CPUs that could walk through it since newpage gave it, a bit each.
    walked: Vec<AtomicU32>,
    cpus: Vec<Part<CpuState>>,
    /// Whether a CPU has interrupts on.
    levels: Vec<Part<bool>>,
    /// What is on its way to memory, for the CPU's own walks.
    own_stores: Vec<Part<OwnStores>>,
    /// Counts the IPIs to a CPU, and the stores of others to what its stray ticks look at, so that
    /// they conflict, in loom's eyes, with its looks for an interrupt.
    stirs: Vec<Word>,
    /// Counts the changes of what a CPU has loaded and cached but for those by stores, so that they
    /// conflict, in loom's eyes, with looks at it, and with stores to entries.
    views: Vec<Word>,
    /// Nobody runs on the CPU.
    vacant: Vec<Word>,
    /// Orders threads that take and give pages.
    palloc: Word,
    /// Scripts that have not ended; the others idle until it is 0.
    busy: Word,
    /// Threads that have not left; the last one audits.
    present: AtomicUsize,
    /// Set-up is over: interrupts arrive.
    running: AtomicBool,
    log: Log,
    ledger: Part<Ledger>,
    /// Pages that neither the MMU code nor the page allocator has: what user addresses have led to
    /// since newpage gave it, and what models hold.
    held: Part<Vec<Frame>>,
    /// Per CPU, what the last tick has read that came while nobody ran there, if it did nothing.
    idle: Part<Vec<Vec<(Word, u32)>>>,
    /// Local descriptor tables that were given back.
    freed_ldts: Part<Vec<u32>>,
    /// What panics that are being waited for say.
    refusals: Part<Vec<&'static str>>,
}

/// Something that can tell what happened in the current execution.
trait Witness {
    fn steps(&self) -> Vec<Step>;
    fn waits(&self) -> Vec<String>;
    fn end(&self) -> Vec<String>;
    fn waits_for_panic(&self, text: &str) -> bool;
}

impl<V: Variant> Witness for Rc<Machine<V>> {
    fn steps(&self) -> Vec<Step> {
        self.log.steps()
    }

    fn waits(&self) -> Vec<String> {
        (0..self.config.cpus).flat_map(|n| self.log.waits(n)).collect()
    }

    fn end(&self) -> Vec<String> {
        (0..self.config.cpus).map(|n| self.describe_cpu(n)).collect()
    }

    fn waits_for_panic(&self, text: &str) -> bool {
        self.is_refusal(text)
    }
}

thread_local! {
    /// The machine of the current execution. All threads of the engine share one OS thread.
    static CURRENT: RefCell<Weak<dyn Witness>> = RefCell::new(Weak::<Rc<Machine<mmu386::variant::Seed>>>::new());
}

/// The current execution as a counterexample to `property`.
pub fn counterexample(property: &str, summary: &str) -> Counterexample {
    let witness = CURRENT.with(|current| current.borrow().upgrade());
    let (steps, end) = witness.map_or_else(Default::default, |w| (w.steps(), w.end()));
    Counterexample { summary: summary.into(), property: property.into(), steps, end }
}

/// Which CPU waits for which word, at the end of the current execution.
pub fn waits() -> Vec<String> {
    let witness = CURRENT.with(|current| current.borrow().upgrade());
    witness.map_or_else(Vec::new, |w| w.waits())
}

/// Whether the current execution waits for a panic of the code that says this.
pub fn waits_for_panic(text: &str) -> bool {
    let witness = CURRENT.with(|current| current.borrow().upgrade());
    witness.is_some_and(|w| w.waits_for_panic(text))
}

/// `IA32_PAT` as a processor starts (Intel SDM vol. 3, table 11-12).
const PAT_AT_RESET: u64 = 0x0007_0406_0007_0406;
/// The same with entry 7 write combining.
const PAT_AFTER_MMUINIT: u64 = 0x0107_0406_0007_0406;

/// Where a CPU's descriptor table lies: in a page of its own, behind the page that MACHADDR shows.
fn descriptors_at(n: usize) -> u32 {
    GEOMETRY.kzero_base() + frames::mach_page(n).pa() + 0x800
}

/// Top of a process's kernel stack.
fn kernel_stack(n: usize) -> u32 {
    0x8000_0000 + (n as u32 + 1) * BY2PG
}

/// Top of the stack that a CPU idles on (`(ulong)m + BY2PG`).
pub const IDLE_STACK: u32 = GEOMETRY.machaddr() + BY2PG;

impl<V: Variant> Machine<V> {
    /// A machine whose CPUs are online on their own page directories, with interrupts on, running
    /// nothing, but for those that are not up yet. `fault` is put in once set-up is over.
    pub fn boot(config: Config) -> Booted<V> {
        learnt::set_up_from_here();
        let garbage = !config.spare_c4 || V::FIXES.has(Fixes::C4);
        let global = !config.lacks.contains(&Feature::Pge);
        let memory = Memory::new(config.cpus, config.ready, config.pages, garbage, global);
        let word = |what, n, value| Word::new(WordName::Other(what, n), value, Sharing::Shared);
        let hint = |what, n, value| Word::new(WordName::Other(what, n), value, Sharing::Hint);
        let machine = Rc::new(Self {
            config,
            fault: crate::run::fault(),
            machs: (0..config.cpus).map(|n| Mach::new(n, frames::mach_pdb(n))).collect(),
            descriptors: (0..config.cpus).map(|n| Descriptors::new(descriptors_at(n))).collect(),
            procs: (0..config.procs).map(|n| Proc::new(n, kernel_stack(n))).collect(),
            system: System::new(),
            pages: (frames::PAGES..frames::FRAMES).map(|_| Page::new()).collect(),
            memory,
            walked: (0..frames::FRAMES).map(|_| AtomicU32::new(0)).collect(),
            cpus: (0..config.cpus)
                .map(|n| {
                    let state = CpuState {
                        cr3: Hidden::new("CR3", n, frames::mach_pdb(n)),
                        tlb: Tlb::default(),
                        ipi: Hidden::new("IPI", n, false),
                        up: Hidden::new("up", n, None),
                        online: Hidden::new("online", n, false),
                        registers: Registers { pat: PAT_AT_RESET, ..Registers::default() },
                    };
                    Part::new(digest::cpu(n), state)
                })
                .collect(),
            levels: (0..config.cpus).map(|n| Part::new(digest::level(n), false)).collect(),
            own_stores: (0..config.cpus).map(own_stores::none).collect(),
            stirs: (0..config.cpus).map(|n| hint("stirs", n, 0)).collect(),
            views: (0..config.cpus).map(|n| hint("views", n, 0)).collect(),
            vacant: (0..config.cpus)
                .map(|n| word("vacancy", n, u32::from(n < config.online)))
                .collect(),
            palloc: word("page allocator", 0, 0),
            busy: hint("unfinished work", 0, 0),
            present: AtomicUsize::new(0),
            running: AtomicBool::new(false),
            log: Log::default(),
            ledger: Part::new(digest::LEDGER, Ledger::default()),
            held: Part::new(digest::HELD, Vec::new()),
            idle: Part::new(digest::IDLE, vec![Vec::new(); config.cpus]),
            freed_ldts: Part::new(digest::FREED_LDTS, Vec::new()),
            refusals: Part::new(digest::REFUSALS, Vec::new()),
        });
        let witness: Rc<dyn Witness> = Rc::new(machine.clone());
        CURRENT.with(|current| *current.borrow_mut() = Rc::downgrade(&witness));
        for n in 0..config.ready {
            machine.cpu(n).registers.pat = PAT_AFTER_MMUINIT;
        }
        for n in 0..config.cpus {
            machine.walk_everywhere(n);
        }
        for n in 0..config.online {
            let cpu = Cpu::new(machine.clone(), n);
            cpu.go_online();
            cpu.spllo();
        }
        Booted { machine, _witness: witness }
    }

    /// Set-up is over.
    fn is_running(&self) -> bool {
        self.running.load(Relaxed)
    }

    /// Scripts that have not ended. As written, a look costs no step as long as there are any.
    fn unfinished(&self, by: usize) -> u32 {
        match self.busy.peek() {
            0 => self.busy.load(by),
            _ if engine::explored() || engine::joins() => self.busy.load(by),
            busy => busy,
        }
    }

    fn cpu(&self, n: usize) -> Held<'_, CpuState> {
        self.cpus[n].hold()
    }

    /// Whether CPU `n` has interrupts on.
    fn lo(&self, n: usize) -> Held<'_, bool> {
        self.levels[n].hold()
    }

    /// What is known of which process may reach what.
    pub fn ledger(&self) -> Held<'_, Ledger> {
        self.ledger.hold()
    }

    fn describe_cpu(&self, n: usize) -> String {
        let cpu = self.cpu(n);
        let pdb = role_of(cpu.cr3.peek()).unwrap_or_else(|| "an unknown frame".into());
        let runs = cpu.up.peek().map_or("idle".into(), |p| format!("runs process {p}"));
        let level = if *self.lo(n) { "on" } else { "off" };
        drop(cpu);
        let cached = self.tlb(n).into_iter().filter(|held| {
            held.va < GEOMETRY.vmap_end() || self.walk_now(n, held.va) != Some(*held)
        });
        let cached: Vec<String> = cached.map(|held| held.to_string()).collect();
        let cached = if cached.is_empty() { "nothing of note".into() } else { cached.join(", ") };
        format!("cpu {n}: {runs}, interrupts {level}, CR3 = {pdb}, TLB may hold {cached}")
    }
}

/// A machine in set-up. Dropped at the end of the execution's first thread.
pub struct Booted<V: Variant> {
    machine: Rc<Machine<V>>,
    _witness: Rc<dyn Witness>,
}
