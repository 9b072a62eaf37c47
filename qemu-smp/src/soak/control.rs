//! Controls: the code as found, under the same seed, where what can show on QEMU's translator has to
//! show. A soak whose controls are silent proves nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use mmu386_wire::soak::ORACLES;
use serde::Serialize;

use super::plan::{Length, Plan};
use super::watch::Watch;
use super::window::Way;
use crate::guest::{Boot, Report, TestResult};
use crate::variants::{SEED, UPSTREAM};

/// Longest control, in milliseconds of guest time.
const MS: u32 = 60_000;
/// How long a single test of a control may take.
const TEST: Duration = Duration::from_secs(90);

/// How a hazard shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// As a finding by its name.
    Finding,
    /// As a panic whose message has this in it.
    Panic(&'static str),
    /// As a test of the guest's that fails, or as a page that the host sees.
    Planted,
}

/// A boot of a control.
#[derive(Debug, Clone)]
pub struct Step {
    /// `soak`, or the kernel's test that asks about one hazard.
    pub tests: &'static str,
    /// What has to show.
    pub wanted: Vec<&'static str>,
    sign: Sign,
}

/// Most CPUs on which A3 shows within a minute on a host of two cores, which have to meet in vmap and
/// vunmap for it. Beyond, it is reported if it shows.
const MOST_FOR_A3: u32 = 4;

/// What a variant has to show on so many CPUs. A copy of a large entry (A1) and a mapping made while
/// its page was freed (C1) need no second CPU; idle CPUs (A2) and those that vunmap does not wait for
/// (A3) do. A wait with interrupts off (B1) is for ever on Seed; Upstream gives the CPU away there.
pub fn controls(variant: &'static str, smp: u32) -> Vec<Step> {
    let soak: &[&str] = if (2..=MOST_FOR_A3).contains(&smp) { &["A1", "A3"] } else { &["A1"] };
    let finding =
        |tests, wanted: &[_]| Step { tests, wanted: wanted.to_vec(), sign: Sign::Finding };
    let mut steps = vec![finding("soak", soak), finding("c1", &["C1"])];
    if smp > 1 {
        steps.push(finding("a2", &["A2"]));
    }
    let wait = match variant {
        SEED => Some("did not answer"),
        UPSTREAM if smp > 1 => Some("with interrupts off"),
        _ => None,
    };
    steps.extend(wait.map(|sign| Step {
        tests: "b1-splhi-storm",
        wanted: vec!["B1"],
        sign: Sign::Panic(sign),
    }));
    steps
}

/// What the kernel that is to be soaked has to show: the defect that is planted for each oracle, of the guest's
/// and of the host's. What breaks on the code as found shows a few ways of looking, now and then; this shows
/// all, each time.
pub fn planted() -> Step {
    let host = Way::ALL.map(Way::name);
    Step {
        tests: "planted",
        wanted: ORACLES.iter().copied().chain(host).collect(),
        sign: Sign::Planted,
    }
}

impl Step {
    /// The boot, for the soak that it is the control of.
    pub fn boot(&self, variant: &str, plan: &Plan, window: std::path::PathBuf) -> Boot {
        let control = Plan {
            variant: variant.to_owned(),
            length: Length::Time(MS),
            chaos: false,
            fuzz: None,
            at_least: Vec::new(),
            ..plan.clone()
        };
        let soak = control.boot(window);
        if self.tests == "soak" {
            return soak;
        }
        Boot { tests: self.tests.to_owned(), ms: None, deadline: TEST, ..soak }
    }

    /// What showed in a boot, and what did not.
    pub fn judge(&self, report: &Report, watch: &Watch<'_>) -> Control {
        let seconds = report.time.as_secs_f64();
        let panic = report.said.panic.as_ref().map_or("", |panic| &panic.message);
        // What another guest shows is no control of this one.
        let something_else = report.outcome.something_else();
        let when = |hazard: &str| match self.sign {
            _ if something_else => None,
            Sign::Finding => watch.shown.get(hazard).copied(),
            Sign::Panic(sign) => panic.contains(sign).then_some(seconds),
            Sign::Planted => {
                let failed = |test: &TestResult| test.name == hazard && !test.pass;
                let seen = watch.window.foreign.iter().any(|found| found.way.name() == hazard);
                (report.said.tests.iter().any(failed) || seen).then_some(seconds)
            }
        };
        let (mut found, mut missing) = (BTreeMap::new(), Vec::new());
        for &hazard in &self.wanted {
            match when(hazard) {
                Some(seconds) => _ = found.insert(hazard.to_owned(), seconds),
                None => missing.push(hazard.to_owned()),
            }
        }
        Control {
            variant: report.boot.variant.clone(),
            tests: self.tests.to_owned(),
            seconds,
            ended: report.outcome.summary(),
            shown: found,
            missing,
            also: watch
                .shown
                .iter()
                .filter(|(hazard, _)| !self.wanted.contains(&hazard.as_str()))
                .map(|(hazard, seconds)| (hazard.clone(), *seconds))
                .collect(),
            foreign: watch.window.count,
            again: report.boot.again(),
        }
    }
}

/// What a boot of a control showed.
#[derive(Debug, Clone, Serialize)]
pub struct Control {
    /// The variant.
    pub variant: String,
    /// What was run.
    pub tests: String,
    /// For how long.
    pub seconds: f64,
    /// How it ended.
    pub ended: String,
    /// What showed of what had to, and after how many seconds.
    pub shown: BTreeMap<String, f64>,
    /// What did not.
    pub missing: Vec<String>,
    /// What showed besides.
    pub also: BTreeMap<String, f64>,
    /// Pages of shared memory in which the host saw what a stale translation wrote.
    pub foreign: u32,
    /// The command that runs it again.
    pub again: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_control_wants_something_and_no_more_than_its_cpus_can_show() {
        for variant in [SEED, UPSTREAM] {
            for smp in [1, 2, 8] {
                let steps = controls(variant, smp);
                assert!(steps.iter().all(|step| !step.wanted.is_empty()));
                let wanted: Vec<_> = steps.iter().flat_map(|step| &step.wanted).collect();
                assert!(wanted.contains(&&"A1") && wanted.contains(&&"C1"));
                assert_eq!(wanted.contains(&&"A3"), smp == 2);
                assert_eq!(wanted.contains(&&"A2"), smp > 1);
            }
        }
    }
}
