//! Runs steps and judges after each.

use mmu386::variant::Variant;
use serde::{Deserialize, Serialize};

use super::Step;
use super::world::World;
use crate::panics::caught;

/// Findings after which a run ends.
const MAX: usize = 24;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Number of the step after which it was seen, counted from 0.
    pub step: usize,
    /// The property that does not hold: one of the auditor's, L1 (every wait ends), E1 (what the
    /// core answers is right), E2 (its own invariants hold), P2 (what one owns no other touches).
    pub property: String,
    /// The hazard, if the evidence names one.
    pub hazard: Option<String>,
    /// What was seen.
    pub text: String,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What was found; none is what one wants.
    pub findings: Vec<Finding>,
    /// Steps that were done; fewer than were given, if there were too many findings.
    pub steps: usize,
    /// All that happened as a number, of the last machine.
    pub digest: u64,
}

/// Runs steps on a machine of four CPUs and six processes. All that happens by chance follows from
/// `seed`. After a finding the rest is run on a new machine, as what is broken stays broken.
pub fn run<V: Variant>(steps: &[Step], seed: u64) -> Vec<Finding> {
    run_while::<V>(steps, seed, |_, _| true).findings
}

/// As [`run`], for as long as `go_on` says so, which hears how many steps are done and how much was
/// found.
pub fn run_while<V: Variant>(
    steps: &[Step],
    seed: u64,
    mut go_on: impl FnMut(usize, usize) -> bool,
) -> Outcome {
    let mut findings = Vec::new();
    let mut world = World::<V>::new(seed);
    let mut done = 0;
    for (number, step) in steps.iter().enumerate() {
        if findings.len() >= MAX || !go_on(done, findings.len()) {
            break;
        }
        done += 1;
        let new = judge(&world, number, step);
        if !new.is_empty() {
            findings.extend(new);
            world = World::new(seed.wrapping_add(findings.len() as u64));
        }
    }
    Outcome { findings, steps: done, digest: world.machine.digest() }
}

/// Does a step, and tells the first of each property that is broken after it.
fn judge<V: Variant>(world: &std::sync::Arc<World<V>>, number: usize, step: &Step) -> Vec<Finding> {
    let mut found: Vec<(&'static str, Option<&'static str>, String)> = Vec::new();
    if let Err(text) = caught(|| world.step(*step)) {
        let property = match &text {
            text if text.starts_with("L1") => "L1",
            text if text.contains("U2:") => "U2",
            text if text.contains("touches") => "P2",
            _ => "E2",
        };
        found.push((property, None, text));
    }
    found.extend(world.seen().into_iter().map(|seen| (seen.property, seen.hazard, seen.text)));
    if found.iter().all(|(property, ..)| *property == "V1") {
        // After a panic everything is half done, and says nothing.
        let audited = world.machine.noticed().into_iter().chain(world.machine.audit());
        found.extend(audited.map(|v| (v.property.id(), None, v.detail)));
    }
    let mut told = Vec::new();
    found.retain(|(property, ..)| {
        let new = !told.contains(property);
        told.push(*property);
        new
    });
    let finding =
        |(property, hazard, text): (&'static str, Option<&'static str>, String)| Finding {
            step: number,
            property: property.into(),
            hazard: hazard.or_else(|| world.hazard(property, &text, step)).map(String::from),
            text,
        };
    found.into_iter().map(finding).collect()
}
