//! `cargo smp`: the command line of mmu386.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use qemu_smp::{cli::Cli, commands, process};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match commands::run(cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(process::failure_status()),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(process::failure_status())
        }
    }
}
