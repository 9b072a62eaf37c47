//! Pass, fail, or inconclusive.

use mmu386_wire::soak::Counters;
use serde::Serialize;

use super::control::Control;
use super::fuzz;
use super::plan::Plan;
use super::watch::Watch;
use crate::guest::{Problem, Report};

/// What a soak says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing broke, everything was tried, and the controls broke as they had to.
    Pass,
    /// Something broke.
    Fail,
    /// Nothing broke, but that says less than it should.
    Inconclusive,
}

/// Counters that only some soaks can move.
fn may_be_zero(name: &str, plan: &Plan) -> bool {
    match name {
        "findings" => true,
        // One CPU has nobody to migrate to; a request is answered by asking.
        "migrations" | "served" => plan.smp == 1,
        // A fault meets a flush, and a pool is empty or not, as it happens.
        "refused" | "synced" | "swept" | "flushes" | "pool_hits" => true,
        "chaos" => !plan.chaos,
        "fuzzed" | "stopped" => plan.fuzz.is_none(),
        _ => false,
    }
}

/// What a soak says, and why it does not pass.
pub fn judge(
    plan: &Plan,
    report: &Report,
    watch: &Watch<'_>,
    controls: &[Control],
) -> (Verdict, Vec<String>) {
    if report.outcome.something_else() {
        // Whatever it showed, it showed of something that nobody asked for.
        let problems = report.outcome.problems.iter().map(Problem::words);
        return (Verdict::Inconclusive, problems.collect());
    }
    let mut wrong = Vec::new();
    let mut doubts = Vec::new();
    for problem in &report.outcome.problems {
        match problem {
            Problem::Interrupted => doubts.push(problem.words()),
            Problem::NotWritten(_) => doubts.push(problem.words()),
            _ => wrong.push(problem.words()),
        }
    }
    let counters = report.said.soaked.as_ref().map(|soaked| soaked.counters).unwrap_or_default();
    let findings = counters.findings.max(report.said.findings.len() as u32);
    if findings > 0 {
        let hazards = report.said.hazards().join(", ");
        wrong.push(format!("{findings} findings: {hazards}"));
    }
    if watch.window.count > 0 {
        wrong.push(format!(
            "the host saw {} pages of shared memory that a stale translation wrote to",
            watch.window.count
        ));
    }
    if watch.window.scans == 0 || watch.window.stamped == 0 {
        doubts.push("the host never saw a write to the shared memory".to_owned());
    }
    for (name, count) in Counters::NAMES.iter().zip(counters.values()) {
        if count == 0 && !may_be_zero(name, plan) {
            doubts.push(format!("no {name}: what did not happen was not tried"));
        }
        let least = plan.at_least.iter().find(|least| least.counter == *name);
        if let Some(least) = least.filter(|least| count < least.least) {
            doubts.push(format!("{count} {name}, and not at least {}", least.least));
        }
    }
    if plan.fuzz.is_some() {
        doubts.extend(fuzz::doubts(report.said.fuzzed.as_ref(), counters.fuzzed));
    }
    if controls.is_empty() {
        doubts.push("no control was run".to_owned());
    }
    for control in controls.iter().filter(|control| !control.missing.is_empty()) {
        let Control { variant, tests, missing, ended, .. } = control;
        doubts.push(format!(
            "the control {variant} ({tests}) did not show {}, and ended: {ended}",
            missing.join(", ")
        ));
    }
    let verdict = match (wrong.is_empty(), doubts.is_empty()) {
        (false, _) => Verdict::Fail,
        (true, false) => Verdict::Inconclusive,
        (true, true) => Verdict::Pass,
    };
    wrong.append(&mut doubts);
    (verdict, wrong)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::FileExt;
    use std::path::Path;
    use std::time::Duration;

    use mmu386_wire::soak::ORACLES;
    use mmu386_wire::soak::window::{PAGE, STAMP, TAG, TAIL, stamp, tag};

    use super::*;
    use crate::guest::{Accel, Fuzzed, Kept, Outcome, Soaked, TestResult, Transcript};
    use crate::progress::Progress;
    use crate::soak::{AtLeast, Length, Way, planted};

    fn plan() -> Plan {
        Plan {
            variant: "fixed".to_owned(),
            smp: 2,
            length: Length::Rounds(1),
            seed: 1,
            chaos: false,
            fuzz: None,
            accel: Accel::Auto,
            icount: None,
            silence: Duration::from_secs(1),
            at_least: Vec::new(),
        }
    }

    /// A run in which everything happened, some of it as often as is said.
    fn report(plan: &Plan, problems: Vec<Problem>, counts: &[(&str, u32)]) -> Report {
        let count = |name: &str| counts.iter().find(|(known, _)| *known == name).map(|(_, n)| *n);
        let fields = Counters::NAMES.iter().map(|name| {
            let usual = u32::from(*name != "findings");
            ((*name).to_owned(), count(name).unwrap_or(usual).into())
        });
        let counters = serde_json::from_value(serde_json::Value::Object(fields.collect())).unwrap();
        let soaked = Some(Soaked { ms: 1, counters, latencies: Vec::new() });
        Report {
            boot: plan.boot(Path::new("window").to_owned()),
            command: String::new(),
            comes_back: None,
            time: Duration::from_secs(1),
            outcome: Outcome { problems },
            digest: String::new(),
            said: Transcript { soaked, ..Transcript::default() },
            complaints: Kept::default(),
            autopsy: None,
        }
    }

    fn control(missing: &[&str]) -> Control {
        Control {
            variant: "seed".to_owned(),
            tests: "soak".to_owned(),
            seconds: 1.0,
            ended: String::new(),
            shown: BTreeMap::new(),
            missing: missing.iter().map(|&hazard| hazard.to_owned()).collect(),
            also: BTreeMap::new(),
            foreign: 0,
            again: String::new(),
        }
    }

    /// The verdict over a run that the host saw `foreign` wrong pages of.
    fn verdict(plan: &Plan, report: &Report, controls: &[Control], foreign: u32) -> Verdict {
        let progress = Progress::new(1);
        let mut watch = Watch::new(&progress, Path::new("window"), &[]);
        (watch.window.scans, watch.window.stamped, watch.window.count) = (1, 1, foreign);
        let (verdict, reasons) = judge(plan, report, &watch, controls);
        assert_eq!(verdict == Verdict::Pass, reasons.is_empty(), "{reasons:?}");
        verdict
    }

    #[test]
    fn only_a_run_that_tried_everything_beside_controls_that_broke_passes() {
        let plan = plan();
        let good = report(&plan, Vec::new(), &[]);
        assert_eq!(verdict(&plan, &good, &[control(&[])], 0), Verdict::Pass);
        assert_eq!(verdict(&plan, &good, &[], 0), Verdict::Inconclusive);
        assert_eq!(verdict(&plan, &good, &[control(&["A1"])], 0), Verdict::Inconclusive);
        assert_eq!(verdict(&plan, &good, &[control(&[])], 1), Verdict::Fail);
        let idle = report(&plan, Vec::new(), &[("lives", 0)]);
        assert_eq!(verdict(&plan, &idle, &[control(&[])], 0), Verdict::Inconclusive);
        let stale = report(&plan, Vec::new(), &[("findings", 1)]);
        assert_eq!(verdict(&plan, &stale, &[control(&["A1"])], 0), Verdict::Fail);
    }

    #[test]
    fn an_interruption_decides_nothing_and_a_crash_fails() {
        let plan = plan();
        let cut = report(&plan, vec![Problem::Interrupted], &[]);
        assert_eq!(verdict(&plan, &cut, &[control(&[])], 0), Verdict::Inconclusive);
        let dead = report(&plan, vec![Problem::Panic("it hurts".to_owned())], &[]);
        assert_eq!(verdict(&plan, &dead, &[control(&[])], 0), Verdict::Fail);
    }

    #[test]
    fn what_has_to_come_to_a_number_does_or_it_is_inconclusive() {
        let counter = "lives".to_owned();
        let plan = Plan { at_least: vec![AtLeast { counter, least: 3 }], ..plan() };
        for (lives, wanted) in [(2, Verdict::Inconclusive), (3, Verdict::Pass)] {
            let run = report(&plan, Vec::new(), &[("lives", lives)]);
            assert_eq!(verdict(&plan, &run, &[control(&[])], 0), wanted);
        }
    }

    /// The control of oracles, of a run in which all but `blind` found what was planted for them.
    fn planted_but(blind: &str) -> Control {
        let plan = plan();
        let mut run = report(&plan, Vec::new(), &[]);
        run.said.tests = ORACLES
            .iter()
            .map(|&name| TestResult {
                name: name.to_owned(),
                pass: name == blind,
                detail: String::new(),
            })
            .collect();
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("window");
        let file = std::fs::File::create(&path).unwrap();
        for page in 0..5 {
            let write = |at: usize, word: u32| {
                file.write_all_at(&word.to_le_bytes(), (page * PAGE + at) as u64).unwrap();
            };
            let (good, pa) = (0xFD00_0000 + page * PAGE, 0xFD00_0000 + page * PAGE);
            write(TAG, if page == 1 { 0 } else { tag(good) });
            write(STAMP, if page == 2 { stamp(pa + PAGE) } else { 0 });
            write(TAIL, if page == 3 { 0 } else { tag(good) });
        }
        file.set_len(5 * PAGE as u64).unwrap();
        let progress = Progress::new(1);
        let way = Way::ALL.into_iter().find(|way| way.name() == blind);
        let mut watch = Watch::new(&progress, &path, &[]).with_blind(way);
        watch.window.scan();
        planted().judge(&run, &watch)
    }

    #[test]
    fn a_blind_oracle_is_inconclusive_whichever_it_is() {
        let plan = plan();
        let good = report(&plan, Vec::new(), &[]);
        let all = planted_but("none of them");
        assert_eq!((all.shown.len(), all.missing.len()), (ORACLES.len() + Way::ALL.len(), 0));
        assert_eq!(verdict(&plan, &good, &[all], 0), Verdict::Pass);
        for name in ORACLES.into_iter().chain(Way::ALL.map(Way::name)) {
            let control = planted_but(name);
            assert_eq!(control.missing, [name]);
            assert_eq!(verdict(&plan, &good, &[control], 0), Verdict::Inconclusive);
        }
    }

    #[test]
    fn a_fuzzer_that_tries_nothing_is_inconclusive() {
        let plan = Plan { fuzz: Some(0), ..plan() };
        let mut run = report(&plan, Vec::new(), &[("fuzzed", 1000)]);
        assert_eq!(verdict(&plan, &run, &[control(&[])], 0), Verdict::Inconclusive);
        run.said.fuzzed = Some(Fuzzed { alive: Vec::new(), next: 1000, vectors: vec![1; 32] });
        assert_eq!(verdict(&plan, &run, &[control(&[])], 0), Verdict::Pass);
        let none = Fuzzed { vectors: vec![0; 32], ..Fuzzed::default() };
        run.said.fuzzed = Some(none);
        assert_eq!(verdict(&plan, &run, &[control(&[])], 0), Verdict::Inconclusive);
    }
}
