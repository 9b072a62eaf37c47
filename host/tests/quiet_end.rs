//! A reader that leaves, or a disk that is full: `steps` goes on to its end without a panic.

use std::fs::File;
use std::process::{Command, Output, Stdio};

/// Runs the program with outputs that nobody reads, or that take nothing.
fn steps(variant: &str, steps: &str, end: impl Fn() -> Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steps"));
    command.args(["--variant", variant, "--steps", steps]).stdout(end()).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap()
}

fn nobody() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_reader_that_leaves_changes_no_verdict() {
    for (variant, status) in [("fixed", 0), ("seed", 1)] {
        let output = steps(variant, "5000", nobody);
        assert_eq!(output.status.code(), Some(status), "{variant}: {output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_no_success() {
    let output =
        steps("fixed", "100", || File::options().write(true).open("/dev/full").unwrap().into());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("not all could be printed"));
}

#[test]
fn numbers_of_steps_that_nobody_can_do_are_refused() {
    for number in ["0", "18446744073709551615"] {
        let output = steps("fixed", number, Stdio::piped);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--steps"), "{output:?}");
    }
}
