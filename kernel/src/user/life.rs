//! Birth, fork, death, and waiting for children.

use core::cell::RefCell;
use core::sync::atomic::{AtomicU32, Ordering};

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use kernel_abi::Error;
use mmu386::gdt::Selector;

use super::descriptors::Descriptors;
use super::exec::{self, Start};
use super::group::{Cause, Death, Group};
use super::space::Space;
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

static PIDS: AtomicU32 = AtomicU32::new(1);

/// Numbers are below those of errors, and none is 0, which is a process of the kernel.
fn next_pid() -> u32 {
    const MASK: u32 = 0x7FFF_FFFF;
    loop {
        let pid = PIDS.fetch_add(1, Ordering::Relaxed) & MASK;
        if pid != 0 {
            return pid;
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
    if slot.starved() {
        return Some(Cause::NoMemory);
    }
    let killed = slot.killed() || user.as_ref().is_some_and(|user| user.group.ended());
    killed.then_some(Cause::Killed)
}

/// Notes how many pages the process that calls has, before it sleeps for one or for a child.
pub fn note_size() {
    let Some(slot) = up().map(|p| &p.ring3) else { return };
    // SAFETY: as in `own`.
    let user = unsafe { &*slot.own.get() };
    if let Some(space) = user.as_ref().and_then(|user| user.space.try_borrow().ok()) {
        slot.note_size(space.size());
    }
}

/// Ends a process if it is of a group: it notices when it is about to go to ring 3, and where it waits for
/// long.
pub fn kill(p: &Proc, group: u32) {
    if p.ring3.kill_of(group) {
        notice(p);
    }
}

/// Ends a process to make room for others, if it is still the one of that birth; whether it is.
pub fn starve(p: &Proc, birth: u32) -> bool {
    let still = p.ring3.starve(birth);
    if still {
        notice(p);
    }
    still
}

/// Has a process look whether somebody has ended it.
fn notice(p: &Proc) {
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
    let mut frame = frame.fresh();
    frame.ureg.eax = 0;
    let parent = Parent { slot: up().expect("a process runs").index(), pid: pid() };
    let program: &'static &'static str = exec::find(*me.program.borrow())?;
    slot.family.lock().children += 1;
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
    let pid = next_pid();
    let theirs = group.clone();
    let child = try_kproc(program, None, true, move || {
        let slot = &up().expect("a process runs").ring3;
        slot.named(pid, theirs.id);
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
    // Out of its box, which nobody would free: this does not return.
    // SAFETY: the process takes its own, and asks for it no more.
    let user = *unsafe { (*slot.own.get()).take() }.expect("a process of ring 3");
    mmu::flushmmu();
    forget();
    Descriptors::default().install();
    let User { space, group, program, parent, .. } = user;
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
        family.lose(pid, status);
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
        doom().is_some() || family.can_tell()
    });
    p.ring3.family.lock().tell().ok_or(Error::NoChild)
}
