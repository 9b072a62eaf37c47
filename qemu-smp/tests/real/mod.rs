//! The real kernel under the real QEMU. `cargo smp test` builds the kernels first; without them these
//! tests fail and say so. They run one at a time, because a guest's CPUs need the host's.
#![allow(dead_code, reason = "each test program uses a part of this")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// Under cargo's own runner the tests share a process, and take turns here; nextest has its own way.
static TURN: Mutex<()> = Mutex::new(());

/// Waits for this test's turn.
pub fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `smp` on this workspace, with arguments.
pub fn smp(args: &[&str]) -> Command {
    let mut smp = Command::new(env!("CARGO_BIN_EXE_smp"));
    smp.args(args);
    smp.env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR")).env_remove("SMP_QEMU");
    smp
}

/// Boots, and returns the exit status and the report.
pub fn boot(args: &[&str]) -> (Option<i32>, Value) {
    let _turn = turn();
    let boot = ["boot", "--no-build", "--no-install", "--json"];
    report(&smp(&[&boot[..], args].concat()).output().unwrap())
}

/// What a boot printed.
#[track_caller]
pub fn report(output: &Output) -> (Option<i32>, Value) {
    let text = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr))
    });
    (output.status.code(), report)
}

/// A file of this workspace.
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// The place of a text in a source of the kernel, as a backtrace has it: it occurs there once.
#[track_caller]
pub fn place(source: &str, text: &str) -> String {
    let lines = fs::read_to_string(file(source)).unwrap();
    let mut found = lines.lines().zip(1..).filter(|(line, _)| line.contains(text));
    let (_, number) = found.next().unwrap_or_else(|| panic!("`{text}` is not in {source}"));
    assert!(found.next().is_none(), "`{text}` is in {source} more than once");
    format!("{source}:{number}")
}

/// Runs a boot twice more: as the first time, to the last line.
#[track_caller]
pub fn the_same(first: &Value, mut again: impl FnMut() -> Value) {
    for _ in 0..2 {
        let next = again();
        assert_eq!(next["said"], first["said"]);
        assert_eq!(next["digest"], first["digest"]);
    }
}
