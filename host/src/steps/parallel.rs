//! The same actions by eight processes at once, each on a thread of its own.

use std::sync::Arc;

use mmu386::variant::Variant;

use super::run::{Finding, Outcome, of_panic, tell};
use super::world::World;
use super::{Action, action};
use crate::threads::Body;

/// Actions of each process between two moments at which all stand still and the auditor looks.
const ROUND: usize = 100;

/// Does about `steps` actions. Which process does what follows from `seed`, which comes first does not.
/// Ends with the first finding.
pub fn run_parallel<V: Variant>(steps: usize, seed: u64) -> Vec<Finding> {
    run_parallel_while::<V>(steps, seed, |_, _| true).findings
}

/// As [`run_parallel`], for as long as `go_on` says so, which hears how many actions are done and how
/// much was found.
pub fn run_parallel_while<V: Variant>(
    steps: usize,
    seed: u64,
    mut go_on: impl FnMut(usize, usize) -> bool,
) -> Outcome {
    let world = World::<V>::of_threads(seed);
    let procs = world.machine.config().procs;
    let mut done = 0;
    let mut findings = Vec::new();
    while done < steps && findings.is_empty() && go_on(done, 0) {
        let bodies = (0..procs).map(|p| (p, body(&world, seed, done, p))).collect();
        let ended = world.machine.in_parallel(bodies);
        done += procs * ROUND;
        let mut found = Vec::new();
        if let Err(text) = ended {
            found.push((of_panic(&text), None, text));
        }
        found.extend(world.seen().into_iter().map(|seen| (seen.property, seen.hazard, seen.text)));
        let mut audited = world.machine.noticed();
        if found.is_empty() {
            audited.extend(world.machine.audit());
        }
        found.extend(audited.into_iter().map(|v| (v.property.id(), None, v.detail)));
        findings = tell(&world, done, found);
    }
    Outcome { findings, steps: done.min(steps), digest: 0 }
}

fn body<V: Variant>(world: &Arc<World<V>>, seed: u64, done: usize, p: usize) -> Body<V> {
    let world = world.clone();
    let mut rng = fastrand::Rng::with_seed(seed ^ (done as u64) << 24 ^ (p as u64 + 1) << 56);
    Box::new(move |cpu| {
        for _ in 0..ROUND {
            match action(&mut rng) {
                // What they say of others is not true while others run.
                Action::Countpagerefs | Action::VunmapPart { .. } => {}
                action @ Action::Die { .. } => {
                    world.act(cpu, action, true);
                    cpu.birth(p);
                }
                action => world.act(cpu, action, true),
            }
        }
    })
}
