//! `cargo smp iso`.

use std::path::absolute;

use anyhow::{Context, Result};

use crate::cli::Iso;
use crate::iso;
use crate::kernel;
use crate::paths::Paths;
use crate::progress::Progress;
use crate::setup::{self, Need, Options};
use crate::toolchain::{Choice, Toolchain};
use crate::variants;

pub(super) fn run(paths: &Paths, choice: Choice, args: &Iso) -> Result<bool> {
    let variant = variants::check(&args.variant)?;
    let options = Options { no_install: args.install.no_install, toolchain: choice };
    let mut needs = vec![Need::Grub];
    needs
        .extend((!args.no_build).then_some([Need::RustSource, Need::Crates]).into_iter().flatten());
    setup::ensure(paths, &needs, options)?;
    let progress = Progress::new(2);
    let elf = if args.no_build {
        kernel::existing(paths, &variant)?
    } else {
        let toolchain = Toolchain::find(paths, choice)?;
        progress.doing(&format!("building the kernel ({variant}, {} toolchain)", toolchain.name()));
        kernel::build(paths, &toolchain, &variant, |line| progress.remark(line))?
    };
    progress.step();
    progress.doing("making the CD image");
    let usual = paths.iso().join(format!("{variant}.iso"));
    // Of the folder that the user is in, whatever folder the program that writes it runs in.
    let image =
        absolute(args.output.clone().unwrap_or(usual)).context("cannot tell the current folder")?;
    let image = iso::make(paths, &elf, &args.append.command_line(), &image)?;
    drop(progress);
    say::out!("{}", image.display());
    Ok(true)
}
