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
/// How long each model is run on what TEETH.md calls equivalent.
const GLANCE: Duration = Duration::from_secs(1);

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
        let mut hunts: Vec<Hunt<'_>> =
            modes.iter().map(|mode| Hunt::new(mode, reach, finding)).collect();
        let equivalent = limits.looked_at.contains(&finding.id);
        let look = if equivalent { GLANCE } else { LOOK }.min(limits.run);
        // A look in every mode first: most that is noticed is noticed soon.
        let mut complete =
            hunts.iter_mut().all(|hunt| hunt.go(paths, &models, list, look).is_some());
        if complete && !equivalent && look < limits.run {
            for n in 0..hunts.len() {
                let killed = hunts.iter().any(Hunt::killed);
                if killed && !limits.thorough {
                    break;
                }
                if hunts[n].go(paths, &models, list, limits.run).is_none() {
                    complete = false;
                    break;
                }
            }
        }
        if !complete {
            // What the others have said so far is no word on them.
            hunts.retain(Hunt::killed);
        }
        let mut finding = (*finding).clone();
        finding.conclude(hunts.into_iter().map(Hunt::said).collect(), complete);
        finding
    };
    parallel::each(&open, limits.workers, work, |_, finding| take(finding));
}

/// One mode's models on one mutant.
struct Hunt<'a> {
    said: InMode,
    /// Those that have not ended, cheapest first.
    open: Vec<&'a Reach>,
    /// The first that ended without a verdict, however long it may run.
    stuck: Option<(String, Outcome)>,
    /// The first that was cut.
    cut: Option<(String, Outcome)>,
}

impl<'a> Hunt<'a> {
    fn new((engine, mode): &(String, String), reach: &'a [Reach], finding: &Finding) -> Self {
        let runs = reach.iter().filter(|run| (&run.engine, &run.mode) == (engine, mode));
        let mut open: Vec<&Reach> = runs.filter(|run| run.comes_to(finding.id)).collect();
        // By what does not depend on the clock.
        open.sort_by_key(|run| run.executions);
        let said = InMode {
            engine: engine.clone(),
            mode: mode.clone(),
            model: None,
            outcome: Outcome::Holds,
            runs: 0,
            reaching: open.len(),
            seconds: 0.0,
        };
        Self { said, open, stuck: None, cut: None }
    }

    fn killed(&self) -> bool {
        matches!(self.said.outcome, Outcome::Killed { .. })
    }

    /// Runs the models that have not ended, each so long at most, until one notices. None if that was
    /// interrupted.
    fn go(&mut self, paths: &Paths, models: &Models, list: &[Model], most: Duration) -> Option<()> {
        if self.killed() {
            return Some(());
        }
        let begun = Instant::now();
        let done = self.each(paths, models, list, most);
        self.said.seconds += begun.elapsed().as_secs_f64();
        done
    }

    fn each(
        &mut self,
        paths: &Paths,
        models: &Models,
        list: &[Model],
        most: Duration,
    ) -> Option<()> {
        self.cut = None;
        for run in std::mem::take(&mut self.open) {
            if interrupted() {
                return None;
            }
            let model = list.iter().find(|model| model.name == run.model)?.clone();
            let mode = self.said.mode.clone();
            let job = Job { model, variant: FIXED.to_owned(), mode };
            let row = models.run(paths, &job, most, |_| ());
            self.said.runs += 1;
            let found = (run.model.clone(), Outcome::of(&row));
            match &found.1 {
                Outcome::Holds => {}
                Outcome::Killed { .. } => {
                    (self.said.model, self.said.outcome) = (Some(found.0), found.1);
                    return Some(());
                }
                Outcome::NotDecided { .. } if row.verdict == Verdict::Cut => {
                    self.open.push(run);
                    self.cut.get_or_insert(found);
                }
                Outcome::NotDecided { .. } => {
                    self.stuck.get_or_insert(found);
                }
            }
        }
        if interrupted() { None } else { Some(()) }
    }

    /// What came of it.
    fn said(self) -> InMode {
        let mut said = self.said;
        if said.model.is_none()
            && let Some((model, outcome)) = self.stuck.or(self.cut)
        {
            (said.model, said.outcome) = (Some(model), outcome);
        }
        said
    }
}
