//! More is asked for than there is: the largest process goes, again and again, until what is left fits.

use core::sync::atomic::Ordering;

use super::account::{all_well, found, settle, spare, start};
use super::context::{Context, Outcome};
use crate::pages;
use crate::user::{Cause, Group, STARVED};

/// Pages that each process asks for.
const PAGES: u32 = 120;
/// Generations of each that is started.
const GENERATIONS: u32 = 2;

const ENDED: &str = "a process that asked for too much ended in another way than out of memory";

/// Twice as much as there is, by processes and their children, beside small ones that must not notice.
pub fn run(context: &Context) -> Outcome {
    let before = spare();
    let (starved, slept) = (STARVED.load(Ordering::Relaxed), pages::slept());
    let small = Group::new(4);
    let group = Group::new(48);
    let families = (2 * pages::npage() as u32).div_ceil(PAGES * (GENERATIONS + 1)).max(2);
    start("calls", &[7, 9], &small);
    for _ in 0..families {
        start("greedy", &[PAGES, GENERATIONS], &group);
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
    // Somebody had to go, somebody had to stay, and nobody was ended for more.
    outcome.failures +=
        u32::from(starved == 0 || starved >= lives || deaths.len() as u32 != starved);
    outcome
}
