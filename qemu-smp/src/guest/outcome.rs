//! What a run of the guest amounts to. Success is one exact ending; everything else has a name.

use std::process::ExitStatus;

use mmu386_wire::exit;
use serde::Serialize;

use super::{Runs, Transcript};
use crate::process::Ended;

/// What is wrong with a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "what")]
pub enum Problem {
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// The deadline passed.
    Hang(String),
    /// The kernel panicked.
    Panic(String),
    /// Whoever attended had seen enough.
    Stopped,
    /// The machine reset: a triple fault, since nothing in the kernel asks for a reset.
    Reset,
    /// Some CPUs never came up.
    LostCpus(Vec<u32>),
    /// Tests failed.
    TestsFailed(Vec<String>),
    /// The guest runs something else than it was asked to, or does not say what.
    SomethingElse {
        /// What it was asked for.
        asked: String,
        /// What it says that it runs, if it says so.
        runs: Option<String>,
    },
    /// The kernel and the harness do not agree on what happened.
    Incomplete(String),
    /// Events could not be read.
    Garbled(usize),
    /// QEMU itself failed.
    Qemu(String),
    /// The log could not be written.
    NotWritten(String),
}

impl Problem {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Interrupted => "interrupted before the kernel was done".to_owned(),
            Self::Hang(why) => format!("hang: {why}"),
            Self::Panic(why) => format!("panic: {why}"),
            Self::NotWritten(why) => format!("the log is lost: {why}"),
            Self::Stopped => "stopped, as it had shown what it was run for".to_owned(),
            Self::Reset => "the guest reset itself: triple fault".to_owned(),
            Self::LostCpus(cpus) => format!("CPUs that never came up: {cpus:?}"),
            Self::TestsFailed(names) => format!("tests failed: {}", names.join(", ")),
            Self::SomethingElse { asked, runs } => {
                let runs = runs.as_deref().unwrap_or("it does not say what");
                format!("the guest runs something else: asked for {asked}; runs {runs}")
            }
            Self::Incomplete(why) => format!("incomplete: {why}"),
            Self::Garbled(count) => format!("{count} garbled event lines on the serial port"),
            Self::Qemu(why) => format!("QEMU failed: {why}"),
        }
    }
}

/// The judgement over a run: no problem at all is a pass.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Everything that is wrong, gravest first.
    pub problems: Vec<Problem>,
}

impl Outcome {
    /// Judges a run by what was asked for; `limit` says which one it passed if it did not end.
    pub fn judge(said: &Transcript, ended: Ended, limit: &str, asked: &Runs) -> Self {
        let mut problems = Vec::new();
        // Gravest of all: whatever else it says, it says of something else.
        if said.boot.as_ref().is_some_and(|runs| runs != asked) {
            problems.push(something_else(said, asked));
        }
        let status = ending(said, ended, limit, &mut problems);
        let failed: Vec<String> =
            said.tests.iter().filter(|test| !test.pass).map(|test| test.name.clone()).collect();
        if !failed.is_empty() {
            problems.push(Problem::TestsFailed(failed.clone()));
        }
        let lost = said.lost_cpus(asked.cpus);
        // Where the kernel did not say a word there is a better explanation than lost CPUs.
        if !lost.is_empty() && said.boot.is_some() {
            problems.push(Problem::LostCpus(lost));
        }
        if !said.garbled.is_empty() {
            problems.push(Problem::Garbled(said.garbled.len()));
        }
        if let Some(status) = status {
            disagreements(said, status, asked, failed.len(), &mut problems);
        }
        Self { problems }
    }

    /// QEMU leaves in the same way after a reset and when somebody terminates it; in the latter case
    /// it says so.
    pub fn was_it_really_a_reset(&mut self, complaints: &[String]) {
        let Some(said) = complaints.iter().find(|line| line.contains("terminating on signal"))
        else {
            return;
        };
        for problem in self.problems.iter_mut().filter(|problem| **problem == Problem::Reset) {
            *problem = Problem::Qemu(said.clone());
        }
    }

    /// Whether the run is a true pass.
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether tests failed and nothing else went wrong: the run can be believed.
    pub fn only_tests_failed(&self) -> bool {
        matches!(self.problems[..], [Problem::TestsFailed(_)])
    }

    /// Whether the guest ran something else than it was asked to, so that nothing is known of that.
    pub fn something_else(&self) -> bool {
        self.problems.iter().any(|problem| matches!(problem, Problem::SomethingElse { .. }))
    }

    /// Whether the run was interrupted.
    pub fn interrupted(&self) -> bool {
        self.problems.contains(&Problem::Interrupted)
    }

    /// One line.
    pub fn summary(&self) -> String {
        match &self.problems[..] {
            [] => "passed".to_owned(),
            problems => problems.iter().map(Problem::words).collect::<Vec<_>>().join("; "),
        }
    }
}

fn something_else(said: &Transcript, asked: &Runs) -> Problem {
    Problem::SomethingElse {
        asked: asked.to_string(),
        runs: said.boot.as_ref().map(ToString::to_string),
    }
}

/// How QEMU ended; the status is returned only if the kernel spoke through it.
fn ending(
    said: &Transcript,
    ended: Ended,
    limit: &str,
    problems: &mut Vec<Problem>,
) -> Option<i32> {
    let status = match ended {
        Ended::Exited(status) => status,
        // The loop that waits asks for this when QEMU says that the machine has shut down.
        Ended::Asked => {
            problems.push(Problem::Reset);
            return None;
        }
        Ended::Interrupted => {
            problems.push(Problem::Interrupted);
            return None;
        }
        Ended::Deadline => {
            let last = match (&said.done, said.tests.last()) {
                (Some(_), _) => "the kernel said it was done and did not leave".to_owned(),
                (None, Some(test)) => format!("last sign of life: test `{}` reported", test.name),
                (None, None) if said.soaked.is_some() => {
                    let ms = said.soaked.as_ref().map_or(0, |soaked| soaked.ms);
                    format!("the soak told last of its millisecond {ms}")
                }
                (None, None) if said.boot.is_some() => "no test has reported".to_owned(),
                (None, None) => "the kernel never said that it runs".to_owned(),
            };
            problems.push(Problem::Hang(format!("{limit}; {last}")));
            return None;
        }
    };
    if let Some(panic) = &said.panic {
        problems.push(Problem::Panic(format!("CPU {}: {}", panic.cpu, panic.message)));
        return None;
    }
    match status.code() {
        Some(code) if code == exit::status(exit::PASS) || code == exit::status(exit::FAIL) => {
            Some(code)
        }
        Some(code) if code == exit::status(exit::PANIC) => {
            problems.push(Problem::Panic(
                "the kernel left by its panic exit without a readable report".to_owned(),
            ));
            None
        }
        Some(0) => {
            problems.push(Problem::Reset);
            None
        }
        _ => {
            problems.push(Problem::Qemu(describe(status)));
            None
        }
    }
}

fn describe(status: ExitStatus) -> String {
    format!("{status}; this status is none of the kernel's")
}

/// Where the kernel's exit status, its own count, its plan and its reports do not fit together.
fn disagreements(
    said: &Transcript,
    status: i32,
    asked: &Runs,
    failed: usize,
    problems: &mut Vec<Problem>,
) {
    if said.boot.is_none() {
        problems.push(something_else(said, asked));
    }
    let smp = asked.cpus;
    let mut say = |why: String| problems.push(Problem::Incomplete(why));
    match said.all_online {
        Some((cpus, _)) if cpus != smp => {
            say(format!("the kernel counts {cpus} CPUs online of {smp}"))
        }
        Some(_) => (),
        None => say("the kernel never said that all CPUs are online".to_owned()),
    }
    let reported = said.tests.len();
    match said.planned {
        None => say("the kernel announced no tests".to_owned()),
        Some(0) => say("the kernel announced 0 tests: that proves nothing".to_owned()),
        Some(planned) if planned as usize != reported => {
            say(format!("{planned} tests were planned and {reported} reported"));
        }
        Some(_) => (),
    }
    match said.done {
        None => say("the kernel left without saying that it was done".to_owned()),
        Some((passed, bad))
            if (passed as usize + bad as usize, bad as usize) != (reported, failed) =>
        {
            say(format!(
                "the kernel counts {passed} passed and {bad} failed, its reports say {} and {failed}",
                reported - failed
            ))
        }
        Some(_) => (),
    }
    let left_well = status == exit::status(exit::PASS);
    if left_well != (failed == 0) {
        say(format!("exit status {status} does not fit {failed} failed tests"));
    }
    if left_well && !said.findings.is_empty() {
        say(format!(
            "the kernel left by its passing exit with findings: {}",
            said.hazards().join(", ")
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use mmu386_wire::Options;

    use super::*;

    fn exited(code: i32) -> Ended {
        Ended::Exited(ExitStatus::from_raw(code << 8))
    }

    fn asked(cpus: u32) -> Runs {
        Runs { variant: "fixed".to_owned(), cpus, options: Options::default() }
    }

    fn good(smp: u32) -> Transcript {
        let mut said = Transcript { boot: Some(asked(smp)), ..Transcript::default() };
        for cpu in 0..smp {
            said.feed(&format!(r#"@smp {{"event":"cpu_online","cpu":{cpu}}}"#));
        }
        said.feed(&format!(r#"@smp {{"event":"cpus_online","cpus":{smp},"us":5}}"#));
        said.feed(r#"@smp {"event":"plan","tests":1}"#);
        said.feed(r#"@smp {"event":"test","name":"t","pass":true,"detail":""}"#);
        said.feed(r#"@smp {"event":"done","passed":1,"failed":0}"#);
        said
    }

    fn judge(said: &Transcript, ended: Ended) -> Outcome {
        Outcome::judge(said, ended, "not done after 9 s", &asked(2))
    }

    #[test]
    fn only_the_exact_ending_passes() {
        assert!(judge(&good(2), exited(exit::status(exit::PASS))).passed());
        for code in [0, 1, 2, exit::status(exit::FAIL), exit::status(exit::PANIC)] {
            assert!(!judge(&good(2), exited(code)).passed(), "{code}");
        }
        assert!(!judge(&good(2), Ended::Deadline).passed());
        assert!(!judge(&good(2), Ended::Interrupted).passed());
        assert!(!judge(&good(1), exited(exit::status(exit::PASS))).passed(), "a CPU is missing");
        assert!(!judge(&Transcript::default(), exited(exit::status(exit::PASS))).passed());
    }

    #[test]
    fn nothing_that_is_left_out_goes_unnoticed() {
        let pass = exited(exit::status(exit::PASS));
        let without: [fn(&mut Transcript); 8] = [
            |said| said.boot = None,
            |said| said.all_online = None,
            |said| said.planned = None,
            |said| said.planned = Some(2),
            |said| said.done = None,
            |said| said.done = Some((2, 0)),
            |said| said.garbled.keep("@smp {".to_owned()),
            |said| said.online.clear(),
        ];
        for (index, spoil) in without.iter().enumerate() {
            let mut said = good(2);
            spoil(&mut said);
            assert!(!judge(&said, pass).passed(), "omission {index}");
        }
    }

    #[test]
    fn a_guest_that_runs_something_else_is_told_apart_whatever_it_says_of_that() {
        let otherwise: [fn(&mut Runs); 5] = [
            |runs| runs.variant = "seed".to_owned(),
            |runs| runs.cpus = 3,
            |runs| runs.options.tests = "cycles".to_owned(),
            |runs| runs.options.seed = 2,
            |runs| runs.options.chaos = true,
        ];
        for (index, change) in otherwise.iter().enumerate() {
            let mut said = good(2);
            change(said.boot.as_mut().unwrap());
            for ended in [exited(exit::status(exit::PASS)), exited(0), Ended::Deadline] {
                let outcome = judge(&said, ended);
                assert!(outcome.something_else() && !outcome.passed(), "{index}: {outcome:?}");
                assert!(outcome.summary().starts_with("the guest runs something else: asked for "));
            }
        }
        let mut silent = good(2);
        silent.boot = None;
        assert!(judge(&silent, exited(exit::status(exit::PASS))).something_else());
    }

    #[test]
    fn a_reset_is_called_a_triple_fault() {
        let outcome = judge(&good(2), exited(0));
        assert_eq!(outcome.problems, [Problem::Reset]);
        assert!(outcome.summary().contains("triple fault"));
        let mut outcome = outcome;
        outcome.was_it_really_a_reset(&["qemu: terminating on signal 15 from pid 1".to_owned()]);
        assert!(matches!(outcome.problems[..], [Problem::Qemu(_)]));
    }

    #[test]
    fn failed_tests_alone_can_be_believed() {
        let mut said = good(2);
        said.tests[0].pass = false;
        said.done = Some((0, 1));
        assert!(judge(&said, exited(exit::status(exit::FAIL))).only_tests_failed());
        assert!(!judge(&said, exited(exit::status(exit::PASS))).only_tests_failed());
    }
}
