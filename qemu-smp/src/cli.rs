//! The command line and its help.

mod soak;

use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};

use mmu386_wire::Options;
use mmu386_wire::options::Wrong;

use crate::guest::{Accel, Boot, MAX_CPUS, check_clock};
use crate::models::Mode;
use crate::toolchain::Choice;
use crate::variants;
pub use soak::SoakArgs;

const EXAMPLES: &str = "\
Examples:
  cargo smp verify                       check everything, print the verdict, write target/review
  cargo smp test                         every test of the project, as CI runs them
  cargo smp models a4 --variant seed     the models of hazard A4 on the code as found
  cargo smp boot --smp 4 --variant seed  the kernel on four CPUs, with the bugs
  cargo smp soak --minutes 10            everything at once in the kernel, with controls
  cargo smp setup --check                what is missing on this machine

Variants: seed (mmu.c as found), upstream (with the vunmap of December 2019, through procflushmmu),
fixed (all repairs), fixed-<hazard> (fixed without one repair).
The exit status is 0 only for a true pass; 1 for everything else, 2 for a command line that makes no
sense, 128 + the signal after an interruption.";

/// Plan 9's 386 MMU code under loom and on a real SMP kernel.
#[derive(Debug, Parser)]
#[command(name = "cargo smp", bin_name = "cargo smp", version, after_help = EXAMPLES)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Cli {
    /// Which compiler builds the kernel.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "SMP_KERNEL_TOOLCHAIN",
        value_name = "WHICH"
    )]
    pub kernel_toolchain: Choice,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run all models and boot the kernel, on Seed and on Fixed; print and write the verdict.
    ///
    /// Installs what is missing, builds the kernel twice, runs every model in both modes on both
    /// variants, boots four CPUs of each, and measures vunmap. Passes only if every expected finding
    /// shows on Seed and everything holds on Fixed. Writes target/review/verdict.json and
    /// target/review/index.html, also when it fails or is interrupted.
    Verify(Verify),
    /// Run every test of the project: format, lints, docs, unit tests, models, boots, coverage.
    ///
    /// Stops at nothing, reports everything, and ends with a line `N passed, N failed`.
    Test(Install),
    /// Measure which lines of mmu386 its host tests reach.
    ///
    /// Prints a table per file, the total, and every line that was not reached, with the reason that
    /// COVERAGE.md gives. Passes only if 95 % of the lines are reached, every other line has its reason
    /// there, and no reason is left over. Writes target/coverage/coverage.json and lcov.info.
    Coverage(Coverage),
    /// Run models and print their rows.
    Models(Models),
    /// Run mutants of mmu386 on the models: does one notice each?
    ///
    /// The mutants come from the source: fences, LOCKs, flushes, locks, interrupt levels, wait loops,
    /// counters and stores removed or moved one step, conditions turned round. One build holds them
    /// all. Each is run on Fixed, on the models that come to its place, in every mode, until one
    /// notices. Passes only if every mutant is killed, or TEETH.md says why nothing could kill it.
    /// Writes target/teeth/teeth.json as it goes.
    Teeth(Teeth),
    /// Build the kernel and boot it; everything but a true pass is reported with its evidence.
    Boot(BootArgs),
    /// Run everything at once in the kernel, for long; count, audit, disturb, judge.
    ///
    /// First the controls: Seed and Upstream, under the same seed, must break where QEMU's translator
    /// can show it. Then the soak. It passes if nothing stale was seen and no invariant broke, in the
    /// guest and in the memory that host and guest share, if all that it is to try happened, and if the
    /// controls broke; where one of them did not, it is inconclusive and says which. Writes
    /// target/soak/VARIANT-CPUS.json, also after an interruption or a crash.
    Soak(SoakArgs),
    /// Make a CD image that boots the kernel by GRUB, in QEMU or on a PC.
    Iso(Iso),
    /// Install what is missing on this machine: QEMU, rust-src, clippy, rustfmt, crates, llvm-tools,
    /// cargo-llvm-cov, grub-mkrescue.
    Setup(Setup),
    /// Stops what is left when its parent dies.
    #[command(name = crate::process::reaper::COMMAND, hide = true)]
    Reaper,
}

/// Whether to install.
#[derive(Debug, Clone, Copy, Args)]
pub struct Install {
    /// Print the commands that would install what is missing, and fail, instead of running them.
    #[arg(long)]
    pub no_install: bool,
}

/// `cargo smp verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Whether to install.
    #[command(flatten)]
    pub install: Install,
    /// Print verdict.json on standard output instead of the table.
    #[arg(long)]
    pub json: bool,
    /// Longest time for one model; what does not end by itself is cut, and a cut is no pass.
    #[arg(long, value_name = "SECONDS", default_value_t = crate::models::DEFAULT_SECONDS,
          value_parser = seconds())]
    pub max_seconds: u64,
}

/// `cargo smp coverage`.
#[derive(Debug, Args)]
pub struct Coverage {
    /// Whether to install.
    #[command(flatten)]
    pub install: Install,
    /// Print coverage.json on standard output instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// `cargo smp models`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo smp models --list\n  cargo smp models handshake --variant fixed-a4 --mode tso\n  cargo smp models --full"
)]
pub struct Models {
    /// Models whose name contains this; all without it.
    pub filter: Option<String>,
    /// Variant of mmu386, or such as fixed+splhi-ignored, Fixed on a model machine with a defect; Seed
    /// and Fixed without it.
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// Engine and memory; all without it.
    #[arg(long, value_enum)]
    pub mode: Option<Mode>,
    /// Run everything, the models that go beyond the time of the test suite, too, each as a test of
    /// cargo-nextest's.
    #[arg(long, conflicts_with_all = ["filter", "variant", "mode", "list", "json"])]
    pub full: bool,
    /// List the models and what they check, and run nothing.
    #[arg(long)]
    pub list: bool,
    /// Print the rows as JSON.
    #[arg(long)]
    pub json: bool,
    /// Longest time for one model.
    #[arg(long, value_name = "SECONDS", default_value_t = crate::models::DEFAULT_SECONDS,
          value_parser = seconds())]
    pub max_seconds: u64,
}

/// `cargo smp teeth`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  cargo smp teeth --list\n  cargo smp teeth src/lock.rs\n  \
    cargo smp teeth --sample 20 --seed 7\n  cargo smp teeth --only 17 --mode rmw")]
pub struct Teeth {
    /// Mutants whose line in the list contains this; all without it.
    pub filter: Option<String>,
    /// This mutant alone, by its number.
    #[arg(long, value_name = "ID")]
    pub only: Option<usize>,
    /// How a model sees shared memory; every mode that it has without this.
    #[arg(long)]
    pub mode: Option<String>,
    /// So many of them, chosen at random.
    #[arg(long, value_name = "N")]
    pub sample: Option<usize>,
    /// What the choice follows from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Run in full what TEETH.md calls equivalent, and what another mode has killed, too; without this,
    /// models only have a look at it.
    #[arg(long)]
    pub thorough: bool,
    /// Keep what an earlier run of the same source decided, and run the others.
    #[arg(long, conflicts_with = "list")]
    pub resume: bool,
    /// List the mutants and run nothing.
    #[arg(long)]
    pub list: bool,
    /// Print teeth.json on standard output instead of the table.
    #[arg(long)]
    pub json: bool,
    /// Longest time for one model on one mutant; what does not end by itself decides nothing.
    #[arg(long, value_name = "SECONDS", default_value_t = crate::models::DEFAULT_SECONDS,
          value_parser = seconds())]
    pub max_seconds: u64,
    /// Mutants side by side; as many as there are cores without it.
    #[arg(long, value_name = "N")]
    pub jobs: Option<std::num::NonZeroUsize>,
}

/// `cargo smp boot`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  cargo smp boot --smp 8 --tests boot\n  \
    cargo smp boot --variant fixed-a1 --rounds 200 --seed 7\n  cargo smp boot -- -d int -D target/int.log")]
pub struct BootArgs {
    /// How many CPUs, 1 to 32 (mmu386's MAXMACH).
    #[arg(long, default_value_t = 4, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CPUS)))]
    pub smp: u32,
    /// Variant of mmu386.
    #[arg(long, default_value = variants::FIXED, value_name = "NAME")]
    pub variant: String,
    /// What executes the guest; auto is tcg.
    #[arg(long, value_enum, default_value_t)]
    pub accel: Accel,
    /// When the guest is declared hanging, in seconds; 120, with --gdb a day.
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    pub deadline: Option<u64>,
    /// Which of the kernel's tests: all, the beginning of a name, or one that has to fail: hang,
    /// panic, deaf, fault, overflow, leap, unpaged, triplefault, lostcpu.
    #[arg(long, default_value = "all", value_parser = word)]
    pub tests: String,
    /// How many rounds of each test.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: Option<u32>,
    /// Seed of the kernel's random choices.
    #[arg(long, value_name = "N")]
    pub seed: Option<u32>,
    /// One CPU at a time, by a clock that counts instructions, 2 to this power of nanoseconds each:
    /// the same seed, shift and kernel give the same run. From 0 to 6,
    /// to 5 on more than 8 CPUs.
    #[arg(long, value_name = "SHIFT", conflicts_with = "gdb")]
    pub icount: Option<u32>,
    /// Stop before the first instruction, and wait for a debugger; prints the command that starts it.
    #[arg(long)]
    pub gdb: bool,
    /// Boot by GRUB, from a CD image as `cargo smp iso` makes it.
    #[arg(long)]
    pub iso: bool,
    /// Measure vunmap, too.
    #[arg(long)]
    pub bench: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
    /// Show the serial console as it comes.
    #[arg(long)]
    pub console: bool,
    /// Boot the kernel that an earlier build left.
    #[arg(long)]
    pub no_build: bool,
    /// Whether to install.
    #[command(flatten)]
    pub install: Install,
    /// Further arguments for QEMU.
    #[arg(last = true, value_name = "QEMU ARGS")]
    pub extra: Vec<String>,
}

impl BootArgs {
    /// What is to be booted; an unknown variant is an error.
    pub fn boot(&self) -> anyhow::Result<Boot> {
        check_clock(self.icount, self.smp, self.accel)?;
        let usual = if self.gdb { 86_400 } else { 120 };
        variants::check(&self.variant)?;
        Ok(Boot {
            accel: self.accel,
            deadline: Duration::from_secs(self.deadline.unwrap_or(usual)),
            tests: self.tests.clone(),
            rounds: self.rounds,
            seed: self.seed,
            bench: self.bench,
            icount: self.icount,
            extra: self.extra.clone(),
            ..Boot::new(&self.variant, self.smp)
        })
    }
}

/// `cargo smp iso`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo smp iso\n  cargo smp iso --variant seed --append 'tests=a1 seed=7'"
)]
pub struct Iso {
    /// Variant of mmu386.
    #[arg(long, default_value = variants::FIXED, value_name = "NAME")]
    pub variant: String,
    /// The kernel's options.
    #[arg(long, default_value = "tests=all", value_name = "WORDS", value_parser = words)]
    pub append: Options,
    /// Where to write the image; in target/iso, by the name of the variant, without it.
    #[arg(long, value_name = "FILE")]
    pub output: Option<std::path::PathBuf>,
    /// Take the kernel that an earlier build left.
    #[arg(long)]
    pub no_build: bool,
    /// Whether to install.
    #[command(flatten)]
    pub install: Install,
}

/// `cargo smp setup`.
#[derive(Debug, Args)]
pub struct Setup {
    /// Only report what is there and what is missing.
    #[arg(long)]
    pub check: bool,
    /// Whether to install.
    #[command(flatten)]
    pub install: Install,
}

/// Seconds that somebody may wait: not none, and not more than a year.
fn seconds() -> RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=31_536_000)
}

/// The name of tests, as the kernel would read it.
fn word(text: &str) -> Result<String, String> {
    let read: Result<Options, _> = format!("tests={text}").parse();
    read.map(|options| options.tests).map_err(|wrong| wrong.to_string())
}

/// The kernel's options, as it would read them.
fn words(text: &str) -> Result<Options, String> {
    text.parse().map_err(|wrong: Wrong| wrong.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_number_of_cpus_has_bounds() {
        for (smp, good) in
            [("0", false), ("1", true), ("32", true), ("33", false), ("500", false), ("x", false)]
        {
            let parsed = Cli::try_parse_from(["smp", "boot", "--smp", smp]);
            assert_eq!(parsed.is_ok(), good, "{smp}");
        }
    }

    #[test]
    fn qemus_arguments_come_after_two_dashes() {
        let cli = Cli::try_parse_from(["smp", "boot", "--", "-d", "int"]).unwrap();
        let Command::Boot(args) = cli.command else { panic!("not a boot") };
        assert_eq!(args.extra, ["-d", "int"]);
    }
}
