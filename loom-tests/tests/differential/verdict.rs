//! What a program comes to, and how two answers differ.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;

use loom_tests::engine::explorer::Race;
use loom_tests::oracle::{Broken, Property};

use crate::program::Outcome;

/// What a program comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What its executions that end have come to. Unless all of them are known, as the explorer stops at
    /// the first that is wrong.
    pub outcomes: BTreeSet<Outcome>,
    /// Two threads touch what only one may own.
    pub race: bool,
    /// From some state no end can be reached.
    pub stuck: bool,
    /// What keeps it from saying.
    pub failure: Option<String>,
}

impl Verdict {
    /// All executions end, and come to these.
    pub fn of(outcomes: BTreeSet<Outcome>) -> Self {
        Self { outcomes, ..Self::default() }
    }

    /// It cannot be said.
    pub fn failed(failure: String) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }

    /// What the explorer has ended with.
    pub fn of_panic(panic: &(dyn Any + Send)) -> Self {
        if panic.is::<Race>() {
            return Self { race: true, ..Self::default() };
        }
        if let Some(broken) = panic.downcast_ref::<Broken>() {
            return match broken.property {
                Property::L1 => Self { stuck: true, ..Self::default() },
                other => Self::failed(format!("{}: {}", other.id(), broken.summary)),
            };
        }
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Self::failed(text.unwrap_or("a panic without words").into())
    }

    fn is_wrong(&self) -> bool {
        self.race || self.stuck
    }

    /// How what an engine has found differs from what there is.
    pub fn differs(&self, found: &Self) -> Option<Difference> {
        if let Some(failure) = &found.failure {
            return Some(Difference { failure: Some(failure.clone()), ..Difference::default() });
        }
        if found.is_wrong() || self.is_wrong() {
            // It stops at the first.
            let right = self.race && found.race || self.stuck && found.stuck;
            let words = |verdict: &Self| match (verdict.race, verdict.stuck) {
                (false, false) => format!("{} outcomes", verdict.outcomes.len()),
                (race, stuck) => format!("race: {race}, no end: {stuck}"),
            };
            let failure = format!("{} instead of {}", words(found), words(self));
            return (!right)
                .then(|| Difference { failure: Some(failure), ..Difference::default() });
        }
        let difference = Difference {
            lost: self.outcomes.difference(&found.outcomes).cloned().collect(),
            invented: found.outcomes.difference(&self.outcomes).cloned().collect(),
            failure: None,
        };
        (!difference.lost.is_empty() || !difference.invented.is_empty()).then_some(difference)
    }
}

/// How two answers differ.
#[derive(Debug, Clone, Default)]
pub struct Difference {
    lost: Vec<Outcome>,
    invented: Vec<Outcome>,
    failure: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(failure) = &self.failure {
            writeln!(f, "    {failure}")?;
        }
        for (what, outcomes) in [("loses", &self.lost), ("invents", &self.invented)] {
            for outcome in outcomes.iter().take(8) {
                writeln!(f, "    {what}  {outcome}")?;
            }
            if outcomes.len() > 8 {
                writeln!(f, "    {what}  {} more", outcomes.len() - 8)?;
            }
        }
        Ok(())
    }
}
