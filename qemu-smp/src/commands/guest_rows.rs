//! Rows out of boots: what the kernel showed on real page tables and TLBs.

use serde_json::{Map, json};

use crate::guest::{Boot, Finding, Report};
use crate::variants::SEED;
use crate::verdict::{
    Counterexample, Expected, Row, Step, Verdict, hazard_name, hazard_property, same_hazard,
};

/// CPUs of the boots that count.
pub(super) const CPUS: u32 = 4;
/// The hazard that the kernel must show on Seed.
const HAZARD: &str = "A1";
/// Findings that become steps of a counterexample; a soak can print many of the same kind.
const STEPS: usize = 32;

/// The row of a variant before its boot.
pub(super) fn planned(variant: &str) -> Row {
    row(variant, HAZARD, Verdict::Cut, Some("did not run".to_owned()))
}

/// The row of a boot that could not even start.
pub(super) fn failed(variant: &str, reason: String) -> Row {
    row(variant, HAZARD, Verdict::Inconclusive, Some(reason))
}

/// The rows of a boot: the planned one first, then one for every other hazard that showed, in this
/// boot or, as `shown` says, in the boot of another variant.
pub(super) fn rows(report: &Report, shown: &[String]) -> Vec<Row> {
    let variant = report.boot.variant.as_str();
    let of = |hazard: &str| -> Vec<&Finding> {
        report.said.findings.iter().filter(|finding| same_hazard(&finding.hazard, hazard)).collect()
    };
    let mut hazards = vec![HAZARD.to_owned()];
    hazards.extend(report.said.hazards());
    hazards.extend(shown.iter().cloned());
    let mut seen = Vec::new();
    hazards.retain(|hazard| {
        let new = !seen.iter().any(|known: &String| same_hazard(known, hazard));
        seen.push(hazard.clone());
        new
    });
    let mut rows: Vec<Row> =
        hazards.into_iter().map(|hazard| judged(report, variant, &hazard, &of(&hazard))).collect();
    for row in &mut rows {
        row.seconds = report.time.as_secs_f64();
        row.executions = 1;
        row.more.insert("tests".to_owned(), json!(report.said.tests.len()));
        row.more.insert("command".to_owned(), json!(report.command));
    }
    rows
}

fn judged(report: &Report, variant: &str, hazard: &str, findings: &[&Finding]) -> Row {
    let believable = report.outcome.passed() || report.outcome.only_tests_failed();
    if report.outcome.interrupted() {
        return row(variant, hazard, Verdict::Cut, Some("interrupted".to_owned()));
    }
    if !believable {
        return row(variant, hazard, Verdict::Inconclusive, Some(report.outcome.summary()));
    }
    if !findings.is_empty() {
        let mut row = row(variant, hazard, Verdict::Broken, None);
        row.counterexample = Some(counterexample(hazard, findings));
        return row;
    }
    // Without a finding of this kind, only a run without any failure holds; on Seed other tests may
    // fail for reasons of their own, but then this hazard did not show, which is what counts.
    if report.outcome.passed() || variant == SEED {
        return row(variant, hazard, Verdict::Holds, None);
    }
    row(variant, hazard, Verdict::Inconclusive, Some(report.outcome.summary()))
}

fn row(variant: &str, hazard: &str, verdict: Verdict, reason: Option<String>) -> Row {
    let boot = Boot::new(variant, CPUS);
    Row {
        id: format!("kernel-{}/{variant}", hazard.to_lowercase()),
        property: property(hazard),
        hazard: hazard.to_owned(),
        variant: variant.to_owned(),
        engine: "qemu".to_owned(),
        mode: boot.accel.resolve().name().to_owned(),
        model: if same_hazard(hazard, HAZARD) {
            "kernel".to_owned()
        } else {
            format!("kernel {hazard}")
        },
        cpus: CPUS,
        preemption_bound: None,
        exhaustive: false,
        executions: 0,
        seconds: 0.0,
        verdict,
        expected: if variant == SEED { Expected::Broken } else { Expected::Holds },
        counterexample: None,
        reason,
        replay: format!("cargo smp boot --smp {CPUS} --variant {variant}"),
        more: Map::new(),
    }
}

/// What a finding of this name breaks; where nobody knows the name, the judgement says so.
fn property(hazard: &str) -> String {
    hazard_property(hazard).unwrap_or(hazard).to_owned()
}

fn counterexample(hazard: &str, findings: &[&Finding]) -> Counterexample {
    let count = findings.len();
    let name = hazard_name(hazard).unwrap_or("not in the ledger");
    let first = findings.first().map_or("", |finding| finding.detail.as_str());
    let steps = findings.iter().take(STEPS).zip(1..).map(|(finding, step)| Step {
        step,
        cpu: finding.cpu,
        op: "read".to_owned(),
        target: format!("{:#010x}", finding.va),
        value: format!("{:#x}", finding.seen),
        note: format!("must show {:#x}: {}", finding.expected, finding.detail),
    });
    Counterexample {
        summary: format!("{count} findings in the running kernel ({name}). {first}"),
        property: property(hazard),
        steps: steps.collect(),
        end: Vec::new(),
    }
}
