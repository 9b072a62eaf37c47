//! Random programs in ring 3, one after the other: each is started, judged when it is gone, and ended if it
//! does not end by itself. Which program has which number follows from the seed alone.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use alloc::sync::Arc;
use heapless::Vec;
use kernel_abi::fuzz::{alone, damage};
use mmu386_wire::Line;
use mmu386_wire::soak::VECTORS;

use crate::tests::account::found;
use crate::tests::context::Context;
use crate::user::{self, Cause, Group};
use crate::{clock, report, sched};

/// Most processes that run programs at a time, and most processes of one program.
pub const MOST_WORKERS: usize = 8;
const MOST_PROCESSES: u32 = 4;
/// How long a program may run, in microseconds, and how often its judge may have a turn meanwhile.
const PATIENCE_US: u64 = 40_000;
const TURNS: u32 = 6;

/// Programs whose processes are gone.
pub static FUZZED: AtomicU32 = AtomicU32::new(0);
/// Those of them that did not end by themselves.
pub static STOPPED: AtomicU32 = AtomicU32::new(0);

/// The number of the next program.
static NEXT: AtomicU32 = AtomicU32::new(0);
/// The programs that run, by worker: the number, plus one.
static ALIVE: [AtomicU32; MOST_WORKERS] = [const { AtomicU32::new(0) }; MOST_WORKERS];
/// Whether there are any in this boot.
static ON: AtomicBool = AtomicBool::new(false);

const DAMAGED: &str = "memory is not as it was before a random program ran in another process";

/// Begins at a number.
pub fn begin(from: u32) {
    NEXT.store(from, Ordering::SeqCst);
    ON.store(true, Ordering::SeqCst);
}

/// Runs the next program, and judges it.
pub fn round(context: &Context, seed: u32, worker: usize) {
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    let slot = &ALIVE[worker % MOST_WORKERS];
    slot.store(number + 1, Ordering::SeqCst);
    let group = Group::new(MOST_PROCESSES);
    while let Err(error) = user::spawn("fuzz", &[seed, number, 0], &group) {
        assert!(error == kernel_abi::Error::NoProcess, "fuzz: {error:?}");
        sched::relax();
    }
    let (begun, mut turns) = (clock::tsc(), 0);
    while group.live() > 0 && (turns < TURNS || clock::since(begun) < PATIENCE_US) {
        sched::relax();
        turns += 1;
    }
    if group.live() > 0 {
        group.kill();
        STOPPED.fetch_add(1, Ordering::Relaxed);
    }
    group.wait();
    judge(context, number, &group);
    slot.store(0, Ordering::SeqCst);
    FUZZED.fetch_add(1, Ordering::Relaxed);
}

/// The process that made the program may end by itself or be ended, but not find its memory changed, and do
/// nothing that it must not, unless it ran the program itself.
pub fn judge(context: &Context, number: u32, group: &Arc<Group>) {
    let Some(death) = group.deaths().into_iter().find(|death| !death.child) else { return };
    let fine = match death.cause {
        _ if alone(number) => true,
        Cause::Exits(status) => status == damage::NO_CHILD,
        Cause::Killed | Cause::NoMemory | Cause::NotStarted(_) => true,
        Cause::BadAccess { .. } | Cause::Exception(_) => false,
    };
    if !fine {
        crate::println!("fuzz: program {number}: {}", death.cause);
        let seen = if let Cause::Exits(status) = death.cause { status } else { u32::MAX };
        found(context, "isolation", 0, number, seen, DAMAGED);
    }
}

/// Tells which programs run, and what ended those that did not end by themselves. Allocates nothing: a panic
/// tells it, too.
pub fn tell() {
    if !ON.load(Ordering::SeqCst) {
        return;
    }
    let numbers = ALIVE.each_ref().map(|slot| slot.load(Ordering::SeqCst));
    let alive: Vec<u32, MOST_WORKERS> = numbers.iter().filter_map(|n| n.checked_sub(1)).collect();
    let vectors: [u32; VECTORS] = user::EXCEPTIONS.each_ref().map(|n| n.load(Ordering::Relaxed));
    report::send(&Line::Fuzz {
        alive: alive.as_slice().into(),
        next: NEXT.load(Ordering::SeqCst),
        vectors: vectors.as_slice().into(),
    });
}
