//! `cargo smp models`.

use std::time::Duration;

use anyhow::{Result, bail};

use super::model_rows;
use crate::cli;
use crate::models::{self, Model, Models};
use crate::paths::Paths;
use crate::process::{capture, clean_cargo, command, interrupted};
use crate::progress::Progress;
use crate::variants::{self, FIXED, SEED};
use crate::verdict::{Row, table};

pub(super) fn run(paths: &Paths, args: &cli::Models) -> Result<bool> {
    if args.full {
        return full(paths);
    }
    let progress = Progress::new(0);
    progress.doing("building the models");
    let program = Models::build(paths, |line| progress.remark(line))?;
    drop(progress);
    let known = program.list(paths)?;
    let chosen_variants = match &args.variant {
        Some(name) => vec![variants::check_for_models(name, &known)?],
        None => vec![SEED.to_owned(), FIXED.to_owned()],
    };
    let chosen = models::filter(known, args.filter.as_deref())?;
    if args.list {
        return list(&chosen, args.json);
    }
    let jobs = models::select(&chosen, &chosen_variants, args.mode.map(models::Mode::name));
    if jobs.is_empty() {
        let names: Vec<_> = chosen.iter().map(|model| model.name.as_str()).collect();
        bail!("none of {} runs on {} in this mode", names.join(", "), chosen_variants.join(" or "));
    }
    let progress = Progress::new(jobs.len());
    let mut rows: Vec<Row> = Vec::new();
    model_rows::run(
        paths,
        &program,
        &jobs,
        Duration::from_secs(args.max_seconds),
        &progress,
        |row| rows.push(row),
    );
    drop(progress);
    rows.sort_by_key(|row| {
        jobs.iter().position(|job| {
            (&job.model.name, &job.variant, &job.mode) == (&row.model, &row.variant, &row.mode)
        })
    });
    if args.json {
        say::out!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        rows.iter().for_each(print_finding);
        say::out!("{}", table(&rows));
    }
    Ok(!interrupted() && rows.len() == jobs.len() && rows.iter().all(|row| row.expected()))
}

/// Longest time for the full set.
const FULL: Duration = Duration::from_secs(12 * 3600);

/// Every test of the models, those that are ignored otherwise, too.
fn full(paths: &Paths) -> Result<bool> {
    let mut nextest = command(paths, "cargo");
    nextest.args([
        "nextest",
        "run",
        "--package",
        "loom-tests",
        "--test",
        "models",
        "--test",
        "differential",
    ]);
    nextest.args(["--run-ignored", "all", "--no-fail-fast", "--no-input-handler"]);
    nextest.args(["--profile", "full"]);
    clean_cargo(&mut nextest, false);
    let said = capture(nextest, FULL, |line| say::out!("{line}"))?;
    if !said.success() {
        say::out!("cargo nextest: {}", said.ending());
    }
    Ok(said.success())
}

fn list(models: &[Model], json: bool) -> Result<bool> {
    if json {
        say::out!("{}", serde_json::to_string_pretty(models)?);
        return Ok(true);
    }
    for model in models {
        say::out!(
            "{}  ({} {}, {} CPUs): {}",
            model.name,
            model.property,
            model.hazard,
            model.cpus,
            model.about
        );
        say::out!("    variants: {}; modes: {}", model.variants.join(", "), model.modes.join(", "));
        for killed in model.killed.iter().filter(|killed| !killed.by.is_empty()) {
            say::out!("    notices ({}): {}", killed.mode, killed.by.join(", "));
        }
    }
    Ok(true)
}

/// The counterexample as a timeline.
fn print_finding(row: &Row) {
    let Some(found) = &row.counterexample else { return };
    say::out!("{} {} on {} ({}): {}", row.hazard, row.model, row.variant, row.mode, found.summary);
    for step in &found.steps {
        let indent = "  ".repeat(step.cpu as usize);
        let value =
            if step.value.is_empty() { String::new() } else { format!(" = {}", step.value) };
        let note =
            if step.note.is_empty() { String::new() } else { format!("    ({})", step.note) };
        say::out!(
            "  {:>4}  {indent}CPU {}  {} {}{value}{note}",
            step.step,
            step.cpu,
            step.op,
            step.target
        );
    }
    for line in &found.end {
        say::out!("  end   {line}");
    }
    say::out!();
}
