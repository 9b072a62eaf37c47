//! More is asked for than there is: the largest process goes, again and again, until what is left fits.

use core::sync::atomic::Ordering;

use super::account::{all_well, found, settle, spare, start};
use super::context::{Context, Outcome};
use crate::pages;
use crate::user::{Cause, Group, STARVED};

/// Pages that each process asks for.
const PAGES: u32 = 120;
/// Families, each of which asks for more than there is.
const FAMILIES: u32 = 2;

const ENDED: &str = "a process that asked for too much ended in another way than out of memory";

/// More than twice what there is, by processes that keep theirs until their children are gone, beside small
/// ones that must not notice.
pub fn run(context: &Context) -> Outcome {
    let before = spare();
    let (starved, slept) = (STARVED.load(Ordering::Relaxed), pages::slept());
    let small = Group::new(4);
    let group = Group::new(48);
    let generations = pages::npage() as u32 / PAGES;
    start("calls", &[7, 9], &small);
    for _ in 0..FAMILIES {
        start("greedy", &[PAGES, generations], &group);
    }
    group.wait();
    settle(context, &small, before);
    settle(context, &group, before);
    all_well(context, &small);
    let deaths = group.deaths();
    for death in deaths.iter().filter(|death| death.cause != Cause::NoMemory) {
        crate::println!("{} {}: {}", death.program, death.pid, death.cause);
        found(context, "out-of-memory", 0, 0, death.pid, ENDED);
    }
    let starved = STARVED.load(Ordering::Relaxed) - starved;
    let (lives, slept) = (group.lives(), pages::slept() - slept);
    let mut outcome = context.outcome(format_args!(
        "{lives} processes asked for {PAGES} pages each, {starved} ended for it, slept {slept} times"
    ));
    // Somebody had to go, and nobody for another reason; not all had to.
    outcome.failures +=
        u32::from(starved == 0 || starved >= lives || deaths.len() as u32 != starved);
    outcome
}
