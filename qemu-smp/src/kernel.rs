//! The kernel as a build product: one ELF file for each variant.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::files;
use crate::lock::Turn;
use crate::paths::Paths;
use crate::process::{capture, interrupted};
use crate::toolchain::Toolchain;

/// The kernel's target description, as seen from the workspace's root.
pub const TARGET: &str = "kernel/i686-mmu386.json";
/// Environment variable by which the kernel's build script learns the variant.
pub const VARIANT_VARIABLE: &str = "MMU386_VARIANT";
/// How long one build may take; the first one compiles `core` and `alloc`, too.
pub const BUILD_LIMIT: Duration = Duration::from_secs(600);

/// A cargo subcommand on the kernel, with the flags that every kernel build shares.
pub fn cargo(paths: &Paths, toolchain: &Toolchain, subcommand: &str, variant: &str) -> Command {
    let mut cargo = toolchain.cargo(paths, subcommand);
    cargo.args(["--package", "kernel", "--release", "--target", TARGET]).args([
        "-Zbuild-std=core,alloc",
        "-Zbuild-std-features=compiler-builtins-mem",
        "-Zjson-target-spec",
    ]);
    cargo.env(VARIANT_VARIABLE, variant);
    cargo
}

/// Builds the kernel for a variant and copies it to where boots look for it.
pub fn build(
    paths: &Paths,
    toolchain: &Toolchain,
    variant: &str,
    look: impl FnMut(&str),
) -> Result<PathBuf> {
    if !paths.root().join(TARGET).is_file() {
        bail!("there is no {TARGET} in {}: the checkout is not complete", paths.root().display());
    }
    // Another variant's build would put its kernel where this one's is copied from.
    let _turn = Turn::wait(paths, "kernel builds")?;
    let mut cargo = cargo(paths, toolchain, "build", variant);
    cargo.arg("--message-format=json-render-diagnostics");
    let said = capture(cargo, BUILD_LIMIT, look)?;
    if interrupted() {
        bail!("interrupted while the kernel was being built");
    }
    let said =
        said.checked(&format!("building the kernel ({variant}, {} toolchain)", toolchain.name()))?;
    let built = executable(&said.stdout, "kernel").context("cargo built no kernel executable")?;
    let elf = paths.kernel_elf(variant);
    files::copy(&built, &elf)?;
    Ok(elf)
}

/// The kernel that an earlier build left, or an error that says how to get it.
pub fn existing(paths: &Paths, variant: &str) -> Result<PathBuf> {
    let elf = paths.kernel_elf(variant);
    if elf.is_file() {
        return Ok(elf);
    }
    bail!(
        "{} is missing: run `cargo smp boot --variant {variant}` or `cargo smp test`, which build it",
        elf.display()
    )
}

/// What cargo says about each finished piece, as far as we look at it.
#[derive(Deserialize)]
struct Artifact {
    executable: Option<PathBuf>,
    target: Option<ArtifactTarget>,
}

#[derive(Deserialize)]
struct ArtifactTarget {
    name: String,
}

/// The path of an executable out of cargo's JSON messages.
pub fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Artifact>(line).ok())
        .filter(|artifact| artifact.target.as_ref().is_some_and(|target| target.name == name))
        .filter_map(|artifact| artifact.executable)
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"core"},"executable":null}
not json
{"reason":"compiler-artifact","target":{"name":"kernel"},"executable":"/t/release/kernel"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "kernel"), Some(PathBuf::from("/t/release/kernel")));
        assert_eq!(executable(messages, "models"), None);
    }
}
