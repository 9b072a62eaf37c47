//! `cargo smp verify`: from a clone to a verdict.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{guest_rows, model_rows};
use crate::cli::Verify;
use crate::guest::{self, Boot, Report, Symbols, nanoseconds};
use crate::kernel;
use crate::lock::Turn;
use crate::models::{self, Job, Models};
use crate::paths::Paths;
use crate::process::interrupted;
use crate::progress::Progress;
use crate::review::{BAR, Measured, Review};
use crate::setup::{self, Need, Options};
use crate::toolchain::{Choice, Toolchain};
use crate::variants::{FIXED, SEED};
use crate::verdict::{Verdict, agreements, table};

/// CPUs of the boots that measure vunmap.
const BENCH_CPUS: [u32; 2] = [2, 4];

pub(super) fn run(paths: &Paths, choice: Choice, args: &Verify) -> Result<bool> {
    let _turn = Turn::wait(paths, "target/review")?;
    let mut review = Review::begin(paths)?;
    for variant in [SEED, FIXED] {
        review.plan(guest_rows::planned(variant));
    }
    review.save()?;
    let mut work =
        Work { paths, choice, args, review: &mut review, built: Vec::new(), shown: Vec::new() };
    let ended = work.all();
    if let Err(error) = ended {
        review.trouble(format!("{error:#}"));
    } else {
        review.complete = !interrupted();
    }
    review.save()?;

    let problems = review.problems();
    if args.json {
        say::out!("{:#}", review.json());
    } else {
        print(&review, &problems);
    }
    Ok(problems.is_empty())
}

struct Work<'a> {
    paths: &'a Paths,
    choice: Choice,
    args: &'a Verify,
    review: &'a mut Review,
    /// Kernels of this run: what an earlier run left must not be measured.
    built: Vec<(String, PathBuf)>,
    /// Hazards that the kernel showed on Seed, so that Fixed gets a row for each.
    shown: Vec<String>,
}

impl Work<'_> {
    fn all(&mut self) -> Result<()> {
        let options = Options { no_install: self.args.install.no_install, toolchain: self.choice };
        setup::ensure(self.paths, &Need::GUEST, options)?;
        self.step(Self::models)?;
        for variant in [SEED, FIXED] {
            self.step(|work| work.kernel(variant))?;
        }
        for smp in BENCH_CPUS {
            for variant in [SEED, FIXED] {
                self.step(|work| work.bench(variant, smp))?;
            }
        }
        Ok(())
    }

    /// Does one part of the work. A part that fails is trouble, and the others still get their turn;
    /// only an interruption ends everything.
    fn step(&mut self, part: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let result = part(self);
        if interrupted() {
            bail!("interrupted");
        }
        if let Err(error) = result {
            say::err!("trouble: {error:#}");
            self.review.trouble(format!("{error:#}"));
            self.review.save()?;
        }
        Ok(())
    }

    fn models(&mut self) -> Result<()> {
        let progress = Progress::new(0);
        progress.doing("building the models");
        let program = Models::build(self.paths, |line| progress.remark(line))?;
        drop(progress);
        let list = program.list(self.paths)?;
        let jobs: Vec<Job> = models::jobs(&list);
        for job in &jobs {
            self.review.plan(job.without_answer(Verdict::Cut, "did not run", 0.0));
        }
        for model in list
            .iter()
            .filter(|model| model.modes.is_empty() || !model.variants.iter().any(|v| v == FIXED))
        {
            self.review.trouble(format!("model {} does not run on {FIXED}", model.name));
        }
        self.review.save()?;
        let progress = Progress::new(jobs.len());
        let limit = Duration::from_secs(self.args.max_seconds);
        let mut saved = Ok(());
        model_rows::run(self.paths, &program, &jobs, limit, &progress, |row| {
            if let Err(error) = self.review.put(row) {
                saved = Err(error);
            }
        });
        saved.and_then(|()| self.review.save())
    }

    fn kernel(&mut self, variant: &str) -> Result<()> {
        let result = self.boot_new(variant);
        match result {
            Ok(report) => {
                let rows = guest_rows::rows(&report, &self.shown);
                self.shown.extend(report.said.hazards());
                for row in rows {
                    self.review.put(row)?;
                }
                self.review.save()
            }
            Err(error) if interrupted() => Err(error),
            Err(error) => self.review.put(guest_rows::failed(variant, format!("{error:#}"))),
        }
    }

    fn boot_new(&mut self, variant: &str) -> Result<Report> {
        let toolchain = Toolchain::find(self.paths, self.choice)?;
        let progress = Progress::new(2);
        progress.doing(&format!("building the kernel ({variant}, {} toolchain)", toolchain.name()));
        let elf = kernel::build(self.paths, &toolchain, variant, |line| progress.remark(line))?;
        self.built.push((variant.to_owned(), elf));
        progress.step();
        self.boot(&Boot::new(variant, guest_rows::CPUS), &progress)
    }

    fn boot(&mut self, boot: &Boot, progress: &Progress) -> Result<Report> {
        progress.doing(&format!(
            "booting {} on {} CPUs, {}",
            boot.variant,
            boot.smp,
            boot.runs().options
        ));
        let built = self.built.iter().find(|(variant, _)| *variant == boot.variant);
        let elf = match built {
            Some((_, elf)) => elf.clone(),
            None => bail!("the kernel ({}) was not built in this run", boot.variant),
        };
        let report = guest::boot(self.paths, boot, &elf, |line| progress.remark(line))?;
        let expected =
            report.outcome.passed() || (boot.variant == SEED && report.outcome.only_tests_failed());
        if expected {
            progress.say(&report.headline());
        } else {
            progress.say(&report.text(&Symbols::read(&elf)));
        }
        self.review.boots.push(report.headline());
        Ok(report)
    }

    fn bench(&mut self, variant: &str, smp: u32) -> Result<()> {
        let boot = Boot { tests: "boot".to_owned(), bench: true, ..Boot::new(variant, smp) };
        let report = self.boot(&boot, &Progress::new(1))?;
        let name = format!("the bench on {smp} CPUs of {variant}");
        if !report.outcome.passed() {
            bail!("{name}: {}", report.outcome.summary());
        }
        if report.said.benches.is_empty() {
            bail!("{name} measured nothing");
        }
        let measured = report.said.benches.into_iter().map(|bench| Measured {
            variant: variant.to_owned(),
            smp,
            bench,
        });
        self.review.measured.extend(measured);
        self.review.save().context("after a bench")
    }
}

fn print(review: &Review, problems: &[String]) {
    say::out!("{}", table(&review.rows));
    let said = agreements(&review.rows);
    let agreed = said.iter().filter(|one| one.agreed()).count();
    say::out!("engines: {} models and variants by both, {agreed} with one verdict", said.len());
    for one in said.iter().filter(|one| !one.agreed()) {
        let why: Vec<&str> =
            one.because.iter().copied().chain(one.unexplained.iter().map(String::as_str)).collect();
        say::out!("  {} on {}: {} ({})", one.model, one.variant, one.says(), why.join("; "));
    }
    for one in review.comparisons() {
        let bar = match (one.barred, one.good()) {
            (false, _) => format!("no bar, the host has {} cores", review.cores),
            (true, true) => format!("above the bar of {BAR}"),
            (true, false) => format!("BELOW the bar of {BAR}"),
        };
        say::out!(
            "{} at -smp {}: median {} on Seed, {} on Fixed: {:.1} times faster ({bar})",
            one.name,
            one.smp,
            nanoseconds(one.seed_ns),
            nanoseconds(one.fixed_ns),
            one.ratio
        );
    }
    for problem in problems {
        say::out!("problem: {problem}");
    }
    say::out!("{}\n{}", review.file("verdict.json").display(), review.file("index.html").display());
    say::out!("verdict: {}", if problems.is_empty() { "pass" } else { "NO PASS" });
}
