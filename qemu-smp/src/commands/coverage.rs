//! `cargo smp coverage`, and the stage of `cargo smp test` that does the same.

use anyhow::{Context, Result, bail};

use crate::cli;
use crate::coverage::{Coverage, forget, measure};
use crate::lock::Turn;
use crate::paths::Paths;
use crate::progress::Progress;
use crate::setup::{self, Need, Options};
use crate::toolchain::Choice;

/// What to do where set-up cannot help.
const REMEDY: &str = "\
line coverage needs cargo-llvm-cov and the llvm-tools of the active toolchain. Install that toolchain \
through rustup and run `rustup component add llvm-tools`; for a toolchain without that component, such as \
Debian's, set LLVM_COV and LLVM_PROFDATA to the programs of the LLVM that `rustc --version --verbose` names";

pub(super) fn run(paths: &Paths, toolchain: Choice, args: &cli::Coverage) -> Result<bool> {
    let options = Options { no_install: args.install.no_install, toolchain };
    let progress = Progress::new(0);
    progress.doing("running the host tests of mmu386");
    let coverage = measured(paths, options, |line| progress.remark(line))?;
    drop(progress);
    if args.json {
        say::out!("{:#}", coverage.json());
    } else {
        say::text!("{}", coverage.text());
        say::out!("{}: {}", if coverage.passed() { "pass" } else { "NO PASS" }, coverage.summary());
    }
    Ok(coverage.passed())
}

/// The stage: what was covered in one line, or everything that is wrong.
pub(super) fn stage(paths: &Paths, options: Options) -> Result<String> {
    let coverage = measured(paths, options, |_| ())?;
    if !coverage.passed() {
        bail!("{}", coverage.text());
    }
    Ok(coverage.summary())
}

fn measured(paths: &Paths, options: Options, look: impl FnMut(&str)) -> Result<Coverage> {
    let _turn = Turn::wait(paths, "target/coverage")?;
    forget(paths)?;
    setup::ensure(paths, &Need::COVERAGE, options).context(REMEDY)?;
    measure(paths, look)
}
