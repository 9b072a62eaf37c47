//! What makes a QEMU whose instructions are counted come back. `steady/lib.rs` says how.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// The library, for the host's loader; empty where there is none.
const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libsteady.so"));
/// Names libraries that come before a program's own.
const PRELOAD: &str = "LD_PRELOAD";

/// Puts the library before those of a QEMU that is to be started, out of a file in `room`.
pub(super) fn steady(qemu: &mut Command, room: &Path) -> Result<()> {
    if LIBRARY.is_empty() {
        return Ok(());
    }
    let file = room.join("libsteady.so");
    fs::write(&file, LIBRARY).with_context(|| format!("cannot write {}", file.display()))?;
    let mut libraries = OsString::from(file);
    if let Some(others) = env::var_os(PRELOAD) {
        libraries.push(":");
        libraries.push(others);
    }
    qemu.env(PRELOAD, libraries);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_library_is_there() {
        assert!(LIBRARY.starts_with(b"\x7fELF"));
        let room = tempfile::tempdir().unwrap();
        let mut command = Command::new("true");
        steady(&mut command, room.path()).unwrap();
        assert_eq!(command.get_envs().count(), 1);
        assert!(command.status().unwrap().success());
    }
}
