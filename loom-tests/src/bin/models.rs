//! Lists the models, and runs one.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use clap::builder::RangedU64ValueParser;
use clap::{Parser, Subcommand};
use loom_tests::engine::Mode;
use loom_tests::models::{self, Mutant};
use loom_tests::run::{self, Options};
use loom_tests::verdict::claims;
use mmu386::function::Function;
use serde_json::json;

/// Model-checks mmu386 under loom.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the models.
    List {
        /// As a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// The functions of mmu.c that one execution of each model enters on fixed, after set-up.
    Functions {
        /// As a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Runs one model. Exit status 0 if the verdict is as expected, 1 if not, 2 for bad input.
    Run {
        /// Name of the model, as `list` gives it.
        model: String,
        /// seed, upstream, fixed, fixed-a1 and its like (Fixed without that one repair), or fixed+splhi-ignored
        /// and its like (Fixed on a machine with that defect, to see the model fail).
        #[arg(long, default_value = "fixed")]
        variant: String,
        /// What loads and stores are.
        #[arg(long, value_enum, default_value = "rmw")]
        mode: Mode,
        /// Most preemptions per execution, or "none"; the model's own bound if not given.
        #[arg(long, value_parser = bound)]
        bound: Option<Bound>,
        /// Gives up after this time, with the verdict "cut".
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=YEAR))]
        max_seconds: Option<u64>,
        /// Threads that explore, in modes sc and tso; all cores if not given.
        #[arg(long, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
        workers: Option<usize>,
        /// Most memory for states, in MiB, in modes sc and tso.
        #[arg(long, default_value_t = 8192, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
        memory: u64,
        /// In modes sc and tso: makes every access to a shared word a step; in mode rmw: without sleep sets. To
        /// check the reductions.
        #[arg(long)]
        no_reduction: bool,
        /// In modes sc and tso, without a bound: makes steps that could be left out because they commute,
        /// explores all states that differ only in what calls have seen, and compares where steps lead.
        #[arg(long)]
        check: bool,
        /// One row of JSON on standard output.
        #[arg(long)]
        json: bool,
    },
}

/// Seconds that nobody waits longer than.
const YEAR: u64 = 31_536_000;

#[derive(Clone, Copy)]
struct Bound(Option<usize>);

fn bound(text: &str) -> Result<Bound, String> {
    match text {
        "none" => Ok(Bound(None)),
        _ => match text.parse() {
            Ok(bound) if bound <= 100 => Ok(Bound(Some(bound))),
            _ => Err("give a number from 0 to 100, or none".into()),
        },
    }
}

fn refuse(text: &str) -> ! {
    say::err!("models: {text}");
    std::process::exit(2)
}

fn main() {
    answer();
    if let Some(why) = say::lost() {
        say::err!("models: not all could be printed: {why}");
        std::process::exit(1);
    }
}

fn answer() {
    match Cli::parse().command {
        Command::List { json } => list(json),
        Command::Functions { json } => functions(json),
        Command::Run {
            model,
            variant,
            mode,
            bound,
            max_seconds,
            workers,
            memory,
            no_reduction,
            check,
            json,
        } => {
            let Some(found) = models::all().into_iter().find(|m| m.name == model) else {
                let known: Vec<_> = models::all().iter().map(|m| m.name).collect();
                refuse(&format!("no model {model:?}; there are: {}", known.join(", ")));
            };
            if !models::variants().contains(&variant) {
                let known = models::variants().join(", ");
                refuse(&format!("no variant {variant:?}; there are: {known}"));
            }
            ctrlc::set_handler(|| run::interrupted()).expect("no other handler is set");
            let bound = bound.map(|bound| bound.0);
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let workers = workers.unwrap_or(cores);
            let memory = memory << 20;
            let reduce = !no_reduction;
            let options =
                Options { variant, mode, bound, max_seconds, json, workers, memory, reduce, check };
            run::explore(found, options);
        }
    }
}

fn list(json: bool) {
    let killed_in = |model: &models::Model, mode: Mode| -> Vec<String> {
        model.mutants.iter().filter(|m| claims(mode, m.sign().mode)).map(Mutant::name).collect()
    };
    let found = |found: Option<models::Break>| if found.is_some() { "broken" } else { "holds" };
    if json {
        let rows: Vec<_> = models::all()
            .iter()
            .map(|m| {
                json!({
                    "name": m.name, "property": m.property, "hazard": m.hazard, "cpus": m.cpus,
                    "about": m.about, "modes": m.modes().collect::<Vec<_>>(), "variants": models::variants(),
                    "killed": m.modes().map(|mode| json!({ "mode": mode, "by": killed_in(m, mode) })).collect::<Vec<_>>(),
                    "seed": found(m.seed), "upstream": found(m.upstream),
                    "bounds": Mode::ALL.map(|mode| json!({ "mode": mode, "preemptions": m.bound(mode) })),
                })
            })
            .collect();
        say::out!("{}", serde_json::to_string_pretty(&rows).expect("plain data"));
        return;
    }
    for m in models::all() {
        say::out!("{:28} {} {:3} {} CPUs  {}", m.name, m.property.id(), m.hazard, m.cpus, m.about);
        say::out!(
            "{:28} kills {}",
            "",
            m.mutants.iter().map(Mutant::name).collect::<Vec<_>>().join(", ")
        );
    }
}

fn functions(json: bool) {
    let all: Vec<(&str, Vec<&str>)> = models::all()
        .iter()
        .map(|m| (m.name, run::functions(m).into_iter().map(Function::name).collect()))
        .collect();
    if json {
        let rows: Vec<_> = all
            .iter()
            .map(|(model, names)| json!({ "model": model, "functions": names }))
            .collect();
        say::out!("{}", serde_json::to_string_pretty(&rows).expect("plain data"));
        return;
    }
    for (model, names) in all {
        say::out!("{model:28} {}", names.join(" "));
    }
}
