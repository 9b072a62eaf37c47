//! What counting lines takes: the compiler's LLVM tools, and cargo-llvm-cov, which drives them.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::rust::LOOK;
use super::{Need, State, Step};
use crate::paths::Paths;
use crate::process::{capture, clean_cargo, command};

/// The tools, each with the variable by which cargo-llvm-cov is given another one.
const TOOLS: [(&str, &str); 2] = [("LLVM_COV", "llvm-cov"), ("LLVM_PROFDATA", "llvm-profdata")];

/// llvm-cov and llvm-profdata: as the environment names them, else beside the active toolchain.
pub(super) fn llvm_tools(paths: &Paths) -> State {
    // The component had another name before, which older rustups and toolchains still have.
    let remedies = match which::which("rustup") {
        Ok(_) => ["llvm-tools", "llvm-tools-preview"]
            .map(|component| vec![Step::new(["rustup", "component", "add", component])])
            .to_vec(),
        Err(_) => Vec::new(),
    };
    State {
        need: Need::LlvmTools,
        name: "llvm-tools",
        found: find(paths).map_err(|error| format!("{error:#}")),
        remedies,
    }
}

fn find(paths: &Paths) -> Result<String> {
    let named: Vec<PathBuf> =
        TOOLS.iter().filter_map(|(variable, _)| env::var_os(variable)).map(PathBuf::from).collect();
    if named.len() == TOOLS.len() {
        for tool in &named {
            which::which(tool).with_context(|| format!("cannot find {}", tool.display()))?;
        }
        return Ok(format!("as {} and {} say", TOOLS[0].0, TOOLS[1].0));
    }
    let mut rustc = command(paths, "rustc");
    clean_cargo(&mut rustc, false);
    rustc.args(["--print", "target-libdir"]);
    let said = capture(rustc, LOOK, |_| ())?.checked("`rustc --print target-libdir`")?;
    let folder = Path::new(said.stdout.trim()).with_file_name("bin");
    for (_, tool) in TOOLS {
        if !folder.join(tool).is_file() {
            bail!("the active toolchain has no {tool}: it is not in {}", folder.display());
        }
    }
    Ok(folder.display().to_string())
}

/// cargo llvm-cov, in cargo's own folder of programs.
pub(super) fn cargo_llvm_cov(paths: &Paths) -> State {
    let mut cargo = command(paths, "cargo");
    clean_cargo(&mut cargo, false);
    cargo.args(["llvm-cov", "--version"]);
    let found = match capture(cargo, LOOK, |_| ()) {
        Ok(said) if said.success() => Ok(said.stdout.trim().to_owned()),
        _ => Err("`cargo llvm-cov` is not installed".to_owned()),
    };
    let install = ["cargo", "install", "cargo-llvm-cov", "--version", "^0.9", "--locked"];
    State {
        need: Need::CargoLlvmCov,
        name: "cargo-llvm-cov",
        found,
        remedies: vec![vec![Step::new(install)]],
    }
}
