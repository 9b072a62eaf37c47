//! Runs steps and judges after each.

use std::sync::Arc;

use mmu386::variant::Variant;
use serde::{Deserialize, Serialize};

use super::Step;
use super::hazard::is_repaired;
use super::world::World;
use crate::panics::caught;

/// Findings after which a run ends.
const MAX: usize = 24;
/// Findings of the same property and hazard that are kept.
const ALIKE: usize = 2;
/// Findings, kept or not, after which a run ends.
const TOO_MANY: usize = 500;

/// A property, a hazard if it is known, and what was seen.
pub(super) type Found = (&'static str, Option<&'static str>, String);

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
    let mut findings: Vec<Finding> = Vec::new();
    let mut world = World::<V>::new(seed);
    let (mut done, mut found) = (0, 0);
    for (number, step) in steps.iter().enumerate() {
        if findings.len() >= MAX || found >= TOO_MANY || !go_on(done, found) {
            break;
        }
        done += 1;
        let new = judge(&world, number, step);
        if new.is_empty() {
            continue;
        }
        found += new.len();
        for one in new {
            let alike =
                |other: &&Finding| other.property == one.property && other.hazard == one.hazard;
            if findings.iter().filter(alike).count() < ALIKE {
                findings.push(one);
            }
        }
        world = World::new(seed.wrapping_add(found as u64));
    }
    Outcome { findings, steps: done, digest: world.machine.digest() }
}

/// The property that a panic breaks.
pub(super) fn of_panic(text: &str) -> &'static str {
    match text {
        text if text.starts_with("L1") => "L1",
        text if text.contains("U2:") => "U2",
        text if text.contains("touches") => "P2",
        _ => "E2",
    }
}

/// Does a step, and tells what is broken after it.
fn judge<V: Variant>(world: &Arc<World<V>>, number: usize, step: &Step) -> Vec<Finding> {
    let mut found = Vec::new();
    match caught(|| world.step(*step)) {
        // Everything is half done, and an audit would say nothing.
        Err(text) => found.push((of_panic(&text), None, text)),
        Ok(()) => {
            let audited = world.machine.noticed().into_iter().chain(world.machine.audit());
            found.extend(audited.map(|v| (v.property.id(), None, v.detail)));
        }
    }
    let seen = world.seen().into_iter();
    found.extend(seen.map(|seen| (seen.property, seen.hazard, seen.text)));
    tell(world, number, found)
}

/// The first finding of each property.
pub(super) fn tell<V: Variant>(world: &World<V>, step: usize, found: Vec<Found>) -> Vec<Finding> {
    let mut told = Vec::new();
    let mut findings = Vec::new();
    for (property, hazard, text) in found {
        if told.contains(&property) {
            continue;
        }
        told.push(property);
        let hinted = hazard.filter(|hazard| !is_repaired::<V>(hazard));
        let hazard = hinted.or_else(|| world.hazard(property, &text)).map(String::from);
        findings.push(Finding { step, property: property.into(), hazard, text });
    }
    findings
}
