//! `cargo smp boot`.

use anyhow::Result;

use crate::cli::BootArgs;
use crate::guest::{self, Accel, Symbols};
use crate::kernel;
use crate::paths::Paths;
use crate::progress::Progress;
use crate::setup::{self, Need, Options};
use crate::toolchain::{Choice, Toolchain};

pub(super) fn run(paths: &Paths, toolchain: Choice, args: &BootArgs) -> Result<bool> {
    let boot = args.boot()?;
    let options = Options { no_install: args.install.no_install, toolchain };
    let needs: &[Need] = if args.no_build { &[Need::Qemu] } else { &Need::GUEST };
    setup::ensure(paths, needs, options)?;

    let progress = Progress::new(2);
    let elf = if args.no_build {
        kernel::existing(paths, &boot.variant)?
    } else {
        let toolchain = Toolchain::find(paths, toolchain)?;
        progress.doing(&format!(
            "building the kernel ({}, {} toolchain)",
            boot.variant,
            toolchain.name()
        ));
        kernel::build(paths, &toolchain, &boot.variant, |line| progress.remark(line))?
    };
    progress.step();
    let chosen = if boot.accel == Accel::Auto { " (auto)" } else { "" };
    let accel = boot.accel.resolve().name();
    progress
        .doing(&format!("booting {} on {} CPUs, accel {accel}{chosen}", boot.variant, boot.smp));
    let report = guest::boot(paths, &boot, &elf, |line| {
        if args.console {
            progress.say(line);
        } else {
            progress.remark(line);
        }
    })?;
    drop(progress);

    let symbols = Symbols::read(&elf);
    if args.json {
        println!("{:#}", report.json(&symbols));
    } else {
        print!("{}", report.text(&symbols));
    }
    Ok(report.outcome.passed())
}
