//! What each command does.

mod boot;
mod coverage;
mod guest_rows;
mod iso;
mod model_rows;
mod models;
mod setup;
mod soak;
mod stages;
mod teeth;
mod test;
mod verify;

use std::io::stdin;

use anyhow::Result;

use crate::cli::{Cli, Command};
use crate::paths::Paths;
use crate::process::{self, reaper};

/// Runs a command. `Ok(true)` is a true pass; `Ok(false)` is a failure that was reported already.
pub fn run(cli: Cli) -> Result<bool> {
    if let Command::Reaper = cli.command {
        reaper::run(stdin().lock());
        return Ok(true);
    }
    let paths = Paths::find()?;
    process::install_signals()?;
    if let Err(error) = reaper::start() {
        say::err!("note: {error:#}; children may be left behind if this process is killed");
    }
    let toolchain = cli.kernel_toolchain;
    match cli.command {
        Command::Verify(args) => verify::run(&paths, toolchain, &args),
        Command::Test(args) => test::run(&paths, toolchain, args),
        Command::Coverage(args) => coverage::run(&paths, toolchain, &args),
        Command::Models(args) => models::run(&paths, &args),
        Command::Teeth(args) => teeth::run(&paths, &args),
        Command::Boot(args) => boot::run(&paths, toolchain, &args),
        Command::Soak(args) => soak::run(&paths, toolchain, &args),
        Command::Iso(args) => iso::run(&paths, toolchain, &args),
        Command::Setup(args) => setup::run(&paths, toolchain, &args),
        Command::Reaper => Ok(true),
    }
}
