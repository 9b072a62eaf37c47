//! What programs in ring 3 can make the kernel keep in its heap: each has its bound, and all together leave
//! a reserve.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::account::{all_well, found, settle, spare, start};
use super::context::{Context, Outcome};
use crate::layout::BY2PG;
use crate::user::{Cause, Group, RECORDS};
use crate::{heap, sched};

const GREW: &str = "the kernel's heap grows with the children that nobody asks about";
const KEPT: &str = "a process cannot ask about as many children as are kept";
const GIVEN: &str = "a process was not refused what takes memory that the kernel keeps for itself";

/// What `careless` does after its children: see there.
const STAYS: u32 = 0;
const ASKS: u32 = 1;
const REFUSED: u32 = 2;
const FAULTS: u32 = 3;

/// Children beyond the bound, few and many.
const FEW: u32 = RECORDS as u32 + 2;
const MANY: u32 = 8 * RECORDS as u32;
/// Bytes by which the heap may differ for other reasons: how full the book's nodes are.
const SLACK: usize = 1024;
/// Processes of a careless family at a time: with each child the one before is gone.
const FAMILY: u32 = 2;

/// Bytes of heap in use while a process lives that had so many children and asked about none.
fn used_with(children: u32) -> usize {
    let group = Group::new(FAMILY);
    start("careless", &[children, STAYS], &group);
    while group.lives() <= children || group.live() > 1 {
        sched::relax();
    }
    // The last child is buried by the CPU that it was on.
    super::account::spare();
    let used = heap::used();
    group.kill();
    group.wait();
    used
}

/// Processes that have many children and never ask about them.
pub fn unawaited(context: &Context) -> Outcome {
    let before = spare();
    let (few, many) = (used_with(FEW), used_with(MANY));
    if many > few + SLACK {
        found(context, "heap", 0, few as u32, many as u32, GREW);
    }
    let group = Group::new(FAMILY);
    start("careless", &[FEW, ASKS], &group);
    settle(context, &group, before);
    let cause = group.deaths().first().map(|death| death.cause);
    let told = if let Some(Cause::Exits(told)) = cause { told } else { 0 };
    // The last child may end when the first has been asked about.
    if !(RECORDS as u32..FEW).contains(&told) {
        found(context, "heap", 0, RECORDS as u32, told, KEPT);
    }
    context.outcome(format_args!(
        "{few} bytes of heap with {FEW} children, {many} with {MANY}; {told} of {FEW} were kept"
    ))
}

/// Takes heap until so much is left.
fn ballast(left: usize) -> Vec<Box<[u8; BY2PG]>> {
    let mut ballast = Vec::with_capacity(heap::HEAPSIZE / BY2PG);
    while heap::free() > left {
        ballast.push(Box::new([0; BY2PG]));
    }
    ballast
}

/// A process that asks for all that takes memory, when there is no more than the reserve: it is refused
/// each, and lives. A program is not started then, and one that faults has to go when less is left.
pub fn refusals(context: &Context) -> Outcome {
    let before = spare();
    let (group, faults) = (Group::new(FAMILY), Group::new(FAMILY));
    start("careless", &[0, REFUSED], &group);
    start("careless", &[0, FAULTS], &faults);
    while group.lives() < 2 || faults.lives() < 2 {
        sched::relax();
    }
    let low = ballast(heap::RESERVE - (64 << 10));
    let late = Group::new(1);
    start("careless", &[0, ASKS], &late);
    late.wait();
    let not_started = Cause::NotStarted(kernel_abi::Error::NoMemory);
    if late.deaths().first().map(|death| death.cause) != Some(not_started) {
        found(context, "heap", 0, 0, 0, GIVEN);
    }
    group.wait();
    all_well(context, &group);
    let lower = ballast(heap::LAST_RESERVE - (64 << 10));
    settle(context, &faults, before);
    if faults.deaths().first().map(|death| death.cause) != Some(Cause::NoMemory) {
        found(context, "heap", 0, 0, 0, GIVEN);
    }
    let free = heap::free();
    drop((low, lower));
    let after = Group::new(8);
    start("calls", &[7, 9], &after);
    settle(context, &after, before);
    all_well(context, &after);
    context.outcome(format_args!("{free} bytes were left, {} after", heap::free()))
}
