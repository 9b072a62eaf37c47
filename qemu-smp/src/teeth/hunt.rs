//! Running mutants on the models that come to their places.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use teeth::workspace::CHOSEN;

use super::{Fate, Finding, InMode, Outcome, Reach};
use crate::models::{Job, Model, Models};
use crate::parallel;
use crate::paths::Paths;
use crate::process::interrupted;
use crate::variants::FIXED;
use crate::verdict::Verdict;

/// How long each model is run before any is run in full.
const LOOK: Duration = Duration::from_secs(2);

/// How mutants are run.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest time for one model.
    pub run: Duration,
    /// Mutants that TEETH.md calls equivalent: models have a look at these, and no more.
    pub looked_at: BTreeSet<usize>,
    /// Run in full what another mode has killed, too; models have a look at it otherwise.
    pub thorough: bool,
    /// Mutants side by side.
    pub workers: usize,
    /// The only mode to run, if not all.
    pub mode: Option<String>,
}

impl Limits {
    /// The engines' modes that are run, in the order in which the models list them.
    pub fn modes(&self, reach: &[Reach]) -> Vec<(String, String)> {
        let mut modes: Vec<(String, String)> = Vec::new();
        let wanted = |mode: &String| self.mode.as_ref().is_none_or(|only| only == mode);
        for run in reach.iter().filter(|run| wanted(&run.mode)) {
            let mode = (run.engine.clone(), run.mode.clone());
            if !modes.contains(&mode) {
                modes.push(mode);
            }
        }
        modes
    }
}

/// Runs those of the findings that are to be run, and hands each over as it comes.
pub fn hunt(
    paths: &Paths,
    models: &Models,
    list: &[Model],
    reach: &[Reach],
    limits: &Limits,
    findings: &[Finding],
    mut take: impl FnMut(Finding),
) {
    let open: Vec<&Finding> =
        findings.iter().filter(|finding| finding.fate == Fate::NotRun).collect();
    let modes = limits.modes(reach);
    let work = |finding: &&Finding| {
        let models = models.with(CHOSEN, finding.id.to_string());
        let mut said: Vec<InMode> = Vec::new();
        for (engine, mode) in &modes {
            let runs = reach
                .iter()
                .filter(|run| (&run.engine, &run.mode) == (engine, mode))
                .filter(|run| run.comes_to(finding.id));
            let mut runs: Vec<&Reach> = runs.collect();
            let killed = said.iter().any(|mode| matches!(mode.outcome, Outcome::Killed { .. }));
            let looks = limits.looked_at.contains(&finding.id) || killed && !limits.thorough;
            let run = if looks { LOOK.min(limits.run) } else { limits.run };
            // Cheapest first, by what does not depend on the clock.
            runs.sort_by_key(|run| run.executions);
            match in_mode(paths, &models, list, &runs, run, (engine, mode)) {
                Some(mode) => said.push(mode),
                None => break,
            }
        }
        let mut finding = (*finding).clone();
        let complete = said.len() == modes.len();
        finding.conclude(said, complete);
        finding
    };
    parallel::each(&open, limits.workers, work, |_, finding| take(finding));
}

/// Runs models until one notices: first each for a moment, as most that notice do so soon, then those
/// that did not end. None if that was interrupted.
fn in_mode(
    paths: &Paths,
    models: &Models,
    list: &[Model],
    runs: &[&Reach],
    most: Duration,
    (engine, mode): (&String, &String),
) -> Option<InMode> {
    let begun = Instant::now();
    let mut said = InMode {
        engine: engine.clone(),
        mode: mode.clone(),
        model: None,
        outcome: Outcome::Holds,
        runs: 0,
        reaching: runs.len(),
        seconds: 0.0,
    };
    let mut open = runs.to_vec();
    let (mut stuck, mut cut) = (None, None);
    for limit in [LOOK.min(most), most] {
        let mut left = Vec::new();
        cut = None;
        for run in open {
            if interrupted() {
                return None;
            }
            let model = list.iter().find(|model| model.name == run.model)?.clone();
            let job = Job { model, variant: FIXED.to_owned(), mode: mode.clone() };
            let row = models.run(paths, &job, limit, |_| ());
            said.runs += 1;
            let outcome = Outcome::of(&row);
            let found = (run.model.clone(), outcome);
            match &found.1 {
                Outcome::Holds => {}
                Outcome::Killed { .. } => {
                    (said.model, said.outcome) = (Some(found.0), found.1);
                    said.seconds = begun.elapsed().as_secs_f64();
                    return Some(said);
                }
                Outcome::NotDecided { .. } if row.verdict == Verdict::Cut => {
                    left.push(run);
                    cut.get_or_insert(found);
                }
                Outcome::NotDecided { .. } => {
                    stuck.get_or_insert(found);
                }
            }
        }
        if left.is_empty() || limit == most {
            break;
        }
        open = left;
    }
    if let Some((model, outcome)) = stuck.or(cut) {
        (said.model, said.outcome) = (Some(model), outcome);
    }
    if interrupted() {
        return None;
    }
    said.seconds = begun.elapsed().as_secs_f64();
    Some(said)
}
