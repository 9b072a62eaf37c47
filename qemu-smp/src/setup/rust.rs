//! The parts of the Rust toolchain, and the crates.

use std::time::Duration;

use super::{Need, State, Step, packages};
use crate::paths::Paths;
use crate::process::{capture, clean_cargo, command};
use crate::toolchain::{Choice, Toolchain};

/// How long a look at a component may take.
pub(super) const LOOK: Duration = Duration::from_secs(60);

/// The sources of `core` and `alloc`: through rustup, else Debian's.
pub(super) fn source(paths: &Paths, choice: Choice) -> State {
    let found = Toolchain::find(paths, choice);
    let rustup = (choice != Choice::Debian && which::which("rustup").is_ok())
        .then(|| vec![Step::new(["rustup", "component", "add", "rust-src"])]);
    let debian = if choice == Choice::Rustup { None } else { packages::debian_rust() };
    State {
        need: Need::RustSource,
        name: "rust-src",
        found: found
            .map(|toolchain| {
                format!("{} ({} toolchain)", toolchain.library().display(), toolchain.name())
            })
            .map_err(|error| format!("{error:#}")),
        remedies: rustup.into_iter().chain(debian).collect(),
    }
}

/// cargo fmt and cargo clippy.
pub(super) fn lints(paths: &Paths) -> State {
    let mut missing = Vec::new();
    let mut versions = Vec::new();
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        let mut cargo = command(paths, "cargo");
        cargo.args([subcommand, "--version"]);
        clean_cargo(&mut cargo, false);
        match capture(cargo, LOOK, |_| ()) {
            Ok(said) if said.success() => versions.push(said.stdout.trim().to_owned()),
            _ => missing.push(component),
        }
    }
    let mut step = Step::new(["rustup", "component", "add"]);
    step.words.extend(missing.iter().map(|&component| component.to_owned()));
    State {
        need: Need::Lints,
        name: "lints",
        found: if missing.is_empty() {
            Ok(versions.join(", "))
        } else {
            Err(format!("the active toolchain has no {}", missing.join(" and no ")))
        },
        remedies: vec![vec![step]],
    }
}

/// The crates of the lock file, and those that `core` and `alloc` name in theirs.
pub(super) fn crates(paths: &Paths, choice: Choice) -> State {
    let offline = [
        vec!["cargo".to_owned(), "fetch".to_owned(), "--locked".to_owned(), "--quiet".to_owned()],
        library_fetch(paths, choice),
    ];
    let cached = offline.iter().filter(|words| !words.is_empty()).all(|words| {
        let mut cargo = command(paths, &words[0]);
        clean_cargo(&mut cargo, true);
        cargo.args(&words[1..]).arg("--offline").env("RUSTC_BOOTSTRAP", "1");
        capture(cargo, LOOK, |_| ()).is_ok_and(|said| said.success())
    });
    let steps = offline
        .into_iter()
        .filter(|words| !words.is_empty())
        .map(|words| Step { words, environment: vec![("RUSTC_BOOTSTRAP", "1")] });
    State {
        need: Need::Crates,
        name: "crates",
        found: if cached {
            Ok("all in cargo's cache: later runs need no network".to_owned())
        } else {
            Err("not all crates of the lock file are in cargo's cache".to_owned())
        },
        remedies: vec![steps.collect()],
    }
}

/// The command that fetches what the library's workspace names. Debian's sources bring those crates
/// along, but -Zbuild-std looks for them in cargo's cache all the same.
fn library_fetch(paths: &Paths, choice: Choice) -> Vec<String> {
    let Ok(toolchain) = Toolchain::find(paths, choice) else { return Vec::new() };
    let cargo = toolchain.cargo(paths, "fetch").get_program().to_string_lossy().into_owned();
    let manifest = toolchain.library().join("Cargo.toml").display().to_string();
    let rest = ["fetch", "--locked", "--quiet", "--manifest-path"].map(str::to_owned);
    [cargo].into_iter().chain(rest).chain([manifest]).collect()
}
