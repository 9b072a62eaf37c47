//! Disorder on purpose: delays where the MMU code touches the machine, interrupts that come late or
//! twice, CPUs that do nothing for a while with interrupts off.
//!
//! Off unless a soak turns it on. Nothing here is more than a slow or busy machine might do, so that
//! code which is right stays right.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::clock;
use crate::layout::MAXMACH;
use crate::mach::machno;

static ON: AtomicBool = AtomicBool::new(false);
/// State of each CPU's random numbers. Two that race for one repeat a number, which is harmless.
static DICE: [AtomicU32; MAXMACH] = [const { AtomicU32::new(0) }; MAXMACH];
/// What was done on each CPU.
static DONE: [AtomicU32; MAXMACH] = [const { AtomicU32::new(0) }; MAXMACH];

/// One in so many edges is slow, and one in so many slow ones is very slow.
const SLOW: u32 = 64;
const VERY_SLOW: u32 = 64;
/// Longest delays, in microseconds.
const SHORT_US: u32 = 100;
const LONG_US: u32 = 3_000;
/// One in so many ticks stalls its CPU, for at most so long.
const STALL: u32 = 50;
const STALL_US: u32 = 15_000;

/// Begins, with a seed; or ends.
pub fn set(seed: Option<u32>) {
    for (cpu, dice) in DICE.iter().enumerate() {
        let state = seed.unwrap_or(1) ^ 0xC4A0_5EED_u32.wrapping_mul(2 * cpu as u32 + 1);
        dice.store(state | 1, Ordering::Relaxed);
    }
    ON.store(seed.is_some(), Ordering::SeqCst);
}

/// How often something was done.
pub fn count() -> u32 {
    DONE.iter().fold(0, |sum, done| sum.wrapping_add(done.load(Ordering::Relaxed)))
}

fn on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Marsaglia's xorshift, below `n`.
fn below(n: u32) -> u32 {
    let dice = &DICE[machno()];
    let mut state = dice.load(Ordering::Relaxed) | 1;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    dice.store(state, Ordering::Relaxed);
    (state >> 4) % n
}

fn did() {
    let done = &DONE[machno()];
    done.store(done.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// The MMU code touches the machine: from time to time it takes long. At any interrupt level.
pub fn edge() {
    if on() && below(SLOW) == 0 {
        did();
        let most = if below(VERY_SLOW) == 0 { LONG_US } else { SHORT_US };
        clock::delay(u64::from(below(most)));
    }
}

/// How often an interrupt to another CPU is to be sent. None: it comes late, as the other CPU's tick
/// finds what it was sent for.
pub fn sendings() -> usize {
    if !on() {
        return 1;
    }
    match below(16) {
        0 => {
            did();
            0
        }
        1 | 2 => {
            did();
            2
        }
        _ => 1,
    }
}

/// A tick, with interrupts off: from time to time the CPU is busy with something else.
pub fn tick() {
    if on() && below(STALL) == 0 {
        did();
        clock::delay(u64::from(below(STALL_US)));
    }
}
