//! Every model, on Seed, Upstream and Fixed in both modes, and every mutant that a model must kill, in
//! the mode in which it must, each as a test of its own. A test runs the `models` program, because a broken property ends a process.

use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use loom_tests::engine::Mode;
use loom_tests::models;
use loom_tests::run::name;

/// Far above what any model takes; a run that is cut is a failure.
const DEADLINE: &str = "600";

fn run(model: &'static str, args: &[String]) -> Result<(), Failed> {
    let output = Command::new(env!("CARGO_BIN_EXE_models"))
        .args(["run", model, "--max-seconds", DEADLINE])
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

fn trial(model: &'static str, args: Vec<String>) -> Trial {
    let name = format!("{model}::{}", args.join("::").replace("--", ""));
    Trial::test(name, move || run(model, &args))
}

fn main() {
    let mut trials = Vec::new();
    for model in models::all() {
        let strings = |args: &[&str]| args.iter().map(ToString::to_string).collect::<Vec<_>>();
        for mode in [Mode::Rmw, Mode::AsWritten] {
            for variant in ["seed", "upstream", "fixed"] {
                let args = strings(&["--variant", variant, "--mode", &name(mode)]);
                trials.push(trial(model.name, args));
            }
        }
        for mutant in model.mutants {
            let mode = name(mutant.sign().mode);
            let args = strings(&["--variant", &mutant.name(), "--mode", &mode]);
            trials.push(trial(model.name, args));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
