//! A reader that leaves, or a disk that is full: no panic, no verdict that nobody found, a failing status
//! where something was to be delivered and was not.

use std::fs::File;
use std::process::{Command, Output, Stdio};

/// Runs the program with an output that nobody reads, or that takes nothing.
fn models(args: &[&str], out: Stdio) -> Output {
    let mut models = Command::new(env!("CARGO_BIN_EXE_models"));
    models.args(args).stdout(out).stderr(Stdio::piped());
    models.spawn().unwrap().wait_with_output().unwrap()
}

fn nobody() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

const RUN: [&str; 6] = ["run", "map-nothing", "--variant", "fixed", "--mode", "sc"];

#[test]
fn a_reader_that_leaves_is_no_panic() {
    for args in [&["list"][..], &["list", "--json"], &RUN] {
        let output = models(args, nobody());
        assert!(output.stderr.is_empty(), "{args:?}: {output:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_no_panic_and_no_success() {
    for args in [&["list"][..], &["list", "--json"], &RUN] {
        let output = models(args, full());
        assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{output:?}");
    }
}
