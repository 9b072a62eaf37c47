//! What is to be soaked, for how long.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use mmu386_wire::soak::Counters;
use serde_json::{Value, json};

use super::verdict::Verdict;
use crate::guest::{Accel, Boot};

/// How long a soak is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Length {
    /// In milliseconds of guest time.
    Time(u32),
    /// In rounds of each of the kernel's processes.
    Rounds(u32),
}

/// A counter that is to come to a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtLeast {
    /// Its name.
    pub counter: String,
    /// The number.
    pub least: u32,
}

impl FromStr for AtLeast {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("NAME=NUMBER, where NAME is one of {}", Counters::NAMES.join(", "));
        let (name, number) = text.split_once('=').ok_or_else(wanted)?;
        let least = number.parse().map_err(|_| wanted())?;
        if Counters::NAMES.contains(&name) {
            Ok(Self { counter: name.to_owned(), least })
        } else {
            Err(wanted())
        }
    }
}

/// A soak.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Variant of mmu386.
    pub variant: String,
    /// How many CPUs.
    pub smp: u32,
    /// For how long.
    pub length: Length,
    /// Seed of all choices: the kernel's, the chaos', the stalls'.
    pub seed: u32,
    /// Whether to disturb.
    pub chaos: bool,
    /// Whether random programs run in ring 3, and the number of the first.
    pub fuzz: Option<u32>,
    /// What executes the guest.
    pub accel: Accel,
    /// Deterministic, by a clock that counts instructions.
    pub icount: Option<u32>,
    /// How long the guest may say nothing.
    pub silence: Duration,
    /// What must have happened so often.
    pub at_least: Vec<AtLeast>,
}

/// How long the host may take for a soak of rounds, whose length nobody knows.
const LONGEST: Duration = Duration::from_secs(86_400);

impl Plan {
    /// The boot, with the shared memory in a file.
    pub fn boot(&self, window: PathBuf) -> Boot {
        let (ms, rounds) = match self.length {
            Length::Time(ms) => (Some(ms), None),
            Length::Rounds(rounds) => (None, Some(rounds)),
        };
        Boot {
            accel: self.accel,
            // Guest time may well be slower than the host's, by icount or by stalls; silence ends it.
            deadline: ms.map_or(LONGEST, |ms| {
                Duration::from_millis(u64::from(ms)) * 20 + Duration::from_secs(300)
            }),
            tests: "soak".to_owned(),
            rounds,
            seed: Some(self.seed),
            ms,
            chaos: self.chaos,
            fuzz: self.fuzz,
            silence: Some(self.silence),
            window: Some(window),
            icount: self.icount,
            ..Boot::new(&self.variant, self.smp)
        }
    }

    /// The report for as long as there is no other: what was asked for, and that nothing is known yet.
    pub fn draft(&self, reason: &str) -> Value {
        let bounds = match self.length {
            Length::Time(ms) => json!({ "minutes": f64::from(ms) / 60_000.0 }),
            Length::Rounds(rounds) => json!({ "rounds": rounds }),
        };
        json!({
            "schema": 1,
            "verdict": Verdict::Inconclusive,
            "reasons": [reason],
            "variant": self.variant,
            "smp": self.smp,
            "accel": self.accel.resolve().name(),
            "seed": self.seed,
            "chaos": self.chaos,
            "icount": self.icount,
            "bounds": bounds,
            "again": self.again(self.icount),
            "again_is_the_same_run": false,
        })
    }

    /// The command that soaks the same again. With `icount` it is the same run.
    pub fn again(&self, icount: Option<u32>) -> String {
        let mut words = vec![format!(
            "cargo smp soak --smp {} --variant {} --seed {}",
            self.smp, self.variant, self.seed
        )];
        words.push(match self.length {
            Length::Time(ms) => format!("--minutes {}", f64::from(ms) / 60_000.0),
            Length::Rounds(rounds) => format!("--rounds {rounds}"),
        });
        words.extend(self.chaos.then(|| "--chaos".to_owned()));
        words.extend(self.fuzz.map(|from| match from {
            0 => "--fuzz".to_owned(),
            from => format!("--fuzz --fuzz-from {from}"),
        }));
        words.extend(icount.map(|shift| format!("--icount {shift}")));
        words.extend((self.accel == Accel::Kvm).then(|| "--accel kvm".to_owned()));
        for AtLeast { counter, least } in &self.at_least {
            words.push(format!("--at-least {counter}={least}"));
        }
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_least_number_needs_a_counter_that_exists() {
        let least = "lives=10000".parse::<AtLeast>().unwrap();
        assert_eq!((least.counter.as_str(), least.least), ("lives", 10_000));
        for bad in ["lives", "lives=", "lives=many", "deaths=3", "=3"] {
            assert!(bad.parse::<AtLeast>().unwrap_err().contains("shootdowns"), "{bad}");
        }
    }
}
