//! What is known of a mutant.

use serde::{Deserialize, Serialize};
use teeth::Mutant;

use crate::verdict::{Row, Verdict};

/// What came of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Some model noticed.
    Killed,
    /// Nothing noticed, and nothing could, as TEETH.md says.
    Equivalent,
    /// Every model that comes to its place was run, and none noticed.
    Survives,
    /// No model noticed, but some did not end.
    NotDecided,
    /// It was not run, or not in full.
    NotRun,
    /// It is no Rust.
    DoesNotCompile,
    /// Fixed does not have this code.
    NotInFixed,
}

impl Fate {
    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Equivalent => "equivalent",
            Self::Survives => "SURVIVES",
            Self::NotDecided => "not decided",
            Self::NotRun => "not run",
            Self::DoesNotCompile => "does not compile",
            Self::NotInFixed => "not in Fixed",
        }
    }
}

/// What one run of a model says about a mutant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// It broke, or the code panicked.
    Killed {
        /// The property, or `panic`.
        property: String,
        /// How it showed.
        summary: String,
    },
    /// It held.
    Holds,
    /// It did not end, or could not say.
    NotDecided {
        /// Why.
        reason: String,
    },
}

/// Where a panic is the code's, or the word of a model that its call went wrong. Elsewhere it is the
/// engine's, which has given up.
const OURS: [&str; 5] = [
    "src/",
    "auditor/src/",
    "loom-tests/src/machine/",
    "loom-tests/src/models/",
    "loom-tests/src/oracle/",
];

impl Outcome {
    /// Reads a row of a model on Fixed.
    pub fn of(row: &Row) -> Self {
        match row.verdict {
            Verdict::Holds => Self::Holds,
            Verdict::Broken => Self::Killed {
                property: row.property.clone(),
                summary: row.counterexample.as_ref().map_or("", |it| &it.summary).to_owned(),
            },
            Verdict::Cut | Verdict::Inconclusive => {
                let reason = row.reason.clone().unwrap_or_else(|| row.verdict.word().to_owned());
                // `text (file:line:column)` is what the models say of a panic.
                let place = reason.rsplit_once(" (").map_or("", |(_, place)| place);
                if row.verdict == Verdict::Inconclusive
                    && OURS.iter().any(|ours| place.starts_with(ours))
                {
                    return Self::Killed { property: "panic".to_owned(), summary: reason };
                }
                Self::NotDecided { reason }
            }
        }
    }
}

/// What the models of one engine's mode say about a mutant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InMode {
    /// The engine.
    pub engine: String,
    /// Its mode.
    pub mode: String,
    /// The model that noticed.
    pub model: Option<String>,
    /// What it noticed; if nothing, the first that did not end, or that all held.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Runs of models, those that were made again with more time counted again.
    pub runs: usize,
    /// Models that come to the mutant's place.
    pub reaching: usize,
    /// Time of all runs.
    pub seconds: f64,
}

/// A mutant, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Its number.
    pub id: usize,
    /// The source file.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The function.
    pub function: String,
    /// What is done.
    pub operator: String,
    /// What the source says.
    pub before: String,
    /// What the mutant says.
    pub after: String,
    /// What came of it.
    pub fate: Fate,
    /// What each mode says.
    pub modes: Vec<InMode>,
    /// Why it survives, as TEETH.md says.
    pub why: Option<String>,
    /// The command that runs it alone.
    pub command: String,
}

impl Finding {
    /// A mutant of which nothing is known yet.
    pub fn new(mutant: &Mutant, fate: Fate) -> Self {
        let Mutant { id, file, line, function, operator, before, after, .. } = mutant.clone();
        let command = format!("cargo smp teeth --only {id}");
        let operator = operator.to_string();
        let (modes, why) = (Vec::new(), None);
        Self { id, file, line, function, operator, before, after, fate, modes, why, command }
    }

    /// Takes what the modes say. Without all of them it was not run in full, unless it is dead.
    pub fn conclude(&mut self, modes: Vec<InMode>, complete: bool) {
        let any = |is: fn(&Outcome) -> bool| modes.iter().any(|mode| is(&mode.outcome));
        self.fate = if any(|outcome| matches!(outcome, Outcome::Killed { .. })) {
            Fate::Killed
        } else if !complete {
            Fate::NotRun
        } else if any(|outcome| matches!(outcome, Outcome::NotDecided { .. })) {
            Fate::NotDecided
        } else {
            Fate::Survives
        };
        self.modes = modes;
    }

    /// Whether nothing noticed it, as far as it was run.
    pub fn is_open(&self) -> bool {
        matches!(self.fate, Fate::Equivalent | Fate::Survives | Fate::NotDecided)
    }

    /// Takes back what TEETH.md said of it.
    pub fn unexplained(mut self) -> Self {
        if self.fate == Fate::Equivalent {
            let modes = std::mem::take(&mut self.modes);
            self.conclude(modes, true);
        }
        self.why = None;
        self
    }

    /// Whether each of these modes has said something that it would say again: something decided or,
    /// if it only had a `look`, anything.
    pub fn is_decided(&self, modes: &[(String, String)], look: bool) -> bool {
        modes.iter().all(|(engine, mode)| {
            let said = self.modes.iter().find(|said| (&said.engine, &said.mode) == (engine, mode));
            said.is_some_and(|said| look || !matches!(said.outcome, Outcome::NotDecided { .. }))
        })
    }

    /// What it changes into what.
    pub fn change(&self) -> String {
        format!("{} -> {}", self.before, self.after)
    }
}
