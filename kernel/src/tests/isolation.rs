//! Hostile programs: each is killed or refused alone. Kernel, other processes and the count of pages are
//! as before.

use alloc::sync::Arc;
use alloc::vec::Vec;

use kernel_abi::Attack;

use super::account::{all_well, found, settle, spare, start};
use super::context::{Context, Outcome};
use crate::mmu::{self, Fixes};
use crate::ureg::VIRTUAL_8086;
use crate::user::{Cause, Group};
use crate::{cpu, sched};

const CAUSE: &str = "a hostile program did not end as it had to";

/// Processes of an attack at a time.
const LIMIT: u32 = 12;

/// How it must end.
enum End {
    /// By reaching for memory that is not its own.
    BadAccess,
    /// By an exception, of one of these names.
    Exception(&'static str),
    /// By virtual 8086 mode, which the translator lets it enter. A processor refuses that.
    Virtual8086,
    /// By itself: it was refused, as it wanted to be.
    Refused,
    /// By the kernel, at the end of its patience.
    Killed,
}

const GENERAL_PROTECTION: &str = "general protection violation";
const PROTECTION: End = End::Exception(GENERAL_PROTECTION);

fn end(attack: Attack) -> End {
    use Attack::*;
    match attack {
        ReadNull | ReadKernel | WriteKernel | ReadVmap | WriteVmap | ReadKmap | WriteKmap
        | ReadVpt | WriteVpt | WriteVpd | WriteMach | WritePlatform | ReadTop | ReadStraddling
        | WriteText | JumpNull | JumpKernel | JumpVpt | DeepStack | KernelStack
        | KernelThroughSegment => End::BadAccess,
        Hlt | Cli | Sti | PopfCli | In | Out | ReadCr0 | LoadCr3 | LoadDr7 | Lgdt | Lidt | Lldt
        | Ltr | Wrmsr | Invlpg | Invd | KernelData | KernelStackSegment | KernelCode
        | TaskSegment | CallTask | LocalSegment | ProcessSegment | FarSegment
        | NullStackSegment | KernelReturn | IntTimer | IntPageFault | IntDoubleFault
        | IntBreakpoint | IntOther | CallGate | BeyondLocalTable | DescriptorPulled => PROTECTION,
        NestedTask => End::Exception("invalid TSS"),
        Divide => End::Exception("divide error"),
        TrapFlag => End::Exception("debug exception"),
        Undefined | Sse => End::Exception("invalid opcode"),
        Fpu | FpuWait => End::Exception("coprocessor not available"),
        BadCalls | BadPointers | BadStack | BadDescriptors | RunningOnIt | ForkNested
        | ForkBomb => End::Refused,
        Fault8086 | Fault8086Ring3 | Fork8086 | Fork8086Ring3 | Spin8086 | Cli8086 | Deaf8086
        | Privilege8086 => End::Virtual8086,
        Spin => End::Killed,
    }
}

/// Whether an attack ended as it had to; says how, if not.
fn judge(context: &Context, attack: Attack, group: &Group) {
    let deaths = group.deaths();
    let cause = deaths.first().map(|death| death.cause);
    let as_it_had_to = match (end(attack), cause) {
        (End::BadAccess, Some(Cause::BadAccess { .. })) => true,
        (End::Exception(name), Some(Cause::Exception(seen))) => name == seen,
        (End::Virtual8086, Some(Cause::Exception(seen))) if cpu::translated() => {
            seen == VIRTUAL_8086
        }
        (End::Virtual8086, Some(Cause::Exception(seen))) => seen == GENERAL_PROTECTION,
        (End::Killed, cause) => cause == Some(Cause::Killed),
        (End::Refused, cause) => cause.is_none(),
        _ => false,
    };
    if !as_it_had_to || deaths.len() > 1 {
        match cause {
            Some(cause) => crate::println!("{attack:?}: {cause}"),
            None => crate::println!("{attack:?}: ended by itself"),
        }
        found(context, "isolation", 0, 0, attack as u32, CAUSE);
    }
    if attack == Attack::ForkBomb && group.lives() < LIMIT {
        found(context, "isolation", 0, LIMIT, group.lives(), CAUSE);
    }
}

/// Attacks that go on side by side; pages are counted before and after all of them.
const TOGETHER: usize = 8;
/// Processes of each bystander at a time, and the rounds of those that are started.
const BYSTANDERS: u32 = 3;
const ROUNDS: u32 = 12;

/// Some attacks beside two bystanders that do all that processes may.
fn attempt(context: &Context, seed: u32, attacks: &[Attack]) {
    let before = spare();
    let bystanders = [0, 1].map(|_| Group::new(BYSTANDERS));
    for (n, bystanders) in (0..).zip(&bystanders) {
        // What `life` does needs C1; without, the bystanders keep to themselves.
        if mmu::has(Fixes::C1) {
            start("life", &[2 * seed + n, ROUNDS, 0], bystanders);
        } else {
            start("registers", &[2 * seed + n, ROUNDS], bystanders);
        }
    }
    let groups: Vec<_> = attacks.iter().map(|attack| (*attack, begin(*attack))).collect();
    for (_, group) in groups.iter().filter(|(attack, _)| matches!(end(*attack), End::Killed)) {
        kill_soon(group);
    }
    groups.iter().for_each(|(_, group)| group.wait());
    bystanders.iter().for_each(|group| group.wait());
    for bystanders in &bystanders {
        settle(context, bystanders, before);
        all_well(context, bystanders);
    }
    groups.iter().for_each(|(attack, group)| judge(context, *attack, group));
}

/// Whether an attack can be survived here: interrupts are turned off in a way that only the translator
/// allows, and it takes another CPU to notice.
fn survivable(context: &Context, attack: Attack) -> bool {
    attack != Attack::Deaf8086 || context.ncpu > 1 || !cpu::translated()
}

/// One attack beside whatever else there is, but for the one that takes a CPU away for a second: others
/// measure how long they wait.
pub fn alone(context: &Context, attack: Attack) {
    if attack == Attack::Deaf8086 {
        return;
    }
    let group = begin(attack);
    if matches!(end(attack), End::Killed) {
        kill_soon(&group);
    }
    group.wait();
    judge(context, attack, &group);
}

/// The control: an attack that is judged as if it had to end by itself.
pub fn misjudged(context: &Context, attack: Attack) {
    let group = begin(attack);
    group.wait();
    judge(context, Attack::BadCalls, &group);
}

fn begin(attack: Attack) -> Arc<Group> {
    let group = Group::new(LIMIT);
    start("hostile", &[attack as u32], &group);
    group
}

fn kill_soon(group: &Group) {
    for _ in 0..3 {
        sched::relax();
    }
    group.kill();
}

/// All attacks, some at a time, then an audit.
pub fn run(context: &Context) -> Outcome {
    let mut rng = context.rng(0);
    let all: Vec<_> =
        Attack::ALL.iter().copied().filter(|attack| survivable(context, *attack)).collect();
    for attacks in all.chunks(TOGETHER) {
        attempt(context, rng.below(1 << 20) as u32, attacks);
    }
    context.audit();
    let all = all.len();
    context.outcome(format_args!("{all} attacks, {TOGETHER} at a time beside two bystanders"))
}
