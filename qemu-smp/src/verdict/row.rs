//! One row of the verdict: one property, one model, one variant, one engine.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an engine says about a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing within the bounds breaks it.
    Holds,
    /// There is a counterexample.
    Broken,
    /// Time ran out, or the run was interrupted: nothing can be said.
    Cut,
    /// The run ended without an answer.
    Inconclusive,
}

impl Verdict {
    /// As it is written in verdict.json.
    pub fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Broken => "broken",
            Self::Cut => "cut",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// What a verdict should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Expected {
    /// Nothing should break it.
    Holds,
    /// A finding is expected.
    Broken,
    /// Nothing is claimed: as written, loom may miss the finding.
    Either,
    /// Something that a verdict alone cannot fulfil, such as to be broken in another way.
    Other(String),
}

impl Expected {
    /// Whether a verdict is the expected one. A run without an answer never is.
    pub fn is(&self, verdict: Verdict) -> bool {
        match self {
            Self::Holds => verdict == Verdict::Holds,
            Self::Broken => verdict == Verdict::Broken,
            Self::Either => matches!(verdict, Verdict::Holds | Verdict::Broken),
            Self::Other(_) => false,
        }
    }
}

impl From<String> for Expected {
    fn from(word: String) -> Self {
        match word.as_str() {
            "holds" => Self::Holds,
            "broken" => Self::Broken,
            "either" => Self::Either,
            _ => Self::Other(word),
        }
    }
}

impl From<Expected> for String {
    fn from(expected: Expected) -> Self {
        match expected {
            Expected::Holds => "holds".to_owned(),
            Expected::Broken => "broken".to_owned(),
            Expected::Either => "either".to_owned(),
            Expected::Other(word) => word,
        }
    }
}

/// One step of a counterexample.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    /// Position in the order of the run.
    pub step: u64,
    /// CPU that made it.
    pub cpu: u32,
    /// What it did.
    pub op: String,
    /// To what.
    pub target: String,
    /// With which value.
    pub value: String,
    /// What that means.
    pub note: String,
}

/// How a property is broken.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counterexample {
    /// One sentence.
    pub summary: String,
    /// The property.
    pub property: String,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The state at the end.
    #[serde(rename = "final")]
    pub end: Vec<String>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Stable name of the row.
    pub id: String,
    /// Invariant or statement that was checked.
    pub property: String,
    /// Ledger entry that breaks it, or empty.
    #[serde(default)]
    pub hazard: String,
    /// Variant of mmu386.
    pub variant: String,
    /// `loom`, `explorer` or `qemu`.
    pub engine: String,
    /// How the engine saw memory: `rmw` or `as-written` for loom, `sc` or `tso` for the explorer, the accelerator for qemu.
    #[serde(default)]
    pub mode: String,
    /// Model, or the guest's test set.
    pub model: String,
    /// CPUs.
    pub cpus: u32,
    /// Most preemptions of an execution; none for no bound.
    #[serde(default)]
    pub preemption_bound: Option<u32>,
    /// Whether every execution was seen, without a bound.
    #[serde(default)]
    pub exhaustive: bool,
    /// Executions; for qemu, boots.
    #[serde(default)]
    pub executions: u64,
    /// Time.
    #[serde(default)]
    pub seconds: f64,
    /// The verdict.
    pub verdict: Verdict,
    /// What it should be.
    pub expected: Expected,
    /// The finding.
    #[serde(default)]
    pub counterexample: Option<Counterexample>,
    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The command that runs this row again.
    #[serde(default)]
    pub replay: String,
    /// Whatever else the engine said.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Row {
    /// The bound, in words.
    pub fn bound(&self) -> String {
        match (self.engine.as_str(), self.preemption_bound, self.exhaustive) {
            ("qemu", ..) => "sampled".to_owned(),
            (_, None, true) => "exhaustive".to_owned(),
            (_, None, false) => "no bound".to_owned(),
            (_, Some(bound), _) => format!("<= {bound} preemptions"),
        }
    }

    /// Whether the verdict is the expected one.
    pub fn expected(&self) -> bool {
        self.expected.is(self.verdict)
    }

    /// States that were met, where the engine tells them apart.
    pub fn states(&self) -> Option<u64> {
        self.more.get("states")?.as_u64()
    }

    /// Engine and mode.
    pub fn engine_and_mode(&self) -> String {
        if self.mode.is_empty() {
            self.engine.clone()
        } else {
            format!("{} {}", self.engine, self.mode)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_row_is_read_with_whatever_it_adds() {
        let json = r#"{"id":"a4","property":"V1","hazard":"A4","variant":"seed","engine":"loom","mode":"rmw",
            "model":"handshake","cpus":2,"preemption_bound":null,"exhaustive":true,"executions":7,"seconds":0.5,
            "verdict":"broken","expected":"broken","counterexample":{"summary":"s","property":"V1",
            "steps":[{"step":1,"cpu":0,"op":"store","target":"pte","value":"0","note":""}],"final":["end"]},
            "rate":14}"#;
        let row: Row = serde_json::from_str(json).unwrap();
        assert_eq!(row.counterexample.as_ref().unwrap().end, ["end"]);
        assert_eq!(row.more["rate"], 14);
        assert_eq!(row.bound(), "exhaustive");
        let again: Row = serde_json::from_str(&serde_json::to_string(&row).unwrap()).unwrap();
        assert_eq!(again, row);
    }
}
