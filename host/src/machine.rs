//! The machine: what its CPUs share.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use mmu386::event::Event;
use mmu386::function::Function;
use mmu386::gdt::{Descriptors, Selector};
use mmu386::layout::{BY2PG, Frame, MAXMACH, PC386};
use mmu386::state::{Mach, Page, Proc, System};
use mmu386::variant::Variant;
use parking_lot::Mutex;

use crate::audit_view::Books;
use crate::config::Config;
use crate::cpu::Cpu;
use crate::drive::Drive;
use crate::log::{Happening, Log};
use crate::memory::{Memory, mach_pdb};
use crate::owned::{Owner, made_for};
use crate::tlb::{Tlb, Translation};

/// Registers that the core loads and nothing here depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    /// GDTR: address and limit.
    pub gdt: Option<(u32, u16)>,
    /// Limit of IDTR.
    pub idt: Option<u16>,
    /// The task register.
    pub task: Selector,
    /// LDTR.
    pub ldt: Selector,
}

/// A CPU's own state.
pub(crate) struct CpuState {
    pub cr3: AtomicU32,
    pub lo: AtomicBool,
    /// 1 more than the process that it runs, or 0.
    up: AtomicUsize,
    pub tlb: Mutex<Tlb>,
    /// A shootdown IPI is pending.
    pub ipi: AtomicBool,
    /// IA32_PAT.
    pub pat: AtomicU64,
    pub registers: Mutex<Registers>,
}

/// IA32_PAT as the processor comes up (Intel SDM vol. 3, 11.12.4).
const PAT_AT_RESET: u64 = 0x0007_0406_0007_0406;

impl CpuState {
    fn new(n: usize) -> Self {
        let (task, ldt) = (Selector::NULL, Selector::NULL);
        Self {
            cr3: AtomicU32::new(mach_pdb(n).pa()),
            lo: AtomicBool::new(false),
            up: AtomicUsize::new(0),
            tlb: Mutex::default(),
            ipi: AtomicBool::new(false),
            pat: AtomicU64::new(PAT_AT_RESET),
            registers: Mutex::new(Registers { gdt: None, idt: None, task, ldt }),
        }
    }

    pub fn cr3(&self) -> Frame {
        Frame::containing(self.cr3.load(Ordering::SeqCst))
    }

    pub fn up(&self) -> Option<usize> {
        self.up.load(Ordering::SeqCst).checked_sub(1)
    }

    pub fn set_up(&self, up: Option<usize>) {
        self.up.store(up.map_or(0, |n| n + 1), Ordering::SeqCst);
    }

    pub fn lo(&self) -> bool {
        self.lo.load(Ordering::Relaxed)
    }
}

/// Pages that walks for no reason go to: those that were in use last.
const INTERESTING: usize = 64;

/// What is called at each event of the core.
pub(crate) type Hook<V> = Box<dyn FnMut(&Cpu<V>, Event) + Send>;

/// A machine of some CPUs. Its handles are [`Cpu`]s.
pub struct Machine<V: Variant> {
    pub(crate) config: Config,
    pub(crate) machs: Vec<Mach<Cpu<V>>>,
    pub(crate) procs: Vec<Proc<Cpu<V>>>,
    pub(crate) descriptors: Vec<Descriptors<Cpu<V>>>,
    pub(crate) system: System<Cpu<V>>,
    pub(crate) pages: Vec<Page<Cpu<V>>>,
    pub(crate) memory: Memory,
    pub(crate) cpus: Vec<CpuState>,
    pub(crate) drive: Drive,
    pub(crate) log: Log,
    interesting: Mutex<Vec<u32>>,
    pub(crate) hook: Mutex<Option<Hook<V>>>,
    pub(crate) has_hook: AtomicBool,
    freed_ldts: Mutex<Vec<u32>>,
    pub(crate) books: Books,
    calls: Vec<AtomicU64>,
}

/// Address of the descriptors of CPU `n`.
fn descriptors_at(n: usize) -> u32 {
    PC386.kzero_base() + 0x2_0000 + n as u32 * 0x400
}

/// Top of the kernel stack of process `n`.
fn kernel_stack(n: usize) -> u32 {
    PC386.kzero_base() + 0x8_0000 + (n as u32 + 1) * BY2PG
}

impl<V: Variant> Machine<V> {
    /// A machine whose CPUs have not begun to run: each has interrupts off and a page directory that
    /// maps nothing.
    pub(crate) fn new(config: Config, drive: Drive) -> Arc<Self> {
        // One more than mmu386 takes, which is for it to say.
        assert!((1..=MAXMACH + 1).contains(&config.cpus), "a machine has 1 to {MAXMACH} CPUs");
        let cpus = config.cpus;
        let with_digest = drive.lockstep().is_some();
        let page = || made_for(Owner::Unknown, Page::new);
        Arc::new(Self {
            config,
            machs: (0..cpus)
                .map(|n| made_for(Owner::Cpu(n), || Mach::new(n, mach_pdb(n))))
                .collect(),
            procs: (0..config.procs)
                .map(|n| made_for(Owner::Proc(n), || Proc::new(n, kernel_stack(n))))
                .collect(),
            descriptors: (0..cpus)
                .map(|n| made_for(Owner::Cpu(n), || Descriptors::new(descriptors_at(n))))
                .collect(),
            system: System::new(),
            pages: (0..config.pages + config.pages_above).map(|_| page()).collect(),
            memory: Memory::new(&config),
            cpus: (0..cpus).map(CpuState::new).collect(),
            drive,
            log: Log::new(cpus, with_digest),
            interesting: Mutex::default(),
            hook: Mutex::new(None),
            has_hook: AtomicBool::new(false),
            freed_ldts: Mutex::default(),
            books: Books::default(),
            calls: Function::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
        })
    }

    /// The machine's size and nature.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The state of CPU `n`, for onlookers.
    pub fn mach(&self, n: usize) -> &Mach<Cpu<V>> {
        &self.machs[n]
    }

    /// A thread of control on CPU `n`: of the process that runs there, or of the CPU itself.
    pub fn cpu(self: &Arc<Self>, n: usize) -> Cpu<V> {
        Cpu::new(self.clone(), n)
    }

    /// The CPU that runs process `n`, as a thread of control of it.
    pub fn running(self: &Arc<Self>, n: usize) -> Option<Cpu<V>> {
        let cpu = self.cpus.iter().position(|cpu| cpu.up() == Some(n))?;
        Some(self.cpu(cpu))
    }

    /// The process that CPU `n` runs.
    pub fn up(&self, n: usize) -> Option<usize> {
        self.cpus[n].up()
    }

    /// What the TLB of CPU `n` holds.
    pub fn tlb(&self, n: usize) -> Vec<Translation> {
        self.cpus[n].tlb.lock().entries().to_vec()
    }

    /// What CPU `n` has loaded of descriptor tables.
    pub fn registers(&self, n: usize) -> Registers {
        *self.cpus[n].registers.lock()
    }

    /// The page attribute table of CPU `n`.
    pub fn pat(&self, n: usize) -> u64 {
        self.cpus[n].pat.load(Ordering::Relaxed)
    }

    /// Whether an IPI is pending on CPU `n`.
    pub fn is_kicked(&self, n: usize) -> bool {
        self.cpus[n].ipi.load(Ordering::SeqCst)
    }

    /// Addresses of the local descriptor tables that were given back.
    pub fn freed_ldts(&self) -> Vec<u32> {
        self.freed_ldts.lock().clone()
    }

    pub(crate) fn free_ldt(&self, base: u32) {
        self.freed_ldts.lock().push(base);
    }

    /// How often a function of mmu.c was called.
    pub fn calls(&self, function: Function) -> u64 {
        self.calls[function as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn called(&self, function: Function) {
        self.calls[function as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The word at `index` of a page, by its physical address; `None` if it has no content.
    pub fn peek(&self, frame: Frame, index: usize) -> Option<u32> {
        let words = self.memory.words(frame)?;
        Some(words[index].value.load(Ordering::Relaxed))
    }

    /// How many pages are free.
    pub fn free_pages(&self) -> usize {
        self.memory.free_pages().len()
    }

    /// All that has happened, in its order, as a number: two runs that differ differ in it.
    pub fn digest(&self) -> u64 {
        self.log.digest()
    }

    /// The last steps of all CPUs, in order: CPU and step.
    pub fn recent(&self) -> Vec<(usize, Happening)> {
        self.log.recent()
    }

    /// The CPUs, and what happened last, for people.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for (n, cpu) in self.cpus.iter().enumerate() {
            let runs = cpu.up().map_or("idle".into(), |p| format!("runs proc {p}"));
            let level = if cpu.lo() { "on" } else { "off" };
            let pdb = cpu.cr3().pa();
            let kicked = if self.is_kicked(n) { ", IPI pending" } else { "" };
            let _ = writeln!(text, "cpu{n}: {runs}, interrupts {level}, CR3 = {pdb:#010x}{kicked}");
        }
        for (cpu, what) in self.recent() {
            let _ = writeln!(text, "  cpu{cpu}: {what}");
        }
        text
    }

    /// The page of `va` is in use: walks for no reason go there from now on.
    pub fn interest(&self, va: u32) {
        let page = va & !(BY2PG - 1);
        let mut pages = self.interesting.lock();
        if let Some(at) = pages.iter().position(|&known| known == page) {
            pages.remove(at);
        } else if pages.len() == INTERESTING {
            pages.remove(0);
        }
        pages.push(page);
    }

    /// One of the pages in use, of the page tables that show them in the VPT, or TMPADDR.
    pub(crate) fn interesting(&self, rng: &mut fastrand::Rng) -> u32 {
        let pages = self.interesting.lock();
        let tmp = PC386.tmpaddr();
        let va = match rng.usize(..pages.len() + 1).checked_sub(1) {
            Some(n) => pages[n],
            None => tmp,
        };
        if rng.u8(..4) == 0 { PC386.vpt_entry(va) & !(BY2PG - 1) } else { va }
    }

    /// Calls `hook` at each event of the core, on the CPU where it happens, in the place of what was
    /// called before. What the hook does itself tells it nothing.
    ///
    /// Only where interrupts are on and no lock is held may it let another CPU do what waits for this
    /// one; see [`Cpu::may_pause`].
    pub fn at_events(&self, hook: impl FnMut(&Cpu<V>, Event) + Send + 'static) {
        *self.hook.lock() = Some(Box::new(hook));
        self.has_hook.store(true, Ordering::Relaxed);
    }

    /// Calls no hook any more.
    pub fn no_events(&self) {
        self.has_hook.store(false, Ordering::Relaxed);
        *self.hook.lock() = None;
    }
}
