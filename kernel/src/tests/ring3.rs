//! Programs in ring 3 that do what they may: system calls, and work while ticks come.

use core::sync::atomic::Ordering;

use super::account::{all_well, settle, spare, start};
use super::context::{Context, Outcome};
use crate::mach::{machp, nmach};
use crate::segment;
use crate::user::{CALLS, COPIES, FAULTS, Group, TEXTS, Text};

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

/// Times that any CPU entered a process.
fn switches() -> u32 {
    (0..nmach()).map(|n| machp(n).switches.load(Ordering::Relaxed)).sum()
}

/// Two programs for each CPU that spin, so that only the tick takes them from it.
pub fn preemption(context: &Context) -> Outcome {
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

/// Rounds of a program with descriptors of its own.
const SEGMENT_ROUNDS: u32 = 40;

/// Programs with descriptors of their own, two for each CPU at most, beside some that have none. All tables are
/// freed at the end.
pub fn segments(context: &Context) -> Outcome {
    let (before, tables) = (spare(), segment::ldts());
    let switched = switches();
    // As many as the process table has room for.
    let many = (2 * context.ncpu as u32).min(24);
    let group = Group::new(many + many / 2 + 2);
    let strangers = Group::new(many);
    let mut rng = context.rng(0);
    // The second time in slots of the process table where others had descriptors.
    for _ in 0..2 {
        for n in 0..many {
            start("segments", &[rng.below(1 << 24) as u32, SEGMENT_ROUNDS, 0], &group);
            if n.is_multiple_of(2) {
                start("registers", &[n, ROUNDS / 3], &strangers);
            }
        }
        group.wait();
        strangers.wait();
    }
    settle(context, &strangers, before);
    settle(context, &group, before);
    all_well(context, &strangers);
    all_well(context, &group);
    let (left, switched) = (segment::ldts() - tables, switches() - switched);
    let mut outcome = context.outcome(format_args!(
        "{} processes with descriptors of their own, {switched} switches, {left} tables not freed",
        group.lives()
    ));
    outcome.failures += left + u32::from(switched <= 2 * group.lives());
    outcome
}

/// Programs that run one after the other, and side by side, while their text is kept: each page of it is
/// read in once, whoever comes first. It goes when it is not kept any more, and pages are whole then.
pub fn text(context: &Context) -> Outcome {
    let before = spare();
    let read = || TEXTS.load(Ordering::Relaxed);
    // The second is what the first runs in a child.
    let text = ["calls", "registers"].map(|name| match Text::keep(name) {
        Ok(text) => text,
        Err(error) => panic!("{name}: {error:?}"),
    });
    let start_all = || {
        let group = Group::new(8 * context.ncpu as u32);
        for _ in 0..context.ncpu {
            start("calls", &[7, 9], &group);
        }
        group.wait();
        all_well(context, &group);
    };
    let at_first = read();
    start_all();
    let first = read() - at_first;
    start_all();
    let (again, present) =
        (read() - at_first - first, text.iter().map(Text::present).sum::<usize>());
    drop(text);
    // The control: text that nobody keeps is read in again.
    let unkept = read();
    start_all();
    let group = Group::new(1);
    settle(context, &group, before);
    let unkept = read() - unkept;
    let mut outcome = context.outcome(format_args!(
        "{present} pages of text read in by {first} faults of {} processes, {again} by as many again; \
         {unkept} when nobody kept them",
        context.ncpu
    ));
    let once = first as usize == present && present > 0 && again == 0 && unkept >= first;
    outcome.failures += u32::from(!once);
    outcome
}
