//! `| head`, `less` and q, a full disk: no panic, the guest is gone, and what was found is kept.

mod common;

use std::fs::File;
use std::process::{Output, Stdio};

use common::{World, alive, eventually, wait};
use serde_json::Value;

/// An end of a pipe that nobody reads.
fn nobody() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Runs with nobody at either output.
fn unheard(world: &World, args: &[&str], guest: &str) -> Output {
    let mut smp = world.smp(args);
    smp.stdout(nobody()).stderr(nobody()).env("FAKE_QEMU", guest);
    smp.env("FAKE_PIDS", world.path("pids"));
    wait(smp.spawn().unwrap())
}

#[test]
fn a_soak_that_nobody_listens_to_ends_its_guest_and_leaves_its_report() {
    let world = World::new();
    let args = ["soak", "--no-build", "--no-control", "--smp", "2", "--silence", "2"];
    let output = unheard(&world, &args, "stubborn");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    for number in world.pids() {
        eventually("the impostor and its child are gone", || !alive(number));
    }
    let told = std::fs::read(world.path("target/soak/fixed-2.json")).unwrap();
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(told["verdict"], "fail", "{told:#}");
    assert!(told["reasons"].to_string().contains("silent for 2 s"), "{told:#}");
}

#[test]
fn every_command_ends_without_a_panic_and_as_it_was_judged() {
    for (args, status) in [
        (&["boot", "--no-build"][..], 0),
        (&["boot", "--no-build", "--json"], 0),
        (&["boot", "--no-build", "--console", "--variant", "seed"], 1),
        (&["models", "--list"], 0),
        (&["models", "a1-model"], 0),
        (&["verify"], 0),
        (&["setup", "--check"], 0),
        (&["boot", "--variant", "fxied"], 1),
        (&["nonsense"], 2),
        (&["--help"], 0),
    ] {
        let output = unheard(&World::new(), args, "good");
        assert_eq!(output.status.code(), Some(status), "{args:?}: {output:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told_and_is_no_pass() {
    for args in [&["boot", "--no-build"][..], &["models", "--list"], &["setup", "--check"]] {
        let world = World::new();
        let mut smp = world.smp(args);
        smp.stdout(File::options().write(true).open("/dev/full").unwrap());
        let output = wait(smp.spawn().unwrap());
        assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(err.contains("not all could be printed"), "{err}");
    }
}
