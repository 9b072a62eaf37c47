//! Birth, fork, death, and waiting for children.

use core::cell::{RefCell, UnsafeCell};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use kernel_abi::Error;
use mmu386::gdt::Selector;

use super::descriptors::Descriptors;
use super::exec::{self, Start};
use super::group::{Cause, Death, Group};
use super::space::{NSHARED, Space};
use crate::lock::Ilock;
use crate::mach::up;
use crate::proc::{Proc, proctab, try_kproc};
use crate::trap::{UserUreg, go_to_ring_3};
use crate::{book, mmu, pages, sched};

/// What a process in ring 3 is to itself.
pub struct User {
    /// Its memory.
    pub space: RefCell<Space>,
    /// The group that it belongs to.
    pub group: Arc<Group>,
    program: RefCell<&'static str>,
    parent: Option<Parent>,
    /// How it starts.
    frame: UserUreg,
}

/// A process's parent, which may be gone, and its slot be another's.
#[derive(Clone, Copy)]
struct Parent {
    slot: usize,
    pid: u32,
}

/// A process and its children.
#[derive(Default)]
struct Family {
    /// The process's number; 0 for a process of the kernel.
    pid: u32,
    /// Children that live.
    children: u32,
    /// Children that do not: their numbers and statuses.
    gone: Vec<(u32, u32)>,
}

/// The part of a process that others may ask about.
pub struct Slot {
    family: Ilock<Family>,
    group: AtomicU32,
    /// It goes to ring 3, or did.
    ring3: AtomicBool,
    killed: AtomicBool,
    /// It is to make room for others.
    starved: AtomicBool,
    /// Pages that it had when it last went to sleep for one, or for a child.
    size: AtomicU32,
    /// Numbers of the shared segments that it has or may have mapped; 0 for none.
    shared: [AtomicU32; NSHARED],
    own: UnsafeCell<Option<Box<User>>>,
}

// SAFETY: `own` is touched by the process alone, wherever it runs; all else may be shared.
unsafe impl Sync for Slot {}

static PIDS: AtomicU32 = AtomicU32::new(1);

impl Default for Slot {
    /// Of a process of the kernel.
    fn default() -> Slot {
        Slot {
            family: Ilock::default(),
            group: AtomicU32::new(0),
            ring3: AtomicBool::new(false),
            killed: AtomicBool::new(false),
            starved: AtomicBool::new(false),
            size: AtomicU32::new(0),
            shared: [const { AtomicU32::new(0) }; NSHARED],
            own: UnsafeCell::new(None),
        }
    }
}

impl Slot {
    /// A new process has this slot.
    pub fn born(&self, ring3: bool) {
        self.ring3.store(ring3, Ordering::SeqCst);
        self.killed.store(false, Ordering::SeqCst);
        self.starved.store(false, Ordering::SeqCst);
        self.size.store(0, Ordering::SeqCst);
    }

    /// Whether the process goes to ring 3, or did.
    pub fn ring3(&self) -> bool {
        self.ring3.load(Ordering::SeqCst)
    }

    /// Whether somebody has ended the process already, for whatever reason.
    pub fn doomed(&self) -> bool {
        self.killed.load(Ordering::SeqCst) || self.starved.load(Ordering::SeqCst)
    }

    /// Pages that it had when it last went to sleep for one, or for a child.
    pub fn size(&self) -> u32 {
        self.size.load(Ordering::SeqCst)
    }

    /// Number of the group that the process is or was in.
    pub fn group(&self) -> u32 {
        self.group.load(Ordering::SeqCst)
    }

    /// Whether the process has, or may have mapped, a shared segment.
    pub fn shares(&self, id: u32) -> bool {
        self.shared.iter().any(|known| known.load(Ordering::SeqCst) == id)
    }

    /// Says which shared segments the process has: before it maps any, and after it has dropped them.
    pub fn publish(&self, space: &Space) {
        let ids = space.shared().map(Some).chain(core::iter::repeat(None));
        for (known, id) in self.shared.iter().zip(ids) {
            known.store(id.unwrap_or(0), Ordering::SeqCst);
        }
    }
}

/// The process that calls, in ring 3. Not to be kept beyond `die`.
pub fn own() -> &'static User {
    let slot = &up().expect("a process runs").ring3;
    // SAFETY: the process asks for its own; `die` takes it, which comes last.
    unsafe { &*slot.own.get() }.as_deref().expect("a process of ring 3")
}

/// The number of the process that calls.
pub fn pid() -> u32 {
    up().expect("a process runs").ring3.family.lock().pid
}

/// Why the process that calls is to end, if it is.
pub fn doom() -> Option<Cause> {
    let slot = &up()?.ring3;
    // SAFETY: as in `own`.
    let user = unsafe { &*slot.own.get() };
    if slot.starved.load(Ordering::SeqCst) {
        return Some(Cause::NoMemory);
    }
    let killed =
        slot.killed.load(Ordering::SeqCst) || user.as_ref().is_some_and(|user| user.group.ended());
    killed.then_some(Cause::Killed)
}

/// Notes how many pages the process that calls has, before it sleeps for one or for a child.
pub fn note_size() {
    let Some(slot) = up().map(|p| &p.ring3) else { return };
    // SAFETY: as in `own`.
    let user = unsafe { &*slot.own.get() };
    if let Some(space) = user.as_ref().and_then(|user| user.space.try_borrow().ok()) {
        slot.size.store(space.size() as u32, Ordering::SeqCst);
    }
}

/// Ends a process: it notices when it is about to go to ring 3, and where it waits for long.
pub fn kill(p: &Proc) {
    p.ring3.killed.store(true, Ordering::SeqCst);
    sched::wakeup(channel(p));
    pages::wake();
}

/// As `kill`, to make room for others.
pub fn starve(p: &Proc) {
    p.ring3.starved.store(true, Ordering::SeqCst);
    sched::wakeup(channel(p));
    pages::wake();
}

fn channel(p: &Proc) -> usize {
    &raw const p.ring3 as usize
}

/// Starts a program in a process of its own, in a group.
///
/// # Errors
/// `NoProgram`; `NoProcess` at the limit of the group or of the machine.
pub fn spawn(program: &str, words: &[u32], group: &Arc<Group>) -> Result<u32, Error> {
    let name = exec::find(program)?;
    let words = Vec::from(words);
    make(name, group.clone(), None, move || {
        let Start { space, eip, esp } = exec::load(name, &words)?;
        super::count(&super::EXECS);
        Ok((space, first_frame(eip, esp)))
    })
}

/// How a program starts: all registers 0, interrupts on.
pub fn first_frame(eip: u32, esp: u32) -> UserUreg {
    const IF: u32 = 1 << 9;
    let mut frame = UserUreg { esp, ss: u32::from(Selector::UD.0), ..UserUreg::default() };
    frame.ureg.segments = [u32::from(Selector::UD.0); 4];
    (frame.ureg.eip, frame.ureg.cs, frame.ureg.eflags) = (eip, u32::from(Selector::UE.0), IF | 2);
    frame
}

/// A child of the process that calls, with the same memory, descriptors and registers, but for a result of
/// 0.
///
/// # Errors
/// `NoProcess` at the limit of the group or of the machine.
pub fn fork(frame: &UserUreg) -> Result<u32, Error> {
    let me = own();
    let slot = &up().expect("a process runs").ring3;
    me.group.room()?;
    let space = me.space.borrow().fork();
    let mut frame = frame.clone();
    frame.ureg.eax = 0;
    let parent = Parent { slot: up().expect("a process runs").index(), pid: pid() };
    slot.family.lock().children += 1;
    let program: &'static &'static str = exec::find(*me.program.borrow())?;
    let descriptors = Descriptors::current();
    let child = make(program, me.group.clone(), Some(parent), move || {
        descriptors.install();
        Ok((space, frame))
    });
    if child.is_err() {
        slot.family.lock().children -= 1;
    } else {
        super::count(&super::FORKS);
    }
    child
}

/// Makes a process that starts as `start` says.
fn make(
    program: &'static &'static str,
    group: Arc<Group>,
    parent: Option<Parent>,
    start: impl FnOnce() -> Result<(Space, UserUreg), Error> + Send + 'static,
) -> Result<u32, Error> {
    group.enter()?;
    let pid = PIDS.fetch_add(1, Ordering::Relaxed);
    let theirs = group.clone();
    let child = try_kproc(program, None, true, move || {
        let slot = &up().expect("a process runs").ring3;
        slot.family.lock().pid = pid;
        slot.group.store(theirs.id, Ordering::SeqCst);
        let (space, frame, failure) = match start() {
            Ok((space, frame)) => (space, frame, None),
            Err(error) => (Space::default(), UserUreg::default(), Some(error)),
        };
        slot.publish(&space);
        let program = RefCell::new(*program);
        let user = User { space: RefCell::new(space), group: theirs, program, parent, frame };
        // SAFETY: the process sets its own, before it asks for it.
        unsafe { *slot.own.get() = Some(Box::new(user)) };
        if let Some(error) = failure {
            die(doom().unwrap_or(Cause::NotStarted(error)));
        }
    });
    if child.is_none() {
        group.withdraw();
        return Err(Error::NoProcess);
    }
    super::count(&super::LIVES);
    Ok(pid)
}

/// The process that calls goes to ring 3, if that is what it was made for.
pub fn begin() {
    let slot = &up().expect("a process runs").ring3;
    // SAFETY: as in `own`.
    let Some(user) = (unsafe { &*slot.own.get() }) else { return };
    let frame = user.frame.clone();
    super::leaving();
    go_to_ring_3(&frame)
}

/// Replaces the memory of the process that calls, and takes its descriptors; it goes on as `frame` says.
pub fn replace(program: &'static str, start: Start, frame: &mut UserUreg) {
    let me = own();
    let slot = &up().expect("a process runs").ring3;
    mmu::flushmmu();
    forget();
    let old = me.space.replace(start.space);
    slot.publish(&me.space.borrow());
    drop(old);
    Descriptors::default().install();
    me.program.replace(program);
    *frame = first_frame(start.eip, start.esp);
}

/// The process that calls has dropped all of its mappings: the book knows.
fn forget() {
    let up = up().expect("a process runs").index();
    book::with(|ledger| ledger.exited(up));
}

/// The process that calls ends. Called with interrupts on and no lock held.
pub fn die(cause: Cause) -> ! {
    let p = up().expect("a process runs");
    let slot = &p.ring3;
    // SAFETY: the process takes its own, and asks for it no more.
    let user = unsafe { (*slot.own.get()).take() }.expect("a process of ring 3");
    mmu::flushmmu();
    forget();
    Descriptors::default().install();
    let User { space, group, program, parent, .. } = *user;
    drop(space);
    slot.publish(&Space::default());
    let pid = {
        let mut family = slot.family.lock();
        core::mem::take(&mut *family).pid
    };
    if let Some(parent) = parent {
        tell(parent, pid, cause);
    }
    let child = parent.is_some();
    group.died(Death { pid, program: program.into_inner(), cause, child });
    drop(group);
    sched::exit();
}

/// Tells the parent of a process that is gone, if it is still there.
fn tell(parent: Parent, pid: u32, cause: Cause) {
    let status = if let Cause::Exits(status) = cause { status } else { u32::MAX };
    let p = &proctab()[parent.slot];
    {
        let mut family = p.ring3.family.lock();
        if family.pid != parent.pid {
            return;
        }
        family.children -= 1;
        family.gone.push((pid, status));
    }
    sched::wakeup(channel(p));
}

/// Waits for a child of the process that calls; its number and status.
///
/// # Errors
/// `NoChild` if there is none, or if somebody ended the process.
pub fn await_child() -> Result<(u32, u32), Error> {
    let p = up().expect("a process runs");
    note_size();
    sched::sleep(channel(p), || {
        let family = p.ring3.family.lock();
        doom().is_some() || family.children == 0 || !family.gone.is_empty()
    });
    p.ring3.family.lock().gone.pop().ok_or(Error::NoChild)
}
