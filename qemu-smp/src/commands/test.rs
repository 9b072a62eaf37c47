//! `cargo smp test`: every test of the project.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::coverage;
use super::stages::Stages;
use crate::cli::Install;
use crate::kernel;
use crate::lock::Turn;
use crate::paths::Paths;
use crate::process::{capture, clean_cargo, command};
use crate::setup::{self, Need, Options};
use crate::toolchain::{Choice, Toolchain};
use crate::variants::{FIXED, SEED, UPSTREAM};

/// How long a lint or a document build may take.
const LIMIT: Duration = Duration::from_secs(900);
/// How long the test suite may take, compiled from nothing on a slow machine.
const SUITE: Duration = Duration::from_secs(3600);
/// Lints and documents of the kernel are its programs', too, which its own build script builds.
const PROGRAMS: [&str; 2] = ["--package", "kernel-user"];
/// The kernels that the tests of the guest boot; the last two show what one repair is good for.
const KERNELS: [&str; 5] = [SEED, UPSTREAM, FIXED, "fixed-a1", "fixed-c1"];

pub(super) fn run(paths: &Paths, choice: Choice, args: Install) -> Result<bool> {
    // A boot's CPUs need the host's cores: two suites at once would miss their deadlines.
    let _turn = Turn::wait(paths, "the test suite")?;
    let mut stages = Stages::new(paths);
    let options = Options { no_install: args.no_install, toolchain: choice };
    stages.run("set-up", || {
        setup::ensure(paths, &Need::ALL, options)?;
        let states = setup::look(paths, &Need::ALL, options);
        Ok(states
            .iter()
            .filter_map(|state| state.found.clone().ok())
            .collect::<Vec<_>>()
            .join("; "))
    });

    let on_kernel = |subcommand| -> Result<Command> {
        Ok(kernel::cargo(paths, &Toolchain::find(paths, choice)?, subcommand, FIXED))
    };
    stages.command("format", LIMIT, false, || Ok(cargo(paths, &["fmt", "--all", "--", "--check"])));
    stages.command("clippy, host", LIMIT, false, || {
        Ok(cargo(paths, &["clippy", "--all-targets", "--", "-D", "warnings"]))
    });
    stages.command("clippy, kernel", LIMIT, false, || {
        let mut clippy = on_kernel("clippy")?;
        clippy.args(PROGRAMS).args(["--", "-D", "warnings"]);
        Ok(clippy)
    });
    stages.command("documents, host", LIMIT, false, || {
        let mut doc = cargo(paths, &["doc", "--no-deps"]);
        doc.env("RUSTDOCFLAGS", "-D warnings");
        Ok(doc)
    });
    stages.command("documents, kernel", LIMIT, false, || {
        let mut doc = on_kernel("doc")?;
        doc.args(PROGRAMS).arg("--no-deps").env("RUSTDOCFLAGS", "-D warnings");
        Ok(doc)
    });
    for variant in KERNELS {
        stages.run(&format!("kernel, {variant}"), || {
            let toolchain = Toolchain::find(paths, choice)?;
            let elf = kernel::build(paths, &toolchain, variant, |_| ())?;
            Ok(format!("{} ({} toolchain)", elf.display(), toolchain.name()))
        });
    }
    let (runner, suite) = suite(paths);
    stages.command(&format!("tests, by {runner}"), SUITE, true, || Ok(suite));
    stages.run("coverage of mmu386", || coverage::stage(paths, options));
    stages.command("tests in documents", LIMIT, false, || {
        Ok(cargo(paths, &["test", "--doc", "--no-fail-fast"]))
    });

    let (passed, failed) = stages.counts();
    say::out!("\n{}", stages.summary());
    say::out!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// The test suite under cargo-nextest where it is installed, else under cargo's own runner.
fn suite(paths: &Paths) -> (&'static str, Command) {
    let mut ask = cargo(paths, &["nextest", "--version"]);
    ask.env_remove("RUST_LOG");
    let nextest = capture(ask, Duration::from_secs(60), |_| ()).is_ok_and(|said| said.success());
    if nextest {
        ("cargo-nextest", cargo(paths, &["nextest", "run", "--no-fail-fast", "--no-input-handler"]))
    } else {
        ("cargo test", cargo(paths, &["test", "--lib", "--bins", "--tests", "--no-fail-fast"]))
    }
}

fn cargo(paths: &Paths, args: &[&str]) -> Command {
    let mut cargo = command(paths, "cargo");
    cargo.args(args);
    clean_cargo(&mut cargo, false);
    cargo
}
