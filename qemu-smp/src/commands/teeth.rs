//! `cargo smp teeth`.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use teeth::Mutant;
use teeth::workspace::Workspace;

use crate::cli;
use crate::lock::Turn;
use crate::models::Model;
use crate::parallel;
use crate::paths::Paths;
use crate::process::interrupted;
use crate::progress::Progress;
use crate::teeth::{
    Explanation, FILE, Fate, Finding, Judgement, Limits, Memory, build, hunt, judge, line, parse,
    reach,
};

pub(super) fn run(paths: &Paths, args: &cli::Teeth) -> Result<bool> {
    // Before anything runs: a row that cannot be read needs no mutant to be wrong.
    let file = paths.root().join(FILE);
    let rows = parse(&fs::read_to_string(&file).with_context(|| format!("cannot read {FILE}"))?)?;
    let mut workspace = Workspace::read(paths.root(), &paths.teeth().join("ws"))?;
    let wanted = chosen(&workspace.mutants, args)?;
    if args.list {
        return list(&workspace.mutants, &wanted, args.json);
    }
    let _turn = Turn::wait(paths, "target/teeth")?;
    Memory::put_aside(paths)?;
    let progress = Progress::new(wanted.len());
    progress.doing("building all mutants");
    let built = build(paths, &mut workspace, |line| progress.remark(line))?;
    let models = built.models.list(paths)?;
    let workers = args.jobs.map_or_else(parallel::cores, NonZeroUsize::get);
    let mode = known_mode(args.mode.as_deref(), &models)?;
    let run = Duration::from_secs(args.max_seconds);
    let looked_at = if args.thorough { BTreeSet::new() } else { equivalent(&workspace, &rows) };
    let limits = Limits { run, looked_at, thorough: args.thorough, workers, mode };
    let memory = Memory::of(paths, built.models.program())?;
    let earlier = match args.resume {
        true => Some(memory.findings()?.context("no earlier run of this source to go on from")?),
        false => None,
    };
    let reach = match memory.reach()? {
        Some(known) => known,
        None => {
            progress.doing("which models come to which mutant's place");
            let found = reach(paths, &built.models, &models, workers, |line| progress.say(line))?;
            memory.keep_reach(&found)?;
            found
        }
    };

    let mut findings: Vec<Finding> = Vec::new();
    for mutant in &workspace.mutants {
        let fate = if built.left_out.contains(&mutant.id) {
            Fate::DoesNotCompile
        } else if !mutant.in_fixed {
            Fate::NotInFixed
        } else {
            Fate::NotRun
        };
        findings.push(Finding::new(mutant, fate));
    }
    if let Some(earlier) = earlier {
        let modes = limits.modes(&reach);
        let done = earlier.into_iter().filter(|finding| {
            let look = !limits.thorough
                && (finding.fate == Fate::Killed || limits.looked_at.contains(&finding.id));
            finding.is_decided(&modes, look)
                || (!wanted.contains(&finding.id) && !finding.modes.is_empty())
        });
        for finding in done {
            if let Some(place) = findings.iter_mut().find(|other| other.id == finding.id) {
                *place = finding.unexplained();
            }
        }
    }
    let open: Vec<Finding> =
        findings.iter().filter(|finding| wanted.contains(&finding.id)).cloned().collect();
    let judged = |findings: &[Finding]| {
        judge(findings.to_vec(), &rows, |finding| wanted.contains(&finding.id))
    };
    memory.keep(&judged(&findings))?;
    let mut written = Ok(());
    hunt(paths, &built.models, &models, &reach, &limits, &open, |finding| {
        if finding.fate == Fate::NotRun {
            return;
        }
        progress.say(&line(&finding));
        progress.step();
        if let Some(place) = findings.iter_mut().find(|other| other.id == finding.id) {
            *place = finding;
        }
        if written.is_ok() {
            written = memory.keep(&judged(&findings));
        }
    });
    written?;
    drop(progress);

    let teeth = judged(&findings);
    memory.keep(&teeth)?;
    if args.json {
        say::out!("{:#}", teeth.json());
    } else {
        say::text!("{}", teeth.text());
        let passed = teeth.passed() && !interrupted();
        say::out!("{}: {}", if passed { "pass" } else { "NO PASS" }, teeth.summary());
    }
    Ok(teeth.passed() && !interrupted())
}

/// The mutants that some row may be calling equivalent.
fn equivalent(workspace: &Workspace, rows: &[Explanation]) -> BTreeSet<usize> {
    let said = |mutant: &&Mutant| {
        let finding = Finding::new(mutant, Fate::NotRun);
        rows.iter().any(|row| row.judgement == Judgement::Equivalent && row.is_about(&finding))
    };
    workspace.mutants.iter().filter(said).map(|mutant| mutant.id).collect()
}

/// The numbers of the mutants to be run.
fn chosen(mutants: &[Mutant], args: &cli::Teeth) -> Result<Vec<usize>> {
    let mut chosen: Vec<&Mutant> = mutants.iter().collect();
    if let Some(only) = args.only {
        chosen.retain(|mutant| mutant.id == only);
        if chosen.is_empty() {
            bail!("there is no mutant {only}; they are numbered from 1 to {}", mutants.len());
        }
    }
    if let Some(filter) = &args.filter {
        chosen.retain(|mutant| mutant.line().contains(filter));
        if chosen.is_empty() {
            bail!("no mutant has `{filter}` in its line of `cargo smp teeth --list`");
        }
    }
    if let Some(sample) = args.sample {
        chosen.retain(|mutant| mutant.in_fixed);
        say::err!("a sample of {sample} mutants: --seed {}", args.seed);
        fastrand::Rng::with_seed(args.seed).shuffle(&mut chosen);
        chosen.truncate(sample);
        chosen.sort_by_key(|mutant| mutant.id);
    }
    Ok(chosen.into_iter().map(|mutant| mutant.id).collect())
}

fn list(mutants: &[Mutant], wanted: &[usize], json: bool) -> Result<bool> {
    let listed = mutants.iter().filter(|mutant| wanted.contains(&mutant.id));
    if json {
        let rows: Vec<Finding> = listed
            .map(|mutant| {
                let fate = if mutant.in_fixed { Fate::NotRun } else { Fate::NotInFixed };
                Finding::new(mutant, fate)
            })
            .collect();
        say::out!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(true);
    }
    for mutant in listed {
        let note = if mutant.in_fixed { "" } else { "  (not in Fixed)" };
        say::out!("{}{note}", mutant.line());
    }
    Ok(true)
}

/// A mode that some model has.
fn known_mode(mode: Option<&str>, models: &[Model]) -> Result<Option<String>> {
    let Some(mode) = mode else { return Ok(None) };
    let mut known: Vec<&str> =
        models.iter().flat_map(|model| &model.modes).map(String::as_str).collect();
    known.sort_unstable();
    known.dedup();
    if !known.contains(&mode) {
        bail!("no model has a mode `{mode}`; known modes: {}", known.join(", "));
    }
    Ok(Some(mode.to_owned()))
}
