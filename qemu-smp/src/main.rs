//! `cargo smp`: the command line of mmu386.
#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use clap::Parser;
use qemu_smp::{cli::Cli, commands, process};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = commands::run(cli);
    match (result, say::lost()) {
        (Ok(_), Some(why)) => {
            say::err!("error: not all could be printed: {why}");
            ExitCode::from(process::failure_status())
        }
        (result, _) => ended(result),
    }
}

fn ended(result: anyhow::Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(process::failure_status()),
        Err(error) => {
            say::err!("error: {error:#}");
            ExitCode::from(process::failure_status())
        }
    }
}
