//! Hostile programs: each is killed or refused alone. Kernel, other processes and the count of pages are
//! as before.

use kernel_abi::Attack;

use super::account::{all_well, found, settle, spare, start};
use super::context::{Context, Outcome};
use crate::sched;
use crate::user::{Cause, Group};

const CAUSE: &str = "a hostile program did not end as it had to";

/// Processes of an attack at a time.
const LIMIT: u32 = 12;

/// How it must end.
enum End {
    /// By reaching for memory that is not its own.
    BadAccess,
    /// By an exception, of one of these names.
    Exception(&'static str),
    /// By itself: it was refused, as it wanted to be.
    Refused,
    /// By the kernel, at the end of its patience.
    Killed,
}

const PROTECTION: End = End::Exception("general protection violation");

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
        BadCalls | BadPointers | BadStack | BadDescriptors | RunningOnIt | ForkBomb => End::Refused,
        Spin => End::Killed,
    }
}

/// Tries one beside two bystanders; what became of them.
fn attempt(context: &Context, attack: Attack) {
    let before = spare();
    let bystanders = Group::new(2);
    for seed in 0..2 {
        start("registers", &[seed, 8], &bystanders);
    }
    let group = Group::new(LIMIT);
    start("hostile", &[attack as u32], &group);
    let end = end(attack);
    if matches!(end, End::Killed) {
        for _ in 0..3 {
            sched::relax();
        }
        group.kill();
    }
    group.wait();
    settle(context, &bystanders, before);
    all_well(context, &bystanders);
    let deaths = group.deaths();
    let cause = deaths.first().map(|death| death.cause);
    let as_it_had_to = match (end, cause) {
        (End::BadAccess, Some(Cause::BadAccess { .. })) => true,
        (End::Exception(name), Some(Cause::Exception(seen))) => name == seen,
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

/// One attack after the other, then an audit.
pub fn run(context: &Context) -> Outcome {
    for attack in Attack::ALL {
        attempt(context, *attack);
    }
    context.audit();
    context.outcome(format_args!("{} attacks, each beside two bystanders", Attack::ALL.len()))
}
