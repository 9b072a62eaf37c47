//! Which models come to which mutant's place: found by running all of them on the original, which
//! also shows that the copy still is the original while no mutant is chosen.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use teeth::workspace::REACHED;

use crate::models::{self, DEFAULT_SECONDS, Job, Model, Models};
use crate::parallel;
use crate::paths::Paths;
use crate::process::interrupted;
use crate::variants::FIXED;
use crate::verdict::{Row, Verdict};

/// Runs that are compared with those of the original's program, the cheapest that explore anything.
const COMPARED: usize = 8;
/// Executions that make a run worth comparing.
const WORTH: u64 = 100;

/// A model in one mode, and the places that it comes to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reach {
    /// The model.
    pub model: String,
    /// The engine.
    pub engine: String,
    /// The mode.
    pub mode: String,
    /// Executions; few are cheap.
    pub executions: u64,
    /// Whether it ended. If not, it may come to any place.
    pub ended: bool,
    /// Mutants whose places it came to.
    pub mutants: BTreeSet<usize>,
}

impl Reach {
    /// Whether a mutant could make a difference to this run.
    pub fn comes_to(&self, mutant: usize) -> bool {
        !self.ended || self.mutants.contains(&mutant)
    }
}

/// Runs every model once in every mode. `say` hears of each run.
pub fn reach(
    paths: &Paths,
    models: &Models,
    list: &[Model],
    workers: usize,
    say: impl Fn(&str),
) -> Result<Vec<Reach>> {
    let jobs = models::select(list, &[FIXED.to_owned()], None);
    if jobs.is_empty() {
        bail!("no model runs on {FIXED}");
    }
    let folder = tempfile::tempdir().context("cannot make a folder for notes")?;
    let notes = |job: &Job| folder.path().join(format!("{}.{}", job.model.name, job.mode));
    let limit = Duration::from_secs(DEFAULT_SECONDS);
    let work = |job: &Job| {
        if interrupted() {
            return job.without_answer(Verdict::Cut, "interrupted", 0.0);
        }
        models.with(REACHED, notes(job)).run(paths, job, limit, |_| ())
    };
    let mut rows: Vec<Option<Row>> = vec![None; jobs.len()];
    parallel::each(&jobs, workers, work, |at, row| {
        say(&format!(
            "no mutant: {} {}, {:.1} s",
            jobs[at].name(),
            row.verdict.word(),
            row.seconds
        ));
        rows[at] = Some(row);
    });
    if interrupted() {
        bail!("interrupted");
    }
    let rows: Vec<Row> = rows.into_iter().flatten().collect();
    let mut runs = Vec::new();
    for (job, row) in jobs.iter().zip(&rows) {
        if !matches!(row.verdict, Verdict::Holds | Verdict::Cut) {
            bail!(
                "without any mutant, {} is {}: {}",
                job.name(),
                row.verdict.word(),
                row.reason.as_deref().unwrap_or("see `cargo smp models`")
            );
        }
        runs.push(Reach {
            model: job.model.name.clone(),
            engine: row.engine.clone(),
            mode: job.mode.clone(),
            executions: row.executions,
            ended: row.verdict == Verdict::Holds,
            mutants: read(&notes(job))?,
        });
    }
    compare(paths, &jobs, &rows, say)?;
    Ok(runs)
}

/// The copy, while it is no mutant, explores what the original explores.
fn compare(paths: &Paths, jobs: &[Job], rows: &[Row], say: impl Fn(&str)) -> Result<()> {
    let original = Models::build(paths, |_| ())?;
    let mut worth: Vec<(&Job, &Row)> =
        jobs.iter().zip(rows).filter(|(_, row)| row.executions >= WORTH).collect();
    worth.sort_by_key(|(_, row)| row.executions);
    for (job, copy) in worth.into_iter().take(COMPARED) {
        let row = original.run(paths, job, Duration::from_secs(DEFAULT_SECONDS), |_| ());
        if (row.verdict, row.executions) != (copy.verdict, copy.executions) {
            bail!(
                "without any mutant the copy is not the original: {} is {} after {} executions, and {} \
                 after {} on the original",
                job.name(),
                copy.verdict.word(),
                copy.executions,
                row.verdict.word(),
                row.executions
            );
        }
        say(&format!("as the original: {}, {} executions", job.name(), row.executions));
    }
    Ok(())
}

/// The numbers that a run noted; none if it came to no mutant's place.
fn read(notes: &Path) -> Result<BTreeSet<usize>> {
    let text = match fs::read_to_string(notes) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", notes.display()));
        }
    };
    let parse = |line: &str| line.parse().with_context(|| format!("`{line}` is no mutant"));
    text.lines().map(parse).collect()
}
