//! Which compiler builds the kernel.
//!
//! `core` and `alloc` are built for the kernel's own target, which needs their sources. The active
//! toolchain has them once `rustup component add rust-src` has run. Where rustup cannot install
//! them, Debian's rustc-web and rust-web-src build the kernel, and the kernel alone.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::paths::Paths;
use crate::process::{capture, clean_cargo, command};

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Choice {
    /// The active toolchain if it has rust-src, else Debian's.
    #[default]
    Auto,
    /// The active toolchain only.
    Rustup,
    /// Debian's packages only.
    Debian,
}

/// A compiler with the sources of `core` and `alloc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Toolchain {
    /// The one that `cargo` and `rustc` in PATH stand for, and the folder of its library sources.
    Active(PathBuf),
    /// Debian's packages, and the folder of their library sources.
    Debian(PathBuf),
}

/// Where Debian's packages put their programs.
const DEBIAN_BIN: &str = "/usr/bin";
/// The linker of Debian's lld: their Rust brings none of its own, unlike rustup's.
const DEBIAN_LINKER: &str = "ld.lld";
/// Below a sysroot: the workspace of `core`, `alloc` and `std`.
const LIBRARY: &str = "lib/rustlib/src/rust/library";
/// The oldest compiler that the workspace accepts (`rust-version` of Cargo.toml).
const OLDEST: (u32, u32) = (1, 95);

impl Toolchain {
    /// Finds a usable toolchain, or says for each candidate why it is none.
    pub fn find(paths: &Paths, choice: Choice) -> Result<Self> {
        let active = || library(paths, Path::new("rustc")).map(Self::Active);
        let debian = || {
            let rustc = Path::new(DEBIAN_BIN).join("rustc");
            let linker = Path::new(DEBIAN_BIN).join(DEBIAN_LINKER);
            library(paths, &rustc)
                .and_then(|library| match linker.is_file() {
                    true => Ok(Self::Debian(library)),
                    false => bail!("there is no linker {}", linker.display()),
                })
                .context("Debian's rustc-web, rust-web-src and lld")
        };
        match choice {
            Choice::Rustup => active(),
            Choice::Debian => debian(),
            Choice::Auto => active().or_else(|first| {
                debian().map_err(|second| anyhow::anyhow!("{first:#}; {second:#}"))
            }),
        }
    }

    /// Its name, for reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Active(_) => "rustup",
            Self::Debian(_) => "debian",
        }
    }

    /// The workspace of its library sources.
    pub fn library(&self) -> &Path {
        match self {
            Self::Active(library) | Self::Debian(library) => library,
        }
    }

    /// A cargo for kernel builds: nothing of the surrounding cargo in its environment, and
    /// RUSTC_BOOTSTRAP for this one child, because -Zbuild-std is an unstable flag.
    pub fn cargo(&self, paths: &Paths, subcommand: &str) -> Command {
        let mut cargo = match self {
            Self::Active(_) => command(paths, "cargo"),
            Self::Debian(_) if subcommand == "clippy" => {
                // Through cargo, the clippy of $CARGO_HOME/bin could come first.
                command(paths, Path::new(DEBIAN_BIN).join("cargo-clippy"))
            }
            Self::Debian(_) => command(paths, Path::new(DEBIAN_BIN).join("cargo")),
        };
        cargo.arg(subcommand);
        clean_cargo(&mut cargo, true);
        if let Self::Debian(_) = self {
            let path = env::var_os("PATH").unwrap_or_default();
            let dirs = [PathBuf::from(DEBIAN_BIN)].into_iter().chain(env::split_paths(&path));
            if let Ok(path) = env::join_paths(dirs) {
                cargo.env("PATH", path);
            }
            let program = |name: &str| Path::new(DEBIAN_BIN).join(name);
            cargo.env("CARGO", program("cargo")).env("RUSTC", program("rustc"));
            cargo.env("RUSTDOC", program("rustdoc")).env_remove("RUSTUP_TOOLCHAIN");
            cargo.env("CARGO_TARGET_I686_MMU386_LINKER", program(DEBIAN_LINKER));
        }
        cargo.env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", paths.kernel_target());
        cargo
    }
}

/// The library sources of a compiler, if it is new enough and has them.
fn library(paths: &Paths, rustc: &Path) -> Result<PathBuf> {
    let ask = |args: &[&str]| -> Result<String> {
        let mut rustc_command = command(paths, rustc);
        clean_cargo(&mut rustc_command, true);
        rustc_command.args(args);
        let said = capture(rustc_command, Duration::from_secs(60), |_| ())?;
        Ok(said
            .checked(&format!("`{} {}`", rustc.display(), args.join(" ")))?
            .stdout
            .trim()
            .to_owned())
    };
    let version = ask(&["--version"])?;
    match parse_version(&version) {
        Some(found) if found >= OLDEST => (),
        _ => bail!(
            "`{}` is {version}, but {}.{} or newer is needed",
            rustc.display(),
            OLDEST.0,
            OLDEST.1
        ),
    }
    let library = PathBuf::from(ask(&["--print", "sysroot"])?).join(LIBRARY);
    if library.join("core/Cargo.toml").is_file() {
        return Ok(library);
    }
    bail!("`{}` ({version}) has no rust-src: there is no {}", rustc.display(), library.display())
}

/// Major and minor number out of `rustc 1.95.0 (…)`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_numbers() {
        assert_eq!(parse_version("rustc 1.95.0 (f2d3ce0bd 2026-03-21)"), Some((1, 95)));
        assert!(parse_version("rustc 1.100.0-nightly").unwrap() > OLDEST);
        assert_eq!(parse_version("command not found"), None);
    }
}
