//! What came of a run, as people and programs get it, and whether that is as expected.

use serde::Serialize;

use crate::counterexample::Counterexample;
use crate::engine::Mode;
use crate::models::{Break, Expected};
use crate::oracle::Property;

/// What came of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All executions within the bounds keep the property.
    Holds,
    /// Some execution breaks it.
    Broken,
    /// The run was ended before all executions were explored.
    Cut,
    /// The engine could not say.
    Inconclusive,
}

/// A run and its verdict, for programs.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Names the run among all runs.
    pub id: String,
    /// Property at stake, or the one that broke.
    pub property: String,
    /// Ledger entry, or "-".
    pub hazard: String,
    /// Variant of mmu386.
    pub variant: String,
    /// Engine.
    pub engine: &'static str,
    /// Version of the engine.
    pub engine_version: &'static str,
    /// What loads and stores are.
    pub mode: Mode,
    /// Model.
    pub model: String,
    /// CPUs.
    pub cpus: usize,
    /// Most preemptions per execution; none if unlimited.
    pub preemption_bound: Option<usize>,
    /// Whether every interleaving of the model was explored. Never so as written: loom drops some.
    pub exhaustive: bool,
    /// Executions explored.
    pub executions: u64,
    /// Orders of conflicting steps among them, and what names the set of them, if the engine tells them
    /// apart.
    pub orders: Option<(usize, u64)>,
    /// States, if the engine tells them apart.
    pub states: Option<u64>,
    /// Wall-clock time.
    pub seconds: f64,
    /// Verdict.
    pub verdict: Verdict,
    /// What it should be: "holds", "broken", "either", or "broken as ..." if it broke otherwise.
    pub expected: String,
    /// Why the engine could not say, or how the run was cut.
    pub note: Option<String>,
    /// The execution that broke the property.
    pub counterexample: Option<Counterexample>,
}

/// The name of a mode or defect, as the command line has it.
pub fn name(value: impl clap::ValueEnum) -> String {
    value.to_possible_value().expect("no value is hidden").get_name().to_string()
}

/// Whether a break that shows in mode `wanted` must show in this one.
pub fn claims(mode: Mode, wanted: Mode) -> bool {
    match mode {
        Mode::Tso => true,
        Mode::Sc => matches!(wanted, Mode::Rmw | Mode::Sc),
        Mode::Rmw | Mode::AsWritten => mode == wanted,
    }
}

/// Whether a verdict is as expected, and the words for what was expected.
pub(crate) fn as_expected(
    expected: Expected,
    run_in: Mode,
    verdict: Verdict,
    property: Option<Property>,
    summary: &str,
) -> (bool, String) {
    match (expected, verdict) {
        (Expected::Holds, _) => (verdict == Verdict::Holds, "holds".into()),
        (Expected::Either, _) => {
            (matches!(verdict, Verdict::Holds | Verdict::Broken), "either".into())
        }
        // As written, loom misses executions and invents others: a finding counts in RMW mode, unless
        // that one cannot show it.
        (Expected::Broken(Break { mode, .. }), _) if !claims(run_in, mode) => {
            (verdict != Verdict::Cut, "either".into())
        }
        (Expected::Broken(wanted), Verdict::Broken) => {
            if wanted.is(property, summary) {
                (true, "broken".into())
            } else {
                (false, format!("broken as {}: {}", wanted.property.id(), wanted.sign))
            }
        }
        (Expected::Broken(_), _) => (false, "broken".into()),
    }
}
