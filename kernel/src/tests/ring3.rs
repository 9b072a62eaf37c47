//! Programs in ring 3 that do what they may: system calls, and work while ticks come.

use core::sync::atomic::Ordering;

use super::account::{all_well, settle, spare, start};
use super::context::{Context, Outcome};
use crate::mach::{machp, nmach};
use crate::user::{CALLS, COPIES, FAULTS, Group};

/// Every system call, by a program on each CPU.
pub fn calls(context: &Context) -> Outcome {
    let before = spare();
    let counters = [&CALLS, &FAULTS, &COPIES].map(|counter| counter.load(Ordering::Relaxed));
    let group = Group::new(8 * context.ncpu as u32);
    for _ in 0..context.ncpu {
        start("calls", &[7, 9], &group);
    }
    settle(context, &group, before);
    all_well(context, &group);
    let [calls, faults, copies] = [&CALLS, &FAULTS, &COPIES].map(|c| c.load(Ordering::Relaxed));
    let mut outcome = context.outcome(format_args!(
        "{} processes, {} system calls, {} faults, {} pages copied",
        group.lives(),
        calls - counters[0],
        faults - counters[1],
        copies - counters[2]
    ));
    outcome.failures += u32::from(copies == counters[2]);
    outcome
}

/// Rounds of a program that holds known values in its registers.
const ROUNDS: u32 = 300;

/// Two programs for each CPU that spin, so that only the tick takes them from it.
pub fn preemption(context: &Context) -> Outcome {
    let switches = || (0..nmach()).map(|n| machp(n).switches.load(Ordering::Relaxed)).sum::<u32>();
    let (before, switched) = (spare(), switches());
    let group = Group::new(2 * context.ncpu as u32);
    for seed in 0..2 * context.ncpu as u32 {
        start("registers", &[seed.wrapping_mul(0x1234_5679), ROUNDS], &group);
    }
    settle(context, &group, before);
    all_well(context, &group);
    let switched = switches() - switched;
    let mut outcome = context.outcome(format_args!(
        "{} processes of {ROUNDS} rounds, {switched} switches",
        group.lives()
    ));
    // More than it takes to start each, once.
    outcome.failures += u32::from(switched <= 2 * group.lives());
    outcome
}
