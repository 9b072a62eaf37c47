//! Turns end, whoever else puts down the lock.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A turn that ends for the wrong thread is one that the other waits for, for ever or for ten seconds.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_thread_that_only_puts_down_the_lock_takes_no_turn() {
    let deps: PathBuf = std::env::current_exe().unwrap().parent().unwrap().into();
    let library = deps.join("libsteady.so");
    assert!(library.exists(), "{} is built with this test", library.display());
    let mut child = Command::new(env!("CARGO_BIN_EXE_threads"))
        .env("LD_PRELOAD", &library)
        // Its standard output: the words of the library come there as well.
        .env("MMU386_STEADY", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if begun.elapsed() > LIMIT => break None,
            None => sleep(Duration::from_millis(20)),
        }
    };
    let _ = child.kill();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(status.is_some_and(|status| status.success()), "still at it after {LIMIT:?}");
    let (proof, served) = said.trim().split_once('\n').unwrap();
    assert_eq!(proof, "steady", "{said}");
    let served: u64 = served.strip_prefix("served ").unwrap().parse().unwrap();
    assert!(served >= 20_000, "{said}");
}
