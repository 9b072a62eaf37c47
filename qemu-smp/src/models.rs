//! The models, driven as a program: `models list` and `models run` of package loom-tests.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::files::Room;
use crate::kernel::executable;
use crate::paths::Paths;
use crate::process::{Captured, Ended, capture, clean_cargo, command, tail};
use crate::variants::{FIXED, MAIN};
use crate::verdict::{Expected, Row, Verdict};

/// Names another program to run in the models' place; the tests put an impostor here.
pub const OVERRIDE: &str = "SMP_MODELS";
/// How long a model may run if nobody says otherwise.
pub const DEFAULT_SECONDS: u64 = 480;
/// How much longer than its own limit a model may take before it is stopped.
const OVERTIME: Duration = Duration::from_secs(10);

/// What a machine's loads and stores are, and which engine explores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// loom; every access is an RMW: sound for interleavings.
    Rmw,
    /// loom; accesses as the code has them: finds what C11 ordering allows, but loom misses executions.
    AsWritten,
    /// The explorer; sequentially consistent.
    Sc,
    /// The explorer; with store buffers, as x86 has them.
    Tso,
}

impl Mode {
    /// As the models' program spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rmw => "rmw",
            Self::AsWritten => "as-written",
            Self::Sc => "sc",
            Self::Tso => "tso",
        }
    }
}

/// What `models list` says about a model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// What it checks.
    pub property: String,
    /// The hazard that it looks for.
    #[serde(default)]
    pub hazard: String,
    /// Variants that it runs on.
    #[serde(default)]
    pub variants: Vec<String>,
    /// Modes that it runs in.
    #[serde(default)]
    pub modes: Vec<String>,
    /// CPUs.
    #[serde(default)]
    pub cpus: u32,
    /// What it does.
    #[serde(default)]
    pub about: String,
    /// Changes that it notices, by mode.
    #[serde(default)]
    pub killed: Vec<Killed>,
}

/// What a model notices in a mode.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Killed {
    /// The mode.
    pub mode: String,
    /// The changes.
    pub by: Vec<String>,
}

/// The engine of a mode.
fn engine(mode: &str) -> &'static str {
    if ["sc", "tso"].contains(&mode) { "explorer" } else { "loom" }
}

/// One run of a model.
#[derive(Debug, Clone)]
pub struct Job {
    /// The model.
    pub model: Model,
    /// The variant.
    pub variant: String,
    /// The mode.
    pub mode: String,
}

impl Job {
    /// Its name in messages.
    pub fn name(&self) -> String {
        format!("{} on {} ({})", self.model.name, self.variant, self.mode)
    }

    /// The command that repeats it.
    pub fn replay(&self) -> String {
        format!(
            "cargo smp models {} --variant {} --mode {}",
            self.model.name, self.variant, self.mode
        )
    }

    /// A row for a run that has no answer.
    pub fn without_answer(&self, verdict: Verdict, reason: &str, seconds: f64) -> Row {
        Row {
            id: format!("{}/{}/{}", self.model.name, self.variant, self.mode),
            property: self.model.property.clone(),
            hazard: self.model.hazard.clone(),
            variant: self.variant.clone(),
            engine: engine(&self.mode).to_owned(),
            mode: self.mode.clone(),
            model: self.model.name.clone(),
            cpus: self.model.cpus,
            preemption_bound: None,
            exhaustive: false,
            executions: 0,
            seconds,
            verdict,
            // Only Fixed is always expected to hold; the models' own word counts when they ran.
            expected: if self.variant == FIXED { Expected::Holds } else { Expected::Broken },
            counterexample: None,
            reason: Some(reason.to_owned()),
            replay: self.replay(),
            more: Map::new(),
        }
    }
}

/// The program that the environment names in the models' place.
pub fn overridden() -> Option<PathBuf> {
    env::var_os(OVERRIDE).map(PathBuf::from)
}

/// The models' program.
#[derive(Debug, Clone)]
pub struct Models {
    program: PathBuf,
    /// The folder that it is in, if that is to go away after it.
    _room: Option<Arc<Room>>,
    /// What its processes find in their environment.
    words: Vec<(&'static str, OsString)>,
}

impl Models {
    /// Builds it, or takes the one that the environment names.
    pub fn build(paths: &Paths, look: impl FnMut(&str)) -> Result<Self> {
        if let Some(program) = overridden() {
            return Ok(Self::of(program));
        }
        let mut cargo = command(paths, "cargo");
        cargo.args(["build", "--package", "loom-tests", "--bin", "models"]);
        cargo.arg("--message-format=json-render-diagnostics");
        clean_cargo(&mut cargo, false);
        Self::built(paths, cargo, Duration::from_secs(600), look)
    }

    /// What this build makes.
    pub fn built(
        paths: &Paths,
        cargo: Command,
        limit: Duration,
        look: impl FnMut(&str),
    ) -> Result<Self> {
        let said = capture(cargo, limit, look)?.checked("building the models")?;
        let built =
            executable(&said.stdout, "models").context("cargo built no program called `models`")?;
        // A program of this run's own: another build may replace cargo's between two models.
        let room = Room::below(&paths.rooms())?;
        let program = room.path().join("models");
        fs::copy(&built, &program).with_context(|| format!("cannot copy {}", built.display()))?;
        Ok(Self { _room: Some(Arc::new(room)), ..Self::of(program) })
    }

    /// This program.
    pub fn of(program: PathBuf) -> Self {
        Self { program, _room: None, words: Vec::new() }
    }

    /// The same program with a word more in its environment.
    pub fn with(&self, name: &'static str, value: impl Into<OsString>) -> Self {
        let mut with = self.clone();
        with.words.push((name, value.into()));
        with
    }

    /// Its file.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// All models.
    pub fn list(&self, paths: &Paths) -> Result<Vec<Model>> {
        let mut list = command(paths, &self.program);
        list.args(["list", "--json"]);
        let said =
            capture(list, Duration::from_secs(60), |_| ())?.checked("`models list --json`")?;
        let models: Vec<Model> = serde_json::from_str(&said.stdout)
            .context("`models list --json` did not print a list of models")?;
        if models.is_empty() {
            bail!("`models list --json` printed an empty list");
        }
        Ok(models)
    }

    /// Runs one model. Whatever goes wrong becomes a row: one bad model must not hide the others.
    pub fn run(&self, paths: &Paths, job: &Job, limit: Duration, look: impl FnMut(&str)) -> Row {
        match capture(self.command(paths, job, limit), limit + OVERTIME, look) {
            Ok(said) => row(job, &said),
            Err(error) => job.without_answer(Verdict::Inconclusive, &format!("{error:#}"), 0.0),
        }
    }

    fn command(&self, paths: &Paths, job: &Job, limit: Duration) -> Command {
        let mut run = command(paths, &self.program);
        run.args([
            "run",
            &job.model.name,
            "--variant",
            &job.variant,
            "--mode",
            &job.mode,
            "--json",
        ]);
        if engine(&job.mode) == "explorer" {
            // As many models run side by side as there are cores.
            run.args(["--workers", "1"]);
        }
        run.args(["--max-seconds", &limit.as_secs().to_string()]);
        run.envs(self.words.iter().map(|(name, value)| (name, value)));
        run
    }
}

/// Reads the row out of what a model printed.
fn row(job: &Job, said: &Captured) -> Row {
    let seconds = said.time.as_secs_f64();
    let lost = |verdict, why: &str| job.without_answer(verdict, why, seconds);
    match said.ended {
        Ended::Exited(_) => (),
        Ended::Interrupted | Ended::Asked => return lost(Verdict::Cut, "interrupted"),
        Ended::Deadline => return lost(Verdict::Cut, &said.ending()),
    }
    let json = said.stdout.lines().rev().find(|line| line.trim_start().starts_with('{'));
    let Some(json) = json else {
        let why = format!("it printed no row ({}): {}", said.ending(), tail(&said.stderr, 5));
        return lost(Verdict::Inconclusive, &why);
    };
    let mut row: Row = match serde_json::from_str(json) {
        Ok(row) => row,
        Err(error) => {
            return lost(Verdict::Inconclusive, &format!("its row cannot be read: {error}"));
        }
    };
    let answered_for = [&row.model, &row.variant, &row.mode];
    if answered_for != [&job.model.name, &job.variant, &job.mode] {
        let [model, variant, mode] = answered_for;
        let why =
            format!("asked for {}, it answered for {model} on {variant} ({mode})", job.name());
        return lost(Verdict::Inconclusive, &why);
    }
    let answered = matches!(row.verdict, Verdict::Holds | Verdict::Broken);
    if answered && said.success() != row.expected() {
        let verdict = row.verdict.word();
        let why =
            format!("its row says {verdict}, its exit status says otherwise ({})", said.ending());
        return lost(Verdict::Inconclusive, &why);
    }
    if row.reason.is_none() && !answered {
        row.reason = row.more.get("note").and_then(|note| note.as_str()).map(str::to_owned);
    }
    if row.replay.is_empty() {
        row.replay = job.replay();
    }
    row
}

/// Every run of the models on the main variants, in every mode, and on what each model says it
/// notices, in the mode in which a finding counts.
pub fn jobs(models: &[Model]) -> Vec<Job> {
    let mut jobs = select(models, &MAIN.map(|(name, _)| name.to_owned()), None);
    for model in models {
        for killed in &model.killed {
            jobs.extend(select(std::slice::from_ref(model), &killed.by, Some(&killed.mode)));
        }
    }
    jobs
}

/// The runs of the models that know these variants, in all modes or in one.
pub fn select(models: &[Model], variants: &[String], mode: Option<&str>) -> Vec<Job> {
    let mut jobs = Vec::new();
    for model in models {
        for variant in variants.iter().filter(|variant| model.variants.contains(variant)) {
            for name in model.modes.iter().filter(|name| mode.is_none_or(|mode| mode == *name)) {
                jobs.push(Job {
                    model: model.clone(),
                    variant: variant.clone(),
                    mode: name.clone(),
                });
            }
        }
    }
    jobs
}

/// The models whose names contain the filter; an error that lists all names if there are none.
pub fn filter(models: Vec<Model>, filter: Option<&str>) -> Result<Vec<Model>> {
    let Some(filter) = filter else { return Ok(models) };
    let names: Vec<String> = models.iter().map(|model| model.name.clone()).collect();
    let chosen: Vec<Model> = match models.iter().find(|model| model.name == filter) {
        Some(exact) => vec![exact.clone()],
        None => models.into_iter().filter(|model| model.name.contains(filter)).collect(),
    };
    if chosen.is_empty() {
        bail!("no model is called or contains `{filter}`; the models are: {}", names.join(", "));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(variants: &[&str], killed_by: &[&str]) -> Model {
        let json = serde_json::json!({
            "name": "a-model", "property": "V1", "variants": variants, "modes": ["rmw", "as-written"],
            "killed": [{ "mode": "rmw", "by": killed_by }],
        });
        serde_json::from_value(json).unwrap()
    }

    fn runs(model: Model) -> Vec<String> {
        jobs(&[model]).iter().map(|job| format!("{} {}", job.variant, job.mode)).collect()
    }

    #[test]
    fn what_a_model_notices_is_run_in_the_mode_in_which_it_does() {
        let mut notices = model(&["fixed-a1", "fixed-c2"], &["fixed-a1"]);
        let as_written = Killed { mode: "as-written".into(), by: vec!["fixed-c2".into()] };
        notices.killed.push(as_written);
        assert_eq!(runs(notices), ["fixed-a1 rmw", "fixed-c2 as-written"]);
    }

    #[test]
    fn upstream_is_run_where_a_model_lists_it() {
        let both = ["seed rmw", "seed as-written", "fixed rmw", "fixed as-written"];
        assert_eq!(runs(model(&["seed", "fixed"], &[])), both);
        let all =
            runs(model(&["seed", "fixed", "upstream", "fixed-a1", "fixed-a2"], &["fixed-a1"]));
        let more = ["upstream rmw", "upstream as-written", "fixed-a1 rmw"];
        assert_eq!(all.len(), both.len() + more.len());
        for run in both.iter().chain(&more) {
            assert!(all.iter().any(|one| one == run), "{run}: {all:?}");
        }
    }
}
