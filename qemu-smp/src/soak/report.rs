//! A soak, told to a person or to a program.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mmu386_wire::soak::{BUCKETS, Counters};
use serde_json::{Map, Value, json};

use super::control::{Control, planted};
use super::fuzz;
use super::plan::{Length, Plan};
use super::verdict::{Verdict, judge};
use super::watch::Watch;
use crate::guest::{Report, Soaked, Symbols, can_be_steady, nanoseconds};

/// The shift of the command that makes a failure come back.
const ICOUNT: u32 = 4;

/// All that is known about a soak.
pub struct Soak<'a> {
    /// What was asked for.
    pub plan: &'a Plan,
    /// The boot.
    pub report: &'a Report,
    /// What was seen meanwhile.
    pub watch: &'a Watch<'a>,
    /// The controls.
    pub controls: &'a [Control],
    /// What it says.
    pub verdict: Verdict,
    /// Why it does not pass.
    pub reasons: Vec<String>,
}

impl<'a> Soak<'a> {
    /// Judges.
    pub fn new(
        plan: &'a Plan,
        report: &'a Report,
        watch: &'a Watch<'a>,
        controls: &'a [Control],
    ) -> Self {
        let (verdict, reasons) = judge(plan, report, watch, controls);
        Self { plan, report, watch, controls, verdict, reasons }
    }

    fn soaked(&self) -> Soaked {
        self.report.said.soaked.clone().unwrap_or_default()
    }

    /// Commands: the same run again, if that can be, and the same soak.
    fn again(&self) -> (String, bool) {
        let exact = self.report.is_the_same_again();
        (self.plan.again(self.plan.icount), exact)
    }

    /// For people.
    pub fn text(&self, symbols: &Symbols) -> String {
        let Soaked { ms, counters, latencies } = self.soaked();
        let mut text = String::new();
        let Plan { variant, smp, seed, chaos, accel, .. } = self.plan;
        let verdict = match self.verdict {
            Verdict::Pass => "PASS",
            Verdict::Fail => "FAIL",
            Verdict::Inconclusive => "INCONCLUSIVE",
        };
        let length = match self.plan.length {
            Length::Time(ms) => format!("{} minutes", f64::from(ms) / 60_000.0),
            Length::Rounds(rounds) => format!("{rounds} rounds"),
        };
        let disturbed = if *chaos { ", disturbed" } else { "" };
        let _ = writeln!(
            text,
            "{verdict}: soak of {variant} on {smp} CPUs ({}{disturbed}), {length}, seed {seed}, {:.1} s of guest \
             time in {:.1} s",
            accel.resolve().name(),
            f64::from(ms) / 1000.0,
            self.report.time.as_secs_f64()
        );
        for reason in &self.reasons {
            let _ = writeln!(text, "  why: {reason}");
        }
        for (name, count) in Counters::NAMES.iter().zip(counters.values()) {
            let rate = f64::from(count) * 1000.0 / f64::from(ms.max(1));
            let _ = writeln!(text, "  {name:<11} {count:>10}  {rate:>10.1}/s");
        }
        latency(&latencies, &mut text);
        let window = &self.watch.window;
        let _ = writeln!(
            text,
            "  shared memory, seen from the host: {} looks, {} pages written to, {} wrong",
            window.scans, window.stamped, window.count
        );
        for foreign in &window.foreign {
            let _ = writeln!(
                text,
                "    at {:#x}: expected {:#x}, saw {:#x}: {}",
                foreign.offset, foreign.expected, foreign.seen, foreign.what
            );
        }
        if let Some(stalls) = &self.watch.stalls {
            let done = stalls.done;
            let _ = writeln!(
                text,
                "  the host: {} stops, {} times on one core, {} niced, {} refused",
                done.stops, done.pins, done.nices, done.refused
            );
        }
        for control in self.controls {
            let Control { variant, tests, shown, missing, also, foreign, .. } = control;
            let shown: Vec<_> = if tests == planted().tests {
                vec![format!("{} planted defects found, each by its oracle", shown.len())]
            } else {
                let told = |(hazard, after): (_, _)| format!("{hazard} after {after:.1} s");
                shown.iter().map(told).collect()
            };
            let missing = if missing.is_empty() {
                String::new()
            } else {
                format!("; NOT {}", missing.join(", "))
            };
            let foreign = if tests == planted().tests { &0 } else { foreign };
            let also = if tests == planted().tests { &BTreeMap::new() } else { also };
            let also: String = also.keys().map(|hazard| format!(", {hazard}")).collect();
            let foreign = match foreign {
                0 => String::new(),
                pages => format!("; the host saw {pages} pages that a stale translation wrote to"),
            };
            let _ = writeln!(
                text,
                "  control {variant} ({tests}): {}{also}{missing}{foreign}",
                shown.join(", ")
            );
        }
        if let (Some(_), Some(fuzzed)) = (self.plan.fuzz, &self.report.said.fuzzed) {
            fuzz::text(self.plan, fuzzed, self.verdict == Verdict::Fail, &mut text);
        }
        if !self.report.outcome.passed() {
            text.push_str(&self.report.text(symbols));
        }
        let (again, exact) = self.again();
        if exact {
            let _ = writeln!(text, "  the same run: {again}");
        } else if self.verdict != Verdict::Pass {
            let _ = writeln!(text, "  again, in an order that the host chooses: {again}");
            match &self.report.comes_back {
                Some(Err(why)) => _ = writeln!(text, "  another run may differ: {why}"),
                _ if can_be_steady() => {
                    let again = self.plan.again(Some(ICOUNT));
                    let _ = writeln!(text, "  with an order that comes back: {again}");
                }
                _ => {}
            }
        }
        text
    }

    /// For programs.
    pub fn json(&self, symbols: &Symbols) -> Value {
        let Soaked { ms, counters, latencies } = self.soaked();
        let rates: Map<String, Value> = Counters::NAMES
            .iter()
            .zip(counters.values())
            .map(|(name, count)| {
                ((*name).to_owned(), json!(f64::from(count) * 1000.0 / f64::from(ms.max(1))))
            })
            .collect();
        let (again, exact) = self.again();
        let bounds = match self.plan.length {
            Length::Time(ms) => json!({ "minutes": f64::from(ms) / 60_000.0 }),
            Length::Rounds(rounds) => json!({ "rounds": rounds }),
        };
        json!({
            "schema": 1,
            "verdict": self.verdict,
            "reasons": self.reasons,
            "variant": self.plan.variant,
            "smp": self.plan.smp,
            "accel": self.plan.accel.resolve().name(),
            "seed": self.plan.seed,
            "chaos": self.plan.chaos,
            "fuzz": self.report.said.fuzzed.as_ref().filter(|_| self.plan.fuzz.is_some())
                .map(|fuzzed| fuzz::json(self.plan, fuzzed)),
            "icount": self.plan.icount,
            "bounds": bounds,
            "guest_ms": ms,
            "seconds": self.report.time.as_secs_f64(),
            "counters": counters,
            "per_second": rates,
            "latency": {
                "buckets_from_2_to_the_n_ns": latencies,
                "median_ns_below": percentile(&latencies, 0.5),
                "p99_ns_below": percentile(&latencies, 0.99),
                "max_ns_below": percentile(&latencies, 1.0),
            },
            "watch": self.watch.json(),
            "controls": self.controls,
            "boot": self.report.json(symbols),
            "again": again,
            "again_is_the_same_run": exact,
        })
    }
}

/// The upper end of the bucket in which a share of all calls is reached.
fn percentile(buckets: &[u32], share: f64) -> Option<u64> {
    let all: u64 = buckets.iter().map(|count| u64::from(*count)).sum();
    let wanted = (all as f64 * share).ceil() as u64;
    let mut seen = 0;
    (all > 0).then(|| {
        let reached = |count: &u32| {
            seen += u64::from(*count);
            seen >= wanted
        };
        2_u64 << buckets.iter().position(reached).unwrap_or(BUCKETS - 1)
    })
}

/// The histogram of vunmap's time, as far as it is not empty.
fn latency(buckets: &[u32], text: &mut String) {
    const WIDTH: u64 = 40;
    let most = u64::from(buckets.iter().copied().max().unwrap_or(0));
    let Some(median) = percentile(buckets, 0.5) else { return };
    let _ = writeln!(
        text,
        "  vunmap: half below {}, 99 % below {}, all below {}",
        nanoseconds(median),
        percentile(buckets, 0.99).map_or_else(String::new, nanoseconds),
        percentile(buckets, 1.0).map_or_else(String::new, nanoseconds)
    );
    let first = buckets.iter().position(|count| *count > 0).unwrap_or(0);
    let last = buckets.iter().rposition(|count| *count > 0).unwrap_or(0);
    for (n, count) in buckets.iter().enumerate().take(last + 1).skip(first) {
        let bar = "#".repeat((u64::from(*count) * WIDTH).div_ceil(most.max(1)) as usize);
        let _ = writeln!(text, "    {:>10} {count:>9} {bar}", nanoseconds(1 << n));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_calls_ends_with_its_bucket() {
        let mut buckets = vec![0; BUCKETS];
        assert_eq!(percentile(&buckets, 0.5), None);
        (buckets[3], buckets[10]) = (98, 2);
        assert_eq!(percentile(&buckets, 0.5), Some(16));
        assert_eq!(percentile(&buckets, 0.99), Some(2048));
        assert_eq!(percentile(&buckets, 1.0), Some(2048));
    }

    #[test]
    fn the_histogram_shows_what_is_between_its_ends() {
        let mut text = String::new();
        let mut buckets = vec![0; BUCKETS];
        (buckets[10], buckets[12]) = (4, 1);
        latency(&buckets, &mut text);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.contains("1.02 us"), "{text}");
    }
}
