//! The system's package manager, and what QEMU and GRUB are called there.

use std::{fs, iter};

use nix::unistd::geteuid;

use super::Step;

/// A package manager.
struct Manager {
    program: &'static str,
    install: &'static [&'static str],
    qemu: &'static str,
    /// GRUB for a PC's BIOS, and what grub-mkrescue calls; empty where it is not known to work.
    grub: &'static [&'static str],
    /// Whether it refuses to be run by root, or needs to be.
    as_root: bool,
}

const MANAGERS: &[Manager] = &[
    Manager {
        program: "apt-get",
        install: &["install", "--yes", "--no-install-recommends"],
        qemu: "qemu-system-x86",
        grub: &["grub-common", "grub-pc-bin", "xorriso", "mtools"],
        as_root: true,
    },
    Manager {
        program: "dnf",
        install: &["install", "--assumeyes"],
        qemu: "qemu-system-x86-core",
        grub: &["grub2-tools-extra", "grub2-pc-modules", "xorriso", "mtools"],
        as_root: true,
    },
    Manager {
        program: "pacman",
        install: &["-Sy", "--needed", "--noconfirm"],
        qemu: "qemu-system-x86",
        grub: &["grub", "libisoburn", "mtools"],
        as_root: true,
    },
    Manager { program: "brew", install: &["install"], qemu: "qemu", grub: &[], as_root: false },
];

/// Debian's compiler for the kernel: the compiler, its sources, its cargo and its clippy,
/// and a linker.
const DEBIAN_RUST: &[&str] = &["rustc-web", "rust-web-src", "cargo-web", "rust-web-clippy", "lld"];

/// How to install QEMU here; none if no known package manager is in PATH.
pub(super) fn qemu() -> Option<Vec<Step>> {
    let manager = MANAGERS.iter().find(|manager| installed(manager.program))?;
    Some(steps(manager, &[manager.qemu]))
}

/// How to install what makes CD images here; none if it is not known.
pub(super) fn grub() -> Option<Vec<Step>> {
    let manager = MANAGERS.iter().find(|manager| installed(manager.program))?;
    (!manager.grub.is_empty()).then(|| steps(manager, manager.grub))
}

/// How to install Debian's compiler; none elsewhere.
pub(super) fn debian_rust() -> Option<Vec<Step>> {
    let apt = MANAGERS
        .iter()
        .find(|manager| manager.program == "apt-get" && installed(manager.program))?;
    Some(steps(apt, DEBIAN_RUST))
}

fn installed(program: &str) -> bool {
    which::which(program).is_ok()
}

fn steps(manager: &Manager, packages: &[&str]) -> Vec<Step> {
    let mut steps = Vec::new();
    if manager.program == "apt-get" && !lists_present() {
        steps.push(step(manager, &["update"], &[]));
    }
    steps.push(step(manager, manager.install, packages));
    steps
}

fn step(manager: &Manager, args: &[&str], packages: &[&str]) -> Step {
    let sudo = manager.as_root && !geteuid().is_root();
    let words =
        iter::once(manager.program).chain(args.iter().copied()).chain(packages.iter().copied());
    Step {
        words: sudo.then_some("sudo").into_iter().chain(words).map(str::to_owned).collect(),
        environment: vec![("DEBIAN_FRONTEND", "noninteractive")],
    }
}

/// Whether apt has any package lists; a fresh container has none.
fn lists_present() -> bool {
    let Ok(entries) = fs::read_dir("/var/lib/apt/lists") else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_the_package_last() {
        for manager in MANAGERS {
            let step = step(manager, manager.install, &[manager.qemu]);
            assert_eq!(step.words.last().map(String::as_str), Some(manager.qemu));
            assert!(step.words.iter().any(|word| word == manager.program));
        }
    }
}
