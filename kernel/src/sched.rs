//! The scheduler. Each CPU runs it on a stack of its own; a process switches to it and back.
//!
//! A process that leaves a CPU is not picked up by another before the first has left its
//! directory, stack and saved registers behind: that is what `mach` says.

use core::arch::global_asm;
use core::sync::atomic::Ordering;

use crate::events::Kind;
use crate::lock::Ilock;
use crate::mach::{Mach, bump, m, machno, machp, nmach, up};
use crate::proc::{NOBODY, NPROC, Proc, State, proctab};
use crate::spl::{self, islo, splhi, splx};
use crate::trap::VECTOR_WAKE;
use crate::{apic, book, events, mmu};

global_asm!(
    r#"
    .text
    .global switch_stack
switch_stack:
    mov eax, [esp + 4]
    mov ecx, [esp + 8]
    push ebp
    push ebx
    push esi
    push edi
    mov [eax], esp
    mov esp, ecx
    pop edi
    pop esi
    pop ebx
    pop ebp
    ret
"#
);

unsafe extern "C" {
    fn switch_stack(save: *mut usize, load: usize);
}

/// Guards every change of a process's state between Ready, Running and Wakeme.
static SCHED: Ilock<()> = Ilock::new(());

/// Builds the frame that `switch_stack` pops for a process that never ran.
pub fn first_frame(top: usize, entry: extern "C" fn() -> !) -> usize {
    // Saved registers, the entry, and a null return address where the backtrace ends.
    let frame = [0, 0, 0, 0, entry as usize, 0];
    let sp = top - 32;
    // SAFETY: the stack belongs to a process that does not run yet.
    unsafe { (sp as *mut [usize; 6]).write(frame) };
    sp
}

/// Makes a process ready, and wakes a CPU for it if one idles.
pub fn ready(p: &'static Proc) {
    {
        let _sched = SCHED.lock();
        p.set_state(State::Ready);
    }
    wake_cpu(p.wired.load(Ordering::Relaxed));
}

fn wake_cpu(wired: u32) {
    for cpu in 0..nmach() {
        let mach = machp(cpu);
        let may = wired == NOBODY || wired == cpu as u32;
        // Whoever clears `idle` sends the interrupt; the CPU sets it again when it idles again.
        if may && mach.idle.load(Ordering::SeqCst) && mach.idle.swap(false, Ordering::SeqCst) {
            if cpu != machno() {
                apic::ipi(mach.apicid.load(Ordering::Relaxed) as u8, VECTOR_WAKE);
            }
            return;
        }
    }
}

/// The scheduler of one CPU; never returns. Interrupts are off on entry.
pub fn schedinit() -> ! {
    m().online.store(true, Ordering::SeqCst);
    loop {
        let p = runproc();
        enter(p);
        leave(p);
    }
}

fn enter(p: &'static Proc) {
    let mach = m();
    let me = mach.machno.load(Ordering::Relaxed);
    let last = p.last.swap(me, Ordering::Relaxed);
    if last != me && last != NOBODY {
        p.migrations.fetch_add(1, Ordering::Relaxed);
        bump(&mach.migrations);
    }
    mach.up.store((&raw const *p).cast_mut(), Ordering::Relaxed);
    mach.switches.fetch_add(1, Ordering::Relaxed);
    events::running(Some(p));
    events::record(Kind::Enter, p.index() as u32, 0);
    mmu::enter(p);
    // SAFETY: `p` is Running here and nowhere else, so its saved stack is complete and ours; it is
    // mapped in every directory.
    unsafe { switch_stack(mach.sched_sp.as_ptr(), p.sp.load(Ordering::Acquire)) };
}

/// Puts a process down: directory first, then its state, last the word that lets others have it.
fn leave(p: &'static Proc) {
    mmu::leave();
    match p.state() {
        State::Running => {
            let _sched = SCHED.lock();
            p.set_state(State::Ready);
        }
        State::Moribund => {
            // State Dead is what unmappers see before the directory goes to this CPU's pool.
            p.set_state(State::Dead);
            book::with(|ledger| ledger.exited(p.index()));
            mmu::release(p);
        }
        // Asleep, or woken already on its way here.
        _ => {}
    }
    events::record(Kind::Leave, p.index() as u32, p.state() as u32);
    events::running(None);
    m().up.store(core::ptr::null_mut(), Ordering::Relaxed);
    p.mach.store(NOBODY, Ordering::SeqCst);
}

/// The next process for this CPU; idles until there is one.
fn runproc() -> &'static Proc {
    let mach = m();
    loop {
        if let Some(p) = pick(mach) {
            mach.idle.store(false, Ordering::SeqCst);
            return p;
        }
        // Announce first, look again second: whoever makes a process ready in between sees one.
        if !mach.idle.swap(true, Ordering::SeqCst) {
            continue;
        }
        spl::idle();
    }
}

fn random(mach: &Mach) -> u32 {
    let mut x = mach.rng.load(Ordering::Relaxed);
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    mach.rng.store(x, Ordering::Relaxed);
    x
}

fn pick(mach: &Mach) -> Option<&'static Proc> {
    let me = mach.machno.load(Ordering::Relaxed);
    let dice = random(mach);
    let _sched = SCHED.lock();
    let mut choice = None;
    for i in 0..NPROC {
        let p = &proctab()[(i + (dice >> 8) as usize) % NPROC];
        let wired = p.wired.load(Ordering::Relaxed);
        let free = p.state() == State::Ready && p.mach.load(Ordering::SeqCst) == NOBODY;
        if !free || (wired != NOBODY && wired != me) {
            continue;
        }
        choice = Some(p);
        // Half of the time, look further for one that comes from another CPU.
        if dice & 1 == 0 || p.last.load(Ordering::Relaxed) != me {
            break;
        }
    }
    let p = choice?;
    p.set_state(State::Running);
    p.mach.store(me, Ordering::SeqCst);
    Some(p)
}

/// Gives the CPU away; comes back on this or another one. Called by the process itself, or for it
/// by the tick.
pub fn sched() {
    let level = splhi();
    let p = up().expect("sched: no process");
    // SAFETY: interrupts are off, so this CPU's scheduler stack is the one that entered `p`.
    unsafe { switch_stack(p.sp.as_ptr(), m().sched_sp.load(Ordering::Relaxed)) };
    splx(level);
}

/// Whether another process could run on this CPU now.
fn others_wait() -> bool {
    let me = machno() as u32;
    proctab().iter().any(|p| {
        let wired = p.wired.load(Ordering::Relaxed);
        p.state() == State::Ready
            && p.mach.load(Ordering::Relaxed) == NOBODY
            && (wired == NOBODY || wired == me)
    })
}

/// Lets others run, if there are any. For long spins: whoever is waited for may need this CPU.
pub fn give_way() {
    assert!(islo(), "give_way with interrupts off");
    if others_wait() {
        sched();
    }
}

/// Waits a little for something that has no wakeup: others run, or the CPU halts until the next
/// interrupt, so that vCPUs which outnumber the cores do not spin against each other.
pub fn relax() {
    assert!(islo(), "relax with interrupts off");
    if others_wait() {
        sched();
    } else {
        let level = splhi();
        spl::idle();
        splx(level);
    }
}

/// Sleeps until `cond` holds. Whoever makes it hold calls [`wakeup`] with the same `chan`.
pub fn sleep(chan: usize, cond: impl Fn() -> bool) {
    loop {
        let level = splhi();
        let p = up().expect("sleep: no process");
        {
            // `wakeup` takes the lock after the condition changed: it is not missed.
            let _sched = SCHED.lock();
            if cond() {
                drop(_sched);
                splx(level);
                return;
            }
            p.chan.store(chan, Ordering::Relaxed);
            p.set_state(State::Wakeme);
        }
        sched();
        splx(level);
    }
}

/// Looks at processes while none changes its state. At any interrupt level; `look` takes no lock.
pub fn frozen<R>(look: impl FnOnce() -> R) -> R {
    let _sched = SCHED.lock();
    look()
}

/// Wakes whoever sleeps on `chan`.
pub fn wakeup(chan: usize) {
    for p in proctab() {
        let woken = {
            let _sched = SCHED.lock();
            let sleeps = p.state() == State::Wakeme && p.chan.load(Ordering::Relaxed) == chan;
            if sleeps {
                p.set_state(State::Ready);
            }
            sleeps
        };
        if woken {
            wake_cpu(p.wired.load(Ordering::Relaxed));
        }
    }
}

/// Ends the process that calls.
pub fn exit() -> ! {
    splhi();
    let p = up().expect("exit: no process");
    p.set_state(State::Moribund);
    sched();
    unreachable!("a dead process runs");
}
