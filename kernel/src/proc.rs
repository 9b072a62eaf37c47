//! The process table.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use mmu386::state;

use crate::arch_impl::Pc;
use crate::lock::Ilock;
use crate::paging::stack_top;
use crate::{mmu, sched, spl, user};

/// Entries of the process table.
pub const NPROC: usize = 96;

/// No CPU: a process that runs nowhere, or may run anywhere.
pub const NOBODY: u32 = u32::MAX;

/// What a process is doing: the values of the MMU code's state word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// The entry is free.
    Dead = state::DEAD,
    /// The entry is being filled, or being emptied.
    Moribund,
    /// It may run.
    Ready,
    /// A CPU runs it.
    Running,
    /// It waits for a wakeup.
    Wakeme,
}

type Body = Box<dyn FnOnce() + Send>;

/// A process.
pub struct Proc {
    /// The MMU code's part, the state among it.
    pub mmu: state::Proc<Pc>,
    /// The CPU that runs it, or has not yet left it: nobody else may pick it up.
    pub mach: AtomicU32,
    /// The CPU that ran it last.
    pub last: AtomicU32,
    /// The only CPU that may run it, if any.
    pub wired: AtomicU32,
    /// Its stack pointer while it does not run.
    pub sp: AtomicUsize,
    /// What it waits for.
    pub chan: AtomicUsize,
    /// Calls of the MMU code that it is in.
    pub busy: AtomicU32,
    /// Pages that it holds as a process of the kernel.
    pub lent: AtomicU32,
    /// Times that it was picked up by another CPU than before.
    pub migrations: AtomicU32,
    /// What it is in ring 3, if it goes there.
    pub ring3: user::Slot,
    name: AtomicPtr<&'static str>,
    body: UnsafeCell<Option<Body>>,
}

// `body` is written by the creator while the state is Moribund, and taken by the process itself after
// it was made Ready.
// SAFETY: `mmu` keeps the MMU code's discipline, `body` that of above, and all else may be shared.
unsafe impl Sync for Proc {}

static PROCS: AtomicPtr<Proc> = AtomicPtr::new(null_mut());
/// Held while an entry is claimed.
static CLAIM: Ilock<()> = Ilock::new(());

impl Proc {
    fn new(index: usize) -> Proc {
        Proc {
            mmu: state::Proc::new(index, stack_top(index) as u32),
            mach: AtomicU32::new(NOBODY),
            last: AtomicU32::new(NOBODY),
            wired: AtomicU32::new(NOBODY),
            sp: AtomicUsize::new(0),
            chan: AtomicUsize::new(0),
            busy: AtomicU32::new(0),
            lent: AtomicU32::new(0),
            migrations: AtomicU32::new(0),
            ring3: user::Slot::default(),
            name: AtomicPtr::new(null_mut()),
            body: UnsafeCell::new(None),
        }
    }

    /// A new process has this entry; nothing of the one before is left. Called by the CPU that claimed it.
    fn born(&self, called: &'static &'static str, cpu: Option<usize>, to_ring3: bool, work: Body) {
        // Whoever adds a field has to say here what a new life makes of it. `mmu` is emptied when a
        // process is buried, and `mach` is what says that this one was.
        let Proc {
            mmu: _,
            mach: _,
            last,
            wired,
            sp,
            chan,
            busy,
            lent,
            migrations,
            ring3,
            name,
            body,
        } = self;
        name.store((&raw const *called).cast_mut(), Ordering::Relaxed);
        wired.store(cpu.map_or(NOBODY, |cpu| cpu as u32), Ordering::Relaxed);
        last.store(NOBODY, Ordering::Relaxed);
        sp.store(sched::first_frame(self.stack(), start), Ordering::Relaxed);
        chan.store(0, Ordering::Relaxed);
        busy.store(0, Ordering::Relaxed);
        lent.store(0, Ordering::Relaxed);
        migrations.store(0, Ordering::Relaxed);
        ring3.born(to_ring3);
        // SAFETY: the entry is Moribund, claimed by us: nobody else looks at the body.
        unsafe { *body.get() = Some(work) };
        // What the process before waited for is over.
        mmu::forget_wait(self);
    }

    /// Its state.
    pub fn state(&self) -> State {
        match self.mmu.state.load(Ordering::SeqCst) {
            0 => State::Dead,
            1 => State::Moribund,
            2 => State::Ready,
            3 => State::Running,
            _ => State::Wakeme,
        }
    }

    /// Changes its state.
    pub fn set_state(&self, state: State) {
        self.mmu.state.store(state as u32, Ordering::SeqCst);
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        let name = self.name.load(Ordering::Relaxed);
        // SAFETY: null or the address of a static string slice, set when the entry was filled.
        unsafe { name.as_ref() }.copied().unwrap_or("nameless")
    }

    /// Its slot in the process table.
    pub fn index(&self) -> usize {
        self.mmu.index
    }

    /// Where its stack begins.
    pub fn stack(&self) -> usize {
        self.mmu.kstack as usize
    }
}

/// The whole table, as Plan 9's `proctab(i)` walks it.
pub fn proctab() -> &'static [Proc] {
    let table = PROCS.load(Ordering::Acquire);
    assert!(!table.is_null(), "proctab before init");
    // SAFETY: `init` stored the address of NPROC processes that live for ever.
    unsafe { core::slice::from_raw_parts(table, NPROC) }
}

/// Makes the table. CPU 0, once, before there are processes or other CPUs.
pub fn init() {
    let table: Vec<Proc> = (0..NPROC).map(Proc::new).collect();
    PROCS.store(Vec::leak(table).as_mut_ptr(), Ordering::Release);
}

/// Makes a kernel process, wired to a CPU or free to migrate. Its body runs with interrupts on.
pub fn kproc(
    name: &'static &'static str,
    wired: Option<usize>,
    body: impl FnOnce() + Send + 'static,
) -> &'static Proc {
    try_kproc(name, wired, false, body).expect("no free process")
}

/// As `kproc`, if there is room in the table. With `ring3`, the process goes there after its body.
pub fn try_kproc(
    name: &'static &'static str,
    wired: Option<usize>,
    ring3: bool,
    body: impl FnOnce() + Send + 'static,
) -> Option<&'static Proc> {
    let p = {
        let _claim = CLAIM.lock();
        let free = |p: &&Proc| p.state() == State::Dead && p.mach.load(Ordering::SeqCst) == NOBODY;
        let p = proctab().iter().find(free)?;
        p.set_state(State::Moribund);
        p
    };
    p.born(name, wired, ring3, Box::new(body));
    sched::ready(p);
    Some(p)
}

/// The first code of every process, with interrupts off as in any switch.
extern "C" fn start() -> ! {
    let p = crate::mach::up().expect("a process runs");
    // SAFETY: only the process itself takes its body, once.
    let body = unsafe { (*p.body.get()).take() };
    spl::spllo();
    if let Some(body) = body {
        body();
    }
    user::begin();
    sched::exit();
}
