//! Every model, on Seed, Upstream and Fixed in every mode, and every mutant that a model must kill, in
//! the modes in which it must, each as a test of its own. A test runs the `models` program, because a
//! broken property ends a process. Ignored are those of the full set: the same with more preemptions
//! than time allows otherwise, on Fixed with more than the model names, on Seed and Upstream with as many.

use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use loom_tests::engine::Mode;
use loom_tests::models::{self, Model};
use loom_tests::run::everyday_bound;
use loom_tests::verdict::{claims, name};

/// Far above what any model takes; a run that is cut is a failure.
const DEADLINE: &str = "600";
/// The same in the full set.
const FULL_DEADLINE: &str = "3600";

fn run(model: &'static str, deadline: &str, args: &[String]) -> Result<(), Failed> {
    // From an archive of nextest's the program lies elsewhere than where it was built.
    let program = std::env::var("NEXTEST_BIN_EXE_models");
    let output = Command::new(program.as_deref().unwrap_or(env!("CARGO_BIN_EXE_models")))
        .args(["run", model, "--workers", "1", "--max-seconds", deadline])
        .args(args)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => Ok(()),
        status => {
            let complaint = String::from_utf8_lossy(&output.stderr);
            Err(format!("models run {model} {}: {status:?}\n{text}{complaint}", args.join(" "))
                .into())
        }
    }
}

fn trial(model: &'static str, variant: &str, mode: Mode, more: &[&str]) -> Trial {
    let mode = name(mode);
    let args: Vec<String> = ["--variant", variant, "--mode", &mode]
        .iter()
        .chain(more)
        .map(ToString::to_string)
        .collect();
    let title = format!("{model}::{}", args.join("::").replace("--", ""));
    let deadline = if more.is_empty() { DEADLINE } else { FULL_DEADLINE };
    Trial::test(title, move || run(model, deadline, &args)).with_ignored_flag(!more.is_empty())
}

/// Where a preemption more was not seen to end under loom.
const FAR_ENOUGH: &[&str] = &["process-life", "process-life-above-the-window"];

/// What the full set runs with on Fixed: what the model names under the explorer, one preemption more
/// under loom, and on three CPUs not less than three where loom misses nothing.
fn further(model: &Model, mode: Mode) -> Option<String> {
    let rmw = mode == Mode::Rmw;
    if mode.explorer() {
        let bound = model.explored_further(mode)?;
        return Some(bound.map_or("none".into(), |most| most.to_string()));
    }
    let bound = model.bound(mode)?;
    if rmw && FAR_ENOUGH.contains(&model.name) {
        return None;
    }
    let least = if rmw && model.cpus == 3 { 3 } else { 0 };
    Some(least.max(bound + 1).to_string())
}

fn main() {
    let mut trials = Vec::new();
    for model in models::all() {
        for mode in Mode::ALL {
            let runs = model.modes().any(|run| run == mode);
            let further = further(&model, mode).filter(|_| runs || mode.explorer());
            if let Some(bound) = further {
                trials.push(trial(model.name, "fixed", mode, &["--bound", &bound]));
            }
            if !runs {
                continue;
            }
            for variant in ["seed", "upstream", "fixed"] {
                trials.push(trial(model.name, variant, mode, &[]));
                let bound = model.bound(mode);
                if everyday_bound(&model, variant, mode) != bound && !mode.explorer() {
                    let bound = bound.map_or("none".into(), |most| most.to_string());
                    trials.push(trial(model.name, variant, mode, &["--bound", &bound]));
                }
            }
            for mutant in model.mutants.iter().filter(|m| claims(mode, m.sign().mode)) {
                trials.push(trial(model.name, &mutant.name(), mode, &[]));
            }
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
