//! The environment that children get.
//!
//! `cargo run` and rustup leave words for their own children in the environment. A second cargo
//! that hears them builds something else, or everything again.

use std::env;
use std::ffi::OsStr;
use std::process::Command;

use crate::paths::Paths;

/// A command that runs at the workspace's root.
pub fn command(paths: &Paths, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(paths.root());
    command
}

/// What a cargo of our own must not hear from the cargo that runs us.
const FROM_CARGO: &[&str] = &[
    "CARGO",
    "CARGO_BIN_",
    "CARGO_CFG_",
    "CARGO_CRATE_",
    "CARGO_FEATURE_",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_TARGET_TMPDIR",
    "NEXTEST",
    "RUST_RECURSION_COUNT",
    "RUSTC_BOOTSTRAP",
];

/// What would change how the kernel is built.
const BUILD_CHOICES: &[&str] = &[
    "CARGO_BUILD_",
    "CARGO_ENCODED_",
    "CARGO_INCREMENTAL",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "CARGO_UNSTABLE_",
    "RUSTC",
    "RUSTC_",
    "RUSTDOC",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
];

/// Takes what a surrounding cargo said out of a command's environment; for the kernel, which must
/// come out the same everywhere, also what the user chose for host builds.
pub fn clean_cargo(command: &mut Command, kernel: bool) {
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        if said(FROM_CARGO, name) || (kernel && said(BUILD_CHOICES, name)) {
            command.env_remove(name);
        }
    }
    // cargo run puts its own libraries in front; what the user had in there stays.
    if let Some(path) = env::var_os("LD_LIBRARY_PATH") {
        let kept: Vec<_> = env::split_paths(&path)
            .filter(|dir| {
                !dir.ends_with("deps")
                    && !dir.iter().any(|part| part == "rustlib" || part == "toolchains")
            })
            .collect();
        match env::join_paths(&kept) {
            Ok(path) if !kept.is_empty() => command.env("LD_LIBRARY_PATH", path),
            _ => command.env_remove("LD_LIBRARY_PATH"),
        };
    }
}

/// Names match whole, those that end in `_` as a prefix.
fn said(names: &[&str], name: &str) -> bool {
    names
        .iter()
        .any(|&known| if known.ends_with('_') { name.starts_with(known) } else { name == known })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_registry_settings_survive() {
        for kept in [
            "CARGO_HOME",
            "CARGO_NET_OFFLINE",
            "CARGO_HTTP_PROXY",
            "RUSTUP_HOME",
            "RUSTUP_TOOLCHAIN",
        ] {
            assert!(!said(FROM_CARGO, kept) && !said(BUILD_CHOICES, kept), "{kept}");
        }
        assert!(said(FROM_CARGO, "CARGO_PKG_NAME") && said(BUILD_CHOICES, "RUSTFLAGS"));
        assert!(!said(FROM_CARGO, "RUSTFLAGS"), "host builds follow the user");
    }
}
