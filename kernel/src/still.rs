//! The world stands still: one CPU looks while all others wait in the probe's interrupt.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::layout::MAXMACH;
use crate::mach::{machno, machp, nmach, up};
use crate::paging::getcr3;
use crate::spl::{Spin, islo, splhi, splx};
use crate::trap::VECTOR_PROBE;
use crate::{apic, clock, mmu, sched};

/// The CPU that holds the others, plus one; 0 while none does.
static HOLDER: AtomicU32 = AtomicU32::new(0);
/// The others are to go on.
static OVER: AtomicBool = AtomicBool::new(true);
/// CPUs that wait, a bit each.
static WAITING: AtomicU32 = AtomicU32::new(0);
/// All of them do, and are to stop answering requests to flush.
static STILL: AtomicBool = AtomicBool::new(false);
/// CPUs that have stopped, a bit each: from here on they store nothing.
static STOPPED: AtomicU32 = AtomicU32::new(0);
/// What CR3 of each of them holds.
static CR3: [AtomicU32; MAXMACH] = [const { AtomicU32::new(0) }; MAXMACH];

/// How long a CPU may take to come, and to go.
const DEADLINE_US: u64 = 10_000_000;

/// Looks while no other CPU does anything. None of them is within a call that has interrupts off; a
/// process may be anywhere that they are on.
///
/// Called by a process with interrupts on and no lock held. `look` runs with interrupts off.
pub fn stand_still<R>(look: impl FnOnce() -> R) -> R {
    assert!(islo(), "stand_still with interrupts off");
    let level = take();
    let me = machno();
    let others = ((1u64 << nmach()) - 1) as u32 & !(1 << me);
    for cpu in (0..nmach()).filter(|cpu| *cpu != me) {
        apic::ipi(machp(cpu).apicid.load(Ordering::Relaxed) as u8, VECTOR_PROBE);
    }
    // Somebody who waits for a flush with interrupts off comes only when this CPU has answered.
    wait(others, || WAITING.load(Ordering::SeqCst) == others, mmu::shootdown);
    CR3[me].store(getcr3(), Ordering::SeqCst);
    STILL.store(true, Ordering::SeqCst);
    wait(others, || STOPPED.load(Ordering::SeqCst) == others, || {});
    let seen = look();
    OVER.store(true, Ordering::SeqCst);
    wait(others, || WAITING.load(Ordering::SeqCst) == 0, || {});
    STILL.store(false, Ordering::SeqCst);
    HOLDER.store(0, Ordering::SeqCst);
    splx(level);
    seen
}

/// Becomes the holder, with interrupts off; they are on while another one is.
fn take() -> crate::spl::Spl {
    let mut spin = Spin::default();
    loop {
        let level = splhi();
        let me = machno() as u32 + 1;
        if HOLDER.compare_exchange(0, me, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            OVER.store(false, Ordering::SeqCst);
            return level;
        }
        splx(level);
        if spin.turn() && up().is_some() {
            sched::give_way();
        }
    }
}

fn wait(others: u32, done: impl Fn() -> bool, meanwhile: impl Fn()) {
    let start = clock::tsc();
    let mut spin = Spin::default();
    while !done() {
        meanwhile();
        if spin.turn() {
            let missing = others & !WAITING.load(Ordering::SeqCst);
            assert!(
                clock::since(start) < DEADLINE_US,
                "the world does not stand still: {missing:#b}"
            );
        }
    }
}

/// The interrupt: waits for as long as another CPU holds this one. Until all do, this CPU answers
/// requests to flush, as it would if the interrupt had not come.
pub fn interrupt() {
    if OVER.load(Ordering::SeqCst) || HOLDER.load(Ordering::SeqCst) == machno() as u32 + 1 {
        return;
    }
    let me = 1 << machno();
    WAITING.fetch_or(me, Ordering::SeqCst);
    let mut spin = Spin::default();
    while !STILL.load(Ordering::SeqCst) {
        mmu::shootdown();
        spin.turn();
    }
    CR3[machno()].store(getcr3(), Ordering::SeqCst);
    STOPPED.fetch_or(me, Ordering::SeqCst);
    while !OVER.load(Ordering::SeqCst) {
        spin.turn();
    }
    STOPPED.fetch_and(!me, Ordering::SeqCst);
    WAITING.fetch_and(!me, Ordering::SeqCst);
}

/// What CR3 of a CPU holds, for who looks while the world stands still.
pub fn cr3(cpu: usize) -> u32 {
    CR3[cpu].load(Ordering::SeqCst)
}
