//! Pass, fail, or inconclusive.

use mmu386_wire::soak::Counters;
use serde::Serialize;

use super::control::Control;
use super::plan::Plan;
use super::watch::Watch;
use crate::guest::{Problem, Report};

/// What a soak says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing broke, everything was tried, and the controls broke as they had to.
    Pass,
    /// Something broke.
    Fail,
    /// Nothing broke, but that says less than it should.
    Inconclusive,
}

/// Counters that only some soaks can move.
fn may_be_zero(name: &str, plan: &Plan) -> bool {
    match name {
        "findings" => true,
        // One CPU has nobody to migrate to; a request is answered by asking.
        "migrations" | "served" => plan.smp == 1,
        // A fault meets a flush, and a pool is empty or not, as it happens.
        "refused" | "synced" | "swept" | "flushes" | "pool_hits" => true,
        "chaos" => !plan.chaos,
        _ => false,
    }
}

/// What a soak says, and why it does not pass.
pub fn judge(
    plan: &Plan,
    report: &Report,
    watch: &Watch<'_>,
    controls: &[Control],
) -> (Verdict, Vec<String>) {
    let mut wrong = Vec::new();
    let mut doubts = Vec::new();
    for problem in &report.outcome.problems {
        match problem {
            Problem::Interrupted => doubts.push(problem.words()),
            Problem::NotWritten(_) => doubts.push(problem.words()),
            _ => wrong.push(problem.words()),
        }
    }
    let counters = report.said.soaked.as_ref().map(|soaked| soaked.counters).unwrap_or_default();
    let findings = counters.findings.max(report.said.findings.len() as u32);
    if findings > 0 {
        let hazards = report.said.hazards().join(", ");
        wrong.push(format!("{findings} findings: {hazards}"));
    }
    if watch.window.count > 0 {
        wrong.push(format!(
            "the host saw {} pages of shared memory that a stale translation wrote to",
            watch.window.count
        ));
    }
    if watch.window.scans == 0 || watch.window.stamped == 0 {
        doubts.push("the host never saw a write to the shared memory".to_owned());
    }
    for (name, count) in Counters::NAMES.iter().zip(counters.values()) {
        if count == 0 && !may_be_zero(name, plan) {
            doubts.push(format!("no {name}: what did not happen was not tried"));
        }
        let least = plan.at_least.iter().find(|least| least.counter == *name);
        if let Some(least) = least.filter(|least| count < least.least) {
            doubts.push(format!("{count} {name}, and not at least {}", least.least));
        }
    }
    if controls.is_empty() {
        doubts.push("no control was run".to_owned());
    }
    for control in controls.iter().filter(|control| !control.missing.is_empty()) {
        let Control { variant, tests, missing, ended, .. } = control;
        doubts.push(format!(
            "the control {variant} ({tests}) did not show {}, and ended: {ended}",
            missing.join(", ")
        ));
    }
    let verdict = match (wrong.is_empty(), doubts.is_empty()) {
        (false, _) => Verdict::Fail,
        (true, false) => Verdict::Inconclusive,
        (true, true) => Verdict::Pass,
    };
    wrong.append(&mut doubts);
    (verdict, wrong)
}
