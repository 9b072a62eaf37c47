//! Stages of `cargo smp test`: each has a name, a time, a log file and an end of its own.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::files;
use crate::paths::Paths;
use crate::process::{capture, interrupted, tail};
use crate::progress::Progress;

/// Lines of a failed stage that are printed; the log file has all of them.
const SHOWN: usize = 120;

/// The stages that were run so far.
pub(super) struct Stages<'a> {
    paths: &'a Paths,
    done: Vec<(String, bool, Duration)>,
}

impl<'a> Stages<'a> {
    pub(super) fn new(paths: &'a Paths) -> Self {
        Self { paths, done: Vec::new() }
    }

    /// Runs a stage; after an interruption it fails without being run.
    pub(super) fn run(&mut self, name: &str, work: impl FnOnce() -> Result<String>) {
        let begun = Instant::now();
        say::out!("==> {name}");
        let progress = Progress::of(&format!("at {name}"));
        let result = if interrupted() { Err(anyhow::anyhow!("interrupted")) } else { work() };
        drop(progress);
        let time = begun.elapsed();
        match &result {
            Ok(what) => say::out!(
                "    ok, {:.1} s{}{what}",
                time.as_secs_f64(),
                if what.is_empty() { "" } else { ": " }
            ),
            Err(error) => say::out!("{error:#}\n    FAILED {name}, {:.1} s", time.as_secs_f64()),
        }
        self.done.push((name.to_owned(), result.is_ok(), time));
    }

    /// A stage that is one command. With `show`, its lines are printed as they come.
    pub(super) fn command(
        &mut self,
        name: &str,
        limit: Duration,
        show: bool,
        make: impl FnOnce() -> Result<Command>,
    ) {
        let paths = self.paths;
        self.run(name, || {
            let file = paths
                .logs()
                .join(format!("test-{}.log", name.replace(|c: char| !c.is_alphanumeric(), "-")));
            fs::create_dir_all(paths.logs())
                .with_context(|| format!("cannot make {}", paths.logs().display()))?;
            // An earlier run's word must not be taken for this one's.
            files::write(&file, "this stage did not come to its end\n")?;
            let mut log = String::new();
            let said = capture(make()?, limit, |line| {
                if show {
                    say::out!("    {line}");
                }
                log.push_str(line);
                log.push('\n');
            })?;
            files::write(&file, &log)?;
            if said.success() {
                return Ok(String::new());
            }
            let shown = if show { String::new() } else { format!("\n{}", tail(&log, SHOWN)) };
            bail!("{name}: {}; all of its output is in {}{shown}", said.ending(), file.display())
        });
    }

    /// Stages that passed, and stages that failed.
    pub(super) fn counts(&self) -> (usize, usize) {
        let passed = self.done.iter().filter(|(_, good, _)| *good).count();
        (passed, self.done.len() - passed)
    }

    /// All stages with their times.
    pub(super) fn summary(&self) -> String {
        let mut text = String::new();
        for (name, good, time) in &self.done {
            let mark = if *good { "ok    " } else { "FAILED" };
            let _ = writeln!(text, "{mark} {:>7.1} s  {name}", time.as_secs_f64());
        }
        text
    }
}
