//! `steps`: random steps on the host machine, from a seed, until there are enough or they find much.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use clap::builder::{PossibleValuesParser, RangedU64ValueParser};
use host::steps::{Outcome, generate, run_parallel_while, run_while};
use host::variants::{Job, names, with_variant};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mmu386::variant::Variant;
use serde::Serialize;

/// Random steps of processes and drivers on a machine of four CPUs, judged after each step. Exit
/// status 0 only if all steps were done and nothing was found.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which repairs the code has.
    #[arg(long, default_value = "fixed", value_parser = PossibleValuesParser::new(names()))]
    variant: String,
    /// How many steps.
    #[arg(long, default_value_t = 100_000, value_parser = RangedU64ValueParser::<usize>::new().range(1..=MOST))]
    steps: usize,
    /// All that happens by chance follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Eight processes at once, each on a thread of its own, until the first finding.
    #[arg(long)]
    threads: bool,
    /// Print the findings as JSON, one line.
    #[arg(long)]
    json: bool,
}

/// Most steps: all of them are made before the first is done.
const MOST: u64 = 10_000_000;
/// How often a run without a terminal says where it is.
const REPORT: Duration = Duration::from_secs(10);

struct Steps<'a> {
    arguments: &'a Arguments,
    bar: ProgressBar,
}

impl Job for Steps<'_> {
    type Output = Outcome;

    fn run<V: Variant>(self) -> Outcome {
        let Arguments { steps, seed, threads, .. } = *self.arguments;
        let mut last = Instant::now();
        let watch = |done: usize, found| {
            if threads || done.is_multiple_of(256) {
                self.bar.set_position(done as u64);
                if self.bar.is_hidden() && last.elapsed() > REPORT {
                    say::err!("{done} of {steps} steps, {found} findings");
                    last = Instant::now();
                }
            }
            true
        };
        let outcome = if threads {
            run_parallel_while::<V>(steps, seed, watch)
        } else {
            run_while::<V>(&generate(seed, steps), seed, watch)
        };
        self.bar.finish_and_clear();
        outcome
    }
}

#[derive(Serialize)]
struct Report<'a> {
    variant: &'a str,
    seed: u64,
    threads: bool,
    steps: usize,
    seconds: f64,
    findings: &'a [host::steps::Finding],
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let started = Instant::now();
    let style = "{elapsed} {bar:30} {pos} of {len} steps, about {eta} left";
    let target = if stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(arguments.steps as u64), target)
        .with_style(ProgressStyle::with_template(style).expect("the template is right"));
    let job = Steps { arguments: &arguments, bar };
    let outcome = with_variant(&arguments.variant, job).expect("clap knows the variants");
    let seconds = started.elapsed().as_secs_f64();
    let Arguments { variant, steps, seed, threads, json } = &arguments;
    if *json {
        let findings = &outcome.findings;
        let report = Report {
            variant,
            seed: *seed,
            threads: *threads,
            steps: outcome.steps,
            seconds,
            findings,
        };
        say::out!("{}", serde_json::to_string(&report).expect("a report is JSON"));
    } else {
        for finding in &outcome.findings {
            let hazard = finding.hazard.as_deref().unwrap_or("-");
            say::out!("step {} {} {hazard}: {}", finding.step, finding.property, finding.text);
        }
        let found = outcome.findings.len();
        say::out!(
            "{variant}, seed {seed}: {} of {steps} steps, {found} findings, {seconds:.1} s",
            outcome.steps
        );
        if found > 0 {
            let threads = if *threads { " --threads" } else { "" };
            say::out!(
                "again: steps --variant {variant} --steps {} --seed {seed}{threads}",
                outcome.steps
            );
        }
    }
    let lost = say::lost();
    if let Some(why) = &lost {
        say::err!("steps: not all could be printed: {why}");
    }
    if outcome.findings.is_empty() && outcome.steps == *steps && lost.is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
