//! Runs models side by side, as many as the host has cores.

use std::time::Duration;

use crate::models::{Job, Models};
use crate::parallel;
use crate::paths::Paths;
use crate::process::interrupted;
use crate::progress::Progress;
use crate::verdict::{Row, Verdict};

/// Runs all jobs, and hands every row over as it comes. After an interruption the rest is cut.
pub(super) fn run(
    paths: &Paths,
    models: &Models,
    jobs: &[Job],
    limit: Duration,
    progress: &Progress,
    mut take: impl FnMut(Row),
) {
    let work = |job: &Job| {
        if interrupted() {
            return job.without_answer(Verdict::Cut, "interrupted", 0.0);
        }
        models.run(paths, job, limit, |line| progress.remark(&format!("{}: {line}", job.name())))
    };
    parallel::each(jobs, parallel::cores(), work, |_, row| {
        progress.say(&line(&row));
        progress.step();
        take(row);
    });
}

/// A row on one line.
fn line(row: &Row) -> String {
    let expected = if row.expected() { "as expected" } else { "NOT EXPECTED" };
    let reason = row.reason.as_deref().map_or(String::new(), |reason| format!(": {reason}"));
    format!(
        "{:<12} {expected:<12} {} on {} ({}): {} executions, {:.1} s, {}{reason}",
        row.verdict.word(),
        row.model,
        row.variant,
        row.mode,
        row.executions,
        row.seconds,
        row.bound()
    )
}
