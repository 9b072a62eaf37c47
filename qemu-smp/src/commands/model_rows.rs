//! Runs models side by side, as many as the host has cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::models::{Job, Models};
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
    let next = AtomicUsize::new(0);
    let (sender, rows) = mpsc::channel();
    let workers = thread::available_parallelism().map_or(1, |cores| cores.get()).min(jobs.len());
    thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let row = if interrupted() {
                        job.without_answer(Verdict::Cut, "interrupted", 0.0)
                    } else {
                        models.run(paths, job, limit, |line| {
                            progress.remark(&format!("{}: {line}", job.name()))
                        })
                    };
                    if sender.send(row).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for row in rows {
            progress.say(&line(&row));
            progress.step();
            take(row);
        }
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
