//! Deadlines and interruptions: whatever happens to `smp`, what it started is gone afterwards.

mod common;

use std::time::Duration;

use common::{World, alive, eventually, finish, kill, wait};
use nix::sys::signal::Signal::{SIGINT, SIGKILL, SIGTERM};

#[test]
fn a_hanging_guest_ends_at_its_deadline() {
    for kind in ["hang", "stubborn"] {
        let world = World::new();
        let mut smp = world.smp(&["boot", "--no-build", "--deadline", "1"]);
        smp.env("FAKE_QEMU", kind).env("FAKE_PIDS", world.path("pids"));
        let finished = finish(smp);
        finished.refused(1, &["hang: not done after 1 s", "no test has reported", "console text"]);
        assert!(finished.time < Duration::from_secs(30), "{finished:?}");
        for number in world.pids() {
            eventually("the impostor and its child are gone", || !alive(number));
        }
    }
}

/// Interrupts a boot of a guest that does not listen, and looks for what is left.
fn interrupt(signal: nix::sys::signal::Signal, status: Option<i32>) {
    let world = World::new();
    let mut smp = world.smp(&["boot", "--no-build"]);
    smp.env("FAKE_QEMU", "stubborn").env("FAKE_PIDS", world.path("pids"));
    let child = smp.spawn().unwrap();
    let left = world.pids();
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|&number| alive(number)));
    kill(child.id(), signal);
    let output = wait(child);
    assert_eq!(output.status.code(), status, "{output:?}");
    for number in left {
        eventually("the impostor and its child are gone", || !alive(number));
    }
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    interrupt(SIGINT, Some(130));
}

#[test]
fn a_termination_leaves_nothing_behind() {
    interrupt(SIGTERM, Some(143));
}

#[test]
fn even_a_killed_smp_leaves_nothing_behind() {
    interrupt(SIGKILL, None);
}

#[test]
fn a_second_ctrl_c_ends_smp_at_once() {
    let world = World::new();
    let mut smp = world.smp(&["boot", "--no-build"]);
    smp.env("FAKE_QEMU", "stubborn").env("FAKE_PIDS", world.path("pids"));
    let child = smp.spawn().unwrap();
    let left = world.pids();
    kill(child.id(), SIGINT);
    std::thread::sleep(Duration::from_millis(300));
    kill(child.id(), SIGINT);
    assert_eq!(wait(child).status.code(), Some(130));
    for number in left {
        eventually("the impostor and its child are gone", || !alive(number));
    }
}
