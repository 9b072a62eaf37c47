//! A soak while it lasts: progress for people, history for programs, the host's look at shared memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use super::stalls::Stalls;
use super::window::{Way, Window};
use crate::files;
use crate::guest::{Attendant, Qmp, Soaked, Transcript};
use crate::progress::Progress;

/// From one look at shared memory to the next.
const SCAN: Duration = Duration::from_secs(1);
/// From one sample of the history to the next.
const SAMPLE: Duration = Duration::from_secs(10);

/// A reading of the counters.
#[derive(Debug, Clone, Serialize)]
pub struct Sample {
    /// Seconds of the host's time since the boot.
    pub seconds: f64,
    /// What the guest told.
    pub soaked: Soaked,
}

/// Watches one soak.
pub struct Watch<'a> {
    progress: &'a Progress,
    begun: Instant,
    /// Hazards that end the run as soon as all have shown; none for a run to the end.
    wanted: &'a [&'a str],
    /// What the host sees.
    pub window: Window,
    /// What the host does, if it does.
    pub stalls: Option<Stalls>,
    /// Hazards, and seconds after which each showed first.
    pub shown: BTreeMap<String, f64>,
    /// Now and then.
    pub history: Vec<Sample>,
    /// Where to leave what is known so far, now and then.
    draft: Option<(PathBuf, Value)>,
    scanned: Instant,
    sampled: Instant,
    known: usize,
}

impl<'a> Watch<'a> {
    /// Watches a soak whose shared memory is in a file.
    pub fn new(progress: &'a Progress, window: &Path, wanted: &'a [&'a str]) -> Self {
        let now = Instant::now();
        Self {
            progress,
            begun: now,
            wanted,
            window: Window::new(window),
            stalls: None,
            shown: BTreeMap::new(),
            history: Vec::new(),
            draft: None,
            scanned: now,
            sampled: now,
            known: 0,
        }
    }

    /// Disturbs the guest, too.
    #[must_use]
    pub fn with_stalls(mut self, seed: u32) -> Self {
        self.stalls = Some(Stalls::new(seed));
        self
    }

    /// The host does not look in this way: for the test that the verdict notices.
    #[must_use]
    pub fn with_blind(mut self, way: Option<Way>) -> Self {
        self.window.blind = way;
        self
    }

    /// Leaves what is known in a file every ten seconds, beside what `draft` says: a harness that is killed
    /// loses no more.
    #[must_use]
    pub fn with_draft(mut self, file: &Path, draft: Value) -> Self {
        self.draft = Some((file.to_owned(), draft));
        self
    }

    /// What the last look at shared memory, after the run, adds.
    pub fn finish(&mut self, said: &Transcript) {
        if said.all_online.is_some() {
            self.window.scan();
        }
        self.note(said);
        self.sample(said);
    }

    /// The last reading and all before it, for programs.
    pub fn json(&self) -> Value {
        json!({
            "shown": self.shown,
            "window": {
                "scans": self.window.scans,
                "stamped_pages": self.window.stamped,
                "foreign": self.window.count,
                "findings": self.window.foreign,
            },
            "stalls": self.stalls.as_ref().map(|stalls| stalls.done),
            "history": self.history,
        })
    }

    fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    fn note(&mut self, said: &Transcript) {
        let seconds = self.seconds();
        for finding in &said.findings[self.known..] {
            self.shown.entry(finding.hazard.clone()).or_insert(seconds);
        }
        self.known = said.findings.len();
    }

    fn sample(&mut self, said: &Transcript) {
        if let Some(soaked) = &said.soaked
            && self.history.last().is_none_or(|last| last.soaked != *soaked)
        {
            self.history.push(Sample { seconds: self.seconds(), soaked: soaked.clone() });
        }
    }

    fn tell(&self) {
        let [.., last] = &self.history[..] else { return };
        let Soaked { ms, counters, .. } = &last.soaked;
        self.progress.at(u64::from(*ms) / 1000);
        let per_second = |count: u32| f64::from(count) * 1000.0 / f64::from((*ms).max(1));
        self.progress.say(&format!(
            "{} s: {} shootdowns ({:.0}/s), {} faults ({:.0}/s), {} lives, {} migrations, \
             pool {} of {}, {} stale or broken",
            ms / 1000,
            counters.shootdowns,
            per_second(counters.shootdowns),
            counters.faults,
            per_second(counters.faults),
            counters.lives,
            counters.migrations,
            counters.pool_hits,
            counters.pdballocs,
            counters.findings + self.window.count,
        ));
    }
}

impl Attendant for Watch<'_> {
    fn heard(&mut self, line: &str) {
        if !line.starts_with(mmu386_wire::PREFIX) {
            self.progress.remark(line);
        }
    }

    fn turn(&mut self, said: &Transcript, control: Option<&mut Qmp>) -> bool {
        self.note(said);
        if let Some(soaked) = &said.soaked {
            self.progress.at(u64::from(soaked.ms) / 1000);
        }
        if said.all_online.is_some() && self.scanned.elapsed() > SCAN {
            self.scanned = Instant::now();
            self.window.scan();
        }
        if self.sampled.elapsed() > SAMPLE {
            self.sampled = Instant::now();
            self.sample(said);
            self.tell();
            if let Some((file, draft)) = &self.draft {
                let mut draft = draft.clone();
                draft["watch"] = self.json();
                // The report at the end says what cannot be written.
                let _ = files::write(file, format!("{draft:#}\n"));
            }
        }
        if let (Some(stalls), Some(qmp), Some(_)) = (&mut self.stalls, control, &said.soaked) {
            stalls.turn(qmp);
        }
        let all = self.wanted.iter().all(|hazard| self.shown.contains_key(*hazard));
        self.wanted.is_empty() || !all
    }
}
