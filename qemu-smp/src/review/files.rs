//! The state of a review, and verdict.json.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Comparison, Measured, compare, html};
use crate::files;
use crate::paths::Paths;
use crate::process::{capture, command, interrupted};
use crate::verdict::{Planned, Row, agreements, judge};

/// How old the files may be while answers come, and so what a kill can lose: a page of a thousand rows takes
/// long to make.
const STALE: Duration = Duration::from_secs(5);

/// Everything that one `verify` found out.
#[derive(Debug)]
pub struct Review {
    folder: PathBuf,
    /// When an answer was last written.
    written: Instant,
    /// The commit that was checked, and whether the checkout had changes on top.
    pub commit: Option<String>,
    /// Whether the checkout differs from the commit.
    pub dirty: bool,
    /// Rows; those without an answer yet say `cut`.
    pub rows: Vec<Row>,
    /// What must be there.
    pub plan: Vec<Planned>,
    /// Measurements.
    pub measured: Vec<Measured>,
    /// One line per boot.
    pub boots: Vec<String>,
    /// What went wrong beside the rows.
    pub troubles: Vec<String>,
    /// Cores of the host.
    pub cores: u32,
    /// Whether the run came to its end.
    pub complete: bool,
}

impl Review {
    /// Begins, and writes both files.
    pub fn begin(paths: &Paths) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let review = Self {
            folder: paths.review(),
            written: Instant::now(),
            commit: git(paths, &["rev-parse", "HEAD"]),
            dirty: git(paths, &["status", "--porcelain"]).is_none_or(|changes| !changes.is_empty()),
            rows: Vec::new(),
            plan: Vec::new(),
            measured: Vec::new(),
            boots: Vec::new(),
            troubles: Vec::new(),
            cores: u32::try_from(cores).unwrap_or(1),
            complete: false,
        };
        fs::create_dir_all(&review.folder)
            .with_context(|| format!("cannot make {}", review.folder.display()))?;
        review.save()?;
        Ok(review)
    }

    /// Plans a row: until its answer comes it is there as what it is, unanswered.
    pub fn plan(&mut self, row: Row) {
        self.plan.push(Planned {
            engine: row.engine.clone(),
            mode: row.mode.clone(),
            model: row.model.clone(),
            variant: row.variant.clone(),
        });
        self.rows.push(row);
    }

    /// Puts an answer in the place of its planned row, or at the end, and writes both files if they are stale.
    /// Who has put the last one saves.
    pub fn put(&mut self, row: Row) -> Result<()> {
        let same = |other: &&mut Row| {
            (&other.engine, &other.mode, &other.model, &other.variant)
                == (&row.engine, &row.mode, &row.model, &row.variant)
        };
        match self.rows.iter_mut().find(same) {
            Some(place) => *place = row,
            None => self.rows.push(row),
        }
        if self.written.elapsed() < STALE {
            return Ok(());
        }
        self.save()?;
        self.written = Instant::now();
        Ok(())
    }

    /// Something that is wrong beside the rows.
    pub fn trouble(&mut self, what: impl Into<String>) {
        self.troubles.push(what.into());
    }

    /// Seed against Fixed.
    pub fn comparisons(&self) -> Vec<Comparison> {
        compare(&self.measured, self.cores)
    }

    /// Everything that keeps this run from being a pass.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = judge(&self.plan, &self.rows);
        for one in agreements(&self.rows) {
            problems.extend(one.unexplained.iter().map(|what| {
                format!("the engines disagree on {} ({}): {what}", one.model, one.variant)
            }));
        }
        problems.extend(self.troubles.iter().cloned());
        problems.extend(self.comparisons().iter().filter(|one| !one.good()).map(|one| {
            format!(
                "{} at -smp {}: Fixed is only {:.1} times faster than Seed",
                one.name, one.smp, one.ratio
            )
        }));
        if !self.complete {
            problems.push(
                if interrupted() { "interrupted" } else { "the run did not come to its end" }
                    .to_owned(),
            );
        }
        problems
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let problems = self.problems();
        json!({
            "schema": 1,
            "commit": self.commit,
            "dirty": self.dirty,
            "pass": problems.is_empty(),
            "complete": self.complete,
            "problems": problems,
            "host_cores": self.cores,
            "rows": self.rows,
            "agreement": agreements(&self.rows),
            "bench": { "measured": self.measured, "compared": self.comparisons() },
            "boots": self.boots,
        })
    }

    /// Writes both files; each appears whole or not at all.
    pub fn save(&self) -> Result<()> {
        let json =
            serde_json::to_string_pretty(&self.json()).context("the verdict has no JSON form")?;
        self.write("verdict.json", &json)?;
        self.write("index.html", &html::page(self))
    }

    /// The path of one of the files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        files::write(&self.file(name), text)
    }
}

/// What git says; none without git or outside a repository.
fn git(paths: &Paths, args: &[&str]) -> Option<String> {
    let mut git = command(paths, "git");
    git.args(args);
    let said = capture(git, Duration::from_secs(20), |_| ()).ok()?;
    said.success().then(|| said.stdout.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(model: &str) -> Row {
        serde_json::from_value(json!({
            "id": "x", "property": "V1", "hazard": "A4", "variant": "fixed", "engine": "loom", "mode": "rmw",
            "model": model, "cpus": 2, "executions": 3, "verdict": "holds", "expected": "holds",
        }))
        .unwrap()
    }

    /// A page of a thousand rows takes long to make: not after each of them, and not never.
    #[test]
    fn files_are_written_when_they_are_stale() {
        let folder = tempfile::tempdir().unwrap();
        let mut review = Review {
            folder: folder.path().into(),
            written: Instant::now(),
            commit: None,
            dirty: false,
            rows: Vec::new(),
            plan: Vec::new(),
            measured: Vec::new(),
            boots: Vec::new(),
            troubles: Vec::new(),
            cores: 2,
            complete: false,
        };
        review.put(row("first")).unwrap();
        assert!(!review.file("verdict.json").exists());
        review.written -= STALE;
        review.put(row("second")).unwrap();
        let written = || fs::read_to_string(review.file("verdict.json")).unwrap();
        assert!(written().contains("first") && written().contains("second"));
        review.put(row("third")).unwrap();
        assert!(!fs::read_to_string(review.file("verdict.json")).unwrap().contains("third"));
    }
}
