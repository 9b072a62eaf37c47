//! What a machine needs beyond cargo and a C linker, and how it gets it.
//!
//! Every need knows how to look for itself and which commands would provide it. Nothing is
//! installed before it was said; with `--no-install` the commands are printed and nothing else.

mod coverage;
mod install;
mod packages;
mod rust;

use std::fmt::Write as _;

use anyhow::{Result, bail};

use crate::guest::Qemu;
use crate::iso;
use crate::paths::Paths;
use crate::toolchain::Choice;

pub use install::{Step, ensure};

/// Something that a command cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// qemu-system-i386.
    Qemu,
    /// The sources of `core` and `alloc`, with a compiler for them.
    RustSource,
    /// cargo fmt and cargo clippy.
    Lints,
    /// Every crate of the lock file in cargo's cache, so that later runs need no network.
    Crates,
    /// llvm-cov and llvm-profdata, of the compiler's own LLVM.
    LlvmTools,
    /// cargo llvm-cov.
    CargoLlvmCov,
    /// grub-mkrescue, with what it calls.
    Grub,
}

impl Need {
    /// Everything, as `cargo smp setup` and `cargo smp test` want it.
    pub const ALL: [Self; 7] = [
        Self::Qemu,
        Self::RustSource,
        Self::Lints,
        Self::Crates,
        Self::LlvmTools,
        Self::CargoLlvmCov,
        Self::Grub,
    ];
    /// What the guest takes.
    pub const GUEST: [Self; 3] = [Self::Qemu, Self::RustSource, Self::Crates];
    /// What counting lines takes.
    pub const COVERAGE: [Self; 2] = [Self::LlvmTools, Self::CargoLlvmCov];
}

/// How setting up is to be done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Print the commands instead of running them.
    pub no_install: bool,
    /// The compiler for the kernel.
    pub toolchain: Choice,
}

/// A need after a look at the machine.
#[derive(Debug, Clone)]
pub struct State {
    /// Which need.
    pub need: Need,
    /// Its name, for people.
    pub name: &'static str,
    /// What was found, or why it is missing.
    pub found: Result<String, String>,
    /// Ways to provide it, best first; the next is tried when one fails.
    pub remedies: Vec<Vec<Step>>,
}

/// Looks at the machine.
pub fn look(paths: &Paths, needs: &[Need], options: Options) -> Vec<State> {
    needs.iter().map(|&need| look_at(paths, need, options)).collect()
}

fn look_at(paths: &Paths, need: Need, options: Options) -> State {
    match need {
        Need::Qemu => State {
            need,
            name: "QEMU",
            found: Qemu::find()
                .and_then(|qemu| qemu.version(paths))
                .map_err(|error| format!("{error:#}")),
            remedies: packages::qemu().into_iter().collect(),
        },
        Need::RustSource => rust::source(paths, options.toolchain),
        Need::Lints => rust::lints(paths),
        Need::Crates => rust::crates(paths, options.toolchain),
        Need::LlvmTools => coverage::llvm_tools(paths),
        Need::Grub => State {
            need,
            name: "GRUB",
            found: iso::find().map_err(|error| format!("{error:#}")),
            remedies: packages::grub().into_iter().collect(),
        },
        Need::CargoLlvmCov => coverage::cargo_llvm_cov(paths),
    }
}

/// One line per need.
pub fn describe(states: &[State]) -> String {
    let mut text = String::new();
    for state in states {
        let (mark, words) = match &state.found {
            Ok(found) => ("ok     ", found),
            Err(why) => ("MISSING", why),
        };
        let _ = writeln!(text, "{mark}  {:<14} {words}", state.name);
    }
    text
}

/// `setup --check`: reports, and fails if something is missing.
pub fn check(paths: &Paths, needs: &[Need], options: Options) -> Result<()> {
    let states = look(paths, needs, options);
    say::text!("{}", describe(&states));
    let missing: Vec<_> =
        states.iter().filter(|state| state.found.is_err()).map(|state| state.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!("missing: {}. `cargo smp setup` installs what is missing", missing.join(", "))
}
