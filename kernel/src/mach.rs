//! `m`: what a CPU is to the kernel, in a page that every CPU sees at one address.
//!
//! MACHADDR reaches another frame on each CPU. A process that migrates sees the new CPU's page
//! through the same reference, so every field is atomic or the MMU code's, and every read is a read
//! of the CPU that executes it. [`machp`] reaches any CPU's page through the one-to-one window.

use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use mmu386::arch::Owned;
use mmu386::gdt::Descriptors;
use mmu386::layout::Frame;
use mmu386::state;

use crate::arch_impl::Pc;
use crate::layout::{BY2PG, MACHADDR, MAXMACH};
use crate::proc::Proc;
use crate::spl::{splhi, splx};

/// One CPU.
#[repr(C, align(4096))]
pub struct Mach {
    /// Its number; 0 booted.
    pub machno: AtomicU32,
    /// What the LAPIC calls it.
    pub apicid: AtomicU32,
    /// Physical address of its page directory; CPU 0's is the master.
    pub pdb: AtomicU32,
    /// Physical address of the page table that shows MACHADDR and TMPADDR, its own.
    pub private: AtomicU32,
    /// Its segment descriptors and its task state segment.
    pub descriptors: AtomicPtr<Descriptors<Pc>>,
    /// The process that it runs, or null.
    pub up: AtomicPtr<Proc>,
    /// The scheduler's stack pointer while a process runs.
    pub sched_sp: AtomicUsize,
    /// The MMU code's part.
    pub mmu: state::Mach<Pc>,
    /// It runs the scheduler.
    pub online: AtomicBool,
    /// It waits for an interrupt with nothing to run.
    pub idle: AtomicBool,
    /// Ticks that it took.
    pub ticks: AtomicU32,
    /// Times that it entered a process.
    pub switches: AtomicU32,
    /// Times that the process had been on another CPU before.
    pub migrations: AtomicU32,
    /// Page directories that were asked for here, and those of them that the pool had.
    pub pdballocs: AtomicU32,
    /// See `pdballocs`.
    pub pool_hits: AtomicU32,
    /// State of the pseudo-random choice between processes.
    pub rng: AtomicU32,
}

const _: () = assert!(size_of::<Mach>() == BY2PG);

impl Mach {
    /// CPU `n`, not yet started, with its page directory and its private page table at physical `pdb`
    /// and `private`.
    pub fn new(n: usize, pdb: u32, private: u32) -> Mach {
        Mach {
            machno: AtomicU32::new(n as u32),
            apicid: AtomicU32::new(0),
            pdb: AtomicU32::new(pdb),
            private: AtomicU32::new(private),
            descriptors: AtomicPtr::new(null_mut()),
            up: AtomicPtr::new(null_mut()),
            sched_sp: AtomicUsize::new(0),
            mmu: state::Mach::new(n, Frame::containing(pdb)),
            online: AtomicBool::new(false),
            idle: AtomicBool::new(false),
            ticks: AtomicU32::new(0),
            switches: AtomicU32::new(0),
            migrations: AtomicU32::new(0),
            pdballocs: AtomicU32::new(0),
            pool_hits: AtomicU32::new(0),
            rng: AtomicU32::new(0x9E37_79B9 ^ (n as u32 + 1)),
        }
    }
}

impl Mach {
    /// The process that this CPU runs, for who looks while it is held.
    pub fn running(&self) -> Option<&'static Proc> {
        // SAFETY: null, or an entry of the process table, which is static.
        unsafe { self.up.load(Ordering::SeqCst).as_ref() }
    }
}

static MACHS: [AtomicPtr<Mach>; MAXMACH] = [const { AtomicPtr::new(null_mut()) }; MAXMACH];
static NMACH: AtomicUsize = AtomicUsize::new(0);

/// This CPU's page. Whatever is read through it later is of the CPU that reads.
pub fn m() -> &'static Mach {
    // SAFETY: every page directory maps MACHADDR to a frame that became a Mach before it was
    // mapped, and is one for ever; its fields may be shared.
    unsafe { &*(MACHADDR as *const Mach) }
}

/// CPU `n`'s page, by its address in the one-to-one window.
pub fn machp(n: usize) -> &'static Mach {
    let mach = MACHS[n].load(Ordering::Acquire);
    assert!(!mach.is_null(), "machp: no cpu{n}");
    // SAFETY: `register` stored the address of a Mach that lives for ever.
    unsafe { &*mach }
}

/// Makes CPU `n` known.
///
/// # Safety
/// `mach` is a Mach in the one-to-one window, and stays one.
pub unsafe fn register(n: usize, mach: *mut Mach) {
    MACHS[n].store(mach, Ordering::Release);
    NMACH.fetch_max(n + 1, Ordering::SeqCst);
}

/// CPU 0 is on a directory of its own, where `m` shows what it has to. Others never are elsewhere.
static READY: AtomicBool = AtomicBool::new(false);

/// CPU 0 is on its own directory from now on.
pub fn ready() {
    READY.store(true, Ordering::SeqCst);
}

/// Whether `m` shows a CPU's page yet.
pub fn is_ready() -> bool {
    READY.load(Ordering::SeqCst)
}

/// CPUs that are known.
pub fn nmach() -> usize {
    NMACH.load(Ordering::SeqCst)
}

/// This CPU's number.
pub fn machno() -> usize {
    m().machno.load(Ordering::Relaxed) as usize
}

/// The process that this CPU runs. Stable for the process itself, which is the only one to ask.
pub fn up() -> Option<&'static Proc> {
    m().running()
}

/// A process asks for a page directory.
pub fn count_pdballoc() {
    let level = splhi();
    let mach = m();
    bump(&mach.pdballocs);
    // Interrupts are off, so the pool is this CPU's to look at.
    if mach.mmu.pdbpool.get().is_some() {
        bump(&mach.pool_hits);
    }
    splx(level);
}

/// Counts in a word of this CPU's, with interrupts off: no LOCKed instruction, which would hide from
/// the tests what store buffers do.
pub fn bump(word: &AtomicU32) {
    word.store(word.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// The sum of a count of each CPU's.
pub fn sum(count: impl Fn(&Mach) -> &AtomicU32) -> u32 {
    (0..nmach()).fold(0, |sum, cpu| sum.wrapping_add(count(machp(cpu)).load(Ordering::Relaxed)))
}
