//! The arguments of `cargo smp soak`.

use std::time::Duration;

use clap::Args;

use super::{Install, seconds};
use crate::guest::{Accel, MAX_CPUS, check_clock};
use crate::soak::{AtLeast, Length, Plan, Way};
use crate::variants;

/// `cargo smp soak`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo smp soak --minutes 10\n  cargo smp soak --smp 16 --minutes 3 --chaos --seed 7\n  \
    cargo smp soak --minutes 10 --at-least shootdowns=100000 --at-least lives=10000\n  \
    cargo smp soak --minutes 10 --fuzz --seed 3\n  \
    cargo smp soak --variant seed --rounds 20 --icount 4 --seed 7"
)]
pub struct SoakArgs {
    /// How many CPUs, 1 to 32 (mmu386's MAXMACH).
    #[arg(long, default_value_t = 4, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CPUS)))]
    pub smp: u32,
    /// Minutes of guest time; half a minute without this.
    #[arg(long, value_name = "M", conflicts_with = "rounds", value_parser = minutes)]
    pub minutes: Option<u32>,
    /// Rounds that each of the kernel's processes does at least, instead of a time.
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: Option<u32>,
    /// Variant of mmu386.
    #[arg(long, default_value = variants::FIXED, value_name = "NAME")]
    pub variant: String,
    /// What the random choices follow from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u32,
    /// Disturb: delays where the MMU code touches the machine, interrupts that come late or twice, CPUs
    /// that stall with interrupts off, and CPUs that the host stops, squeezes onto a core, or neglects.
    #[arg(long)]
    pub chaos: bool,
    /// Run random programs in ring 3, beside one process of each other kind: those that once broke the
    /// kernel, then ones that follow from the seed. A failure names those that ran.
    #[arg(long)]
    pub fuzz: bool,
    /// Begin with the random program of this number, as a failure names it.
    #[arg(long, value_name = "N", requires = "fuzz", default_value_t = 0)]
    pub fuzz_from: u32,
    /// What executes the guest; auto is tcg.
    #[arg(long, value_enum, default_value_t)]
    pub accel: Accel,
    /// One CPU at a time, by a clock that counts instructions, 2 to this power of nanoseconds each: the
    /// same seed, shift and kernel give the same run. From 0 to 6,
    /// to 5 on more than 8 CPUs. The host disturbs nothing then.
    #[arg(long, value_name = "SHIFT")]
    pub icount: Option<u32>,
    /// How long the guest may say nothing before it is taken for dead; it tells its counters each second of
    /// its own time.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = seconds())]
    pub silence: u64,
    /// A counter that has to come to a number, or the soak is inconclusive.
    #[arg(long, value_name = "NAME=N")]
    pub at_least: Vec<AtLeast>,
    /// Run no control; the soak is inconclusive then, unless it fails.
    #[arg(long)]
    pub no_control: bool,
    /// Looks at the shared memory in all ways but this one: for the test that a soak notices it.
    #[arg(long, hide = true, value_name = "WAY", value_parser = way)]
    pub blind: Option<Way>,
    /// Where to write the report; in target/soak without it.
    #[arg(long, value_name = "FILE")]
    pub output: Option<std::path::PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
    /// Boot the kernels that an earlier build left.
    #[arg(long)]
    pub no_build: bool,
    /// Whether to install.
    #[command(flatten)]
    pub install: Install,
}

/// Length of a soak of which nothing was said, in milliseconds.
const HALF_A_MINUTE: u32 = 30_000;

impl SoakArgs {
    /// What is to be soaked; an unknown variant is an error.
    pub fn plan(&self) -> anyhow::Result<Plan> {
        check_clock(self.icount, self.smp, self.accel)?;
        let length = match (self.minutes, self.rounds) {
            (_, Some(rounds)) => Length::Rounds(rounds),
            (ms, None) => Length::Time(ms.unwrap_or(HALF_A_MINUTE)),
        };
        Ok(Plan {
            variant: variants::check(&self.variant)?,
            smp: self.smp,
            length,
            seed: self.seed,
            chaos: self.chaos,
            fuzz: self.fuzz.then_some(self.fuzz_from),
            accel: self.accel,
            icount: self.icount,
            silence: Duration::from_secs(self.silence),
            at_least: self.at_least.clone(),
        })
    }
}

/// A way in which the host looks, by its name in a report.
fn way(text: &str) -> Result<Way, String> {
    let wanted = || Way::ALL.map(Way::name).join(", ");
    Way::ALL
        .into_iter()
        .find(|way| way.name() == text)
        .ok_or_else(|| format!("one of {}", wanted()))
}

/// Minutes, as milliseconds.
fn minutes(text: &str) -> Result<u32, String> {
    let wrong = || "a number of minutes from 0.01 to 60000".to_owned();
    let minutes: f64 = text.parse().map_err(|_| wrong())?;
    if (0.01..=60_000.0).contains(&minutes) {
        Ok((minutes * 60_000.0).round() as u32)
    } else {
        Err(wrong())
    }
}
