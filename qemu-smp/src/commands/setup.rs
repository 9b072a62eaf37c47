//! `cargo smp setup`.

use anyhow::Result;

use crate::cli::Setup;
use crate::paths::Paths;
use crate::setup::{self, Need, Options};
use crate::toolchain::Choice;

pub(super) fn run(paths: &Paths, toolchain: Choice, args: &Setup) -> Result<bool> {
    let options = Options { no_install: args.install.no_install, toolchain };
    if !args.check {
        setup::ensure(paths, &Need::ALL, options)?;
    }
    setup::check(paths, &Need::ALL, options)?;
    Ok(true)
}
