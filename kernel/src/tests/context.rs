//! What every test gets and gives: devices, random numbers, findings, an outcome.

use core::fmt;

use alloc::sync::Arc;
use auditor::{Subject, Violation};
use heapless::{String, Vec};
use mmu386_wire::Line;

use super::early::Sights;
use crate::cmdline::Options;
pub use crate::finding::Finding;
use crate::finding::Judge;
use crate::lock::Ilock;
use crate::mach::{machno, nmach};
use crate::oracle::{Devices, page_of_tag};
pub use crate::rng::Rng;
use crate::{audit, clock, report};

/// Findings of one kind that are told one by one; the rest is counted.
const TOLD: usize = 2;

/// Shared by a test's processes.
#[derive(Clone)]
pub struct Context {
    /// Device memory.
    pub devices: Devices,
    /// What was seen before there were processes.
    pub early: Arc<Sights>,
    /// CPUs.
    pub ncpu: usize,
    /// Rounds asked for, 0 for the test's own number.
    rounds: u32,
    /// Samples asked for, 0 for the variant's own number.
    pub samples: u32,
    seed: u32,
    findings: Arc<Ilock<Findings>>,
}

/// What was found since a test began.
#[derive(Default)]
struct Findings {
    count: u32,
    /// How often each kind was told. A kind that does not fit is told every time.
    told: Vec<(&'static str, usize), 16>,
    /// All violations since boot, each once.
    violations: alloc::vec::Vec<Violation>,
}

impl Findings {
    /// Counts one; whether it is to be told.
    fn add(&mut self, why: &'static str) -> bool {
        self.count += 1;
        match self.told.iter_mut().find(|(kind, _)| *kind == why) {
            Some((_, times)) => {
                *times += 1;
                *times <= TOLD
            }
            None => {
                // A full table tells too much rather than too little.
                let _ = self.told.push((why, 1));
                true
            }
        }
    }
}

impl Context {
    /// The tests' common ground.
    pub fn new(options: &Options, devices: Devices, early: Sights) -> Context {
        Context {
            devices,
            early: Arc::new(early),
            ncpu: nmach(),
            rounds: options.rounds,
            samples: options.samples,
            seed: options.seed,
            findings: Arc::new(Ilock::new(Findings::default())),
        }
    }

    /// The same, for who has rounds of its own: every loop has its usual number.
    pub fn without_rounds(&self) -> Context {
        Context { rounds: 0, ..self.clone() }
    }

    /// The same, for who is to use these devices alone.
    pub fn with(&self, devices: Devices) -> Context {
        Context { devices, ..self.clone() }
    }

    /// Findings since the last call of `take_findings`.
    pub fn found(&self) -> u32 {
        self.findings.lock().count
    }

    /// A source of random numbers for one process of one test.
    pub fn rng(&self, who: usize) -> Rng {
        Rng::new((self.seed ^ 0x9E37_79B9).wrapping_mul(2 * who as u32 + 1))
    }

    /// When a loop of at most `rounds` rounds or `ms` milliseconds ends. Rounds that the command
    /// line asks for have no limit of time but the watchdog's.
    pub fn limit(&self, rounds: u32, ms: u64) -> Limit {
        let asked = self.rounds != 0;
        Limit {
            left: if asked { self.rounds } else { rounds },
            until: if asked { u64::MAX } else { ms * 1000 },
            start: clock::tsc(),
        }
    }

    /// Reports a finding.
    pub fn finding(&self, finding: &Finding<'_>) {
        if !self.findings.lock().add(finding.why) {
            return;
        }
        let mut detail = String::<200>::new();
        let why = finding.why;
        // What does not fit is cut.
        let _ = match page_of_tag(finding.seen) {
            Some(pa) => fmt::write(&mut detail, format_args!("{why}; it shows pa {pa:#010x}")),
            None => fmt::write(&mut detail, format_args!("{why}")),
        };
        report::send(&Line::Finding {
            hazard: finding.hazard.into(),
            cpu: finding.cpu as u32,
            va: finding.va as u32,
            expected: finding.expected,
            seen: finding.seen,
            detail: detail.as_str().into(),
        });
    }

    /// Stops the world and looks at all of it. What is wrong is a finding by the name of the property,
    /// unless it was told before: what one test leaves behind is not the next one's.
    ///
    /// Called by a process with interrupts on.
    pub fn audit(&self) {
        for violation in audit::audit() {
            let mut findings = self.findings.lock();
            if findings.violations.iter().any(|known| is_known(known, &violation)) {
                continue;
            }
            let tell = findings.add(violation.property.description());
            findings.violations.push(violation.clone());
            drop(findings);
            if tell {
                report::send(&Line::Finding {
                    hazard: violation.property.id().into(),
                    cpu: machno() as u32,
                    va: 0,
                    expected: 0,
                    seen: 0,
                    detail: violation.detail.as_str().into(),
                });
            }
        }
    }

    /// Findings since the last call.
    pub fn take_findings(&self) -> u32 {
        let mut findings = self.findings.lock();
        findings.told.clear();
        core::mem::take(&mut findings.count)
    }

    /// The outcome of a test whose only failures are findings.
    pub fn outcome(&self, what: fmt::Arguments<'_>) -> Outcome {
        let failures = self.take_findings();
        Outcome::new(failures, format_args!("{what}; {failures} findings"))
    }
}

/// Whether a violation is one that was told before. A stale entry goes from one directory to the next as they
/// are copied, long after the test that left it; it is known by what it maps. Where there were more than an
/// audit tells one by one, those may be anything else of the property.
fn is_known(known: &Violation, new: &Violation) -> bool {
    known.property == new.property
        && match (known.subject, new.subject) {
            (Subject::Rest, _) => true,
            (Subject::Text, Subject::Text) => known.detail == new.detail,
            (before, now) => before == now,
        }
}

/// How a test ended.
pub struct Outcome {
    /// Things that went wrong.
    pub failures: u32,
    detail: String<256>,
}

impl Outcome {
    /// An outcome with its description, cut if it is long.
    pub fn new(failures: u32, what: fmt::Arguments<'_>) -> Outcome {
        let mut detail = String::new();
        // What does not fit is cut.
        let _ = fmt::write(&mut detail, what);
        Outcome { failures, detail }
    }

    /// Adds what was found after the test had told its own.
    pub fn and_then(&mut self, found: u32) {
        self.failures += found;
        if found != 0 {
            // What does not fit is cut.
            let _ =
                fmt::write(&mut self.detail, format_args!(", {found} more by the audit after it"));
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// Ends a loop by rounds or by time.
pub struct Limit {
    left: u32,
    until: u64,
    start: u64,
}

impl Limit {
    /// Whether there is another round.
    pub fn next(&mut self) -> bool {
        if self.left == 0 || clock::since(self.start) > self.until {
            return false;
        }
        self.left -= 1;
        true
    }
}

impl Judge for Context {
    fn finding(&self, finding: &Finding<'_>) {
        Context::finding(self, finding);
    }
}
