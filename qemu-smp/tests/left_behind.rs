//! What a run that was killed leaves: nothing of an earlier run that looks like its own, and nothing that
//! the next run does not take away.

mod common;

use std::fs;

use common::{World, alive, eventually, finish, kill, wait};
use nix::sys::signal::Signal::SIGKILL;
use serde_json::Value;

/// Starts a command whose guest hangs, and kills it with all its might.
fn killed(world: &World, args: &[&str]) {
    let mut smp = world.smp(args);
    smp.env("FAKE_QEMU", "hang").env("FAKE_PIDS", world.path("pids"));
    let child = smp.spawn().unwrap();
    let left = world.pids();
    kill(child.id(), SIGKILL);
    wait(child);
    eventually("the impostor is gone", || left.iter().all(|&number| !alive(number)));
}

/// The temporary folders that are there.
fn rooms(world: &World) -> usize {
    let entries = fs::read_dir(world.path("")).unwrap().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("smp-")).count()
}

fn told(world: &World) -> Value {
    serde_json::from_slice(&fs::read(world.path("target/soak/fixed-2.json")).unwrap()).unwrap()
}

const SOAK: [&str; 6] = ["soak", "--no-build", "--smp", "2", "--seed", "42"];

#[test]
fn a_soak_that_is_killed_while_controls_run_leaves_no_earlier_verdict() {
    let world = World::new();
    fs::create_dir_all(world.path("target/soak")).unwrap();
    fs::write(world.path("target/soak/fixed-2.json"), r#"{"verdict":"pass"}"#).unwrap();
    killed(&world, &SOAK);
    let told = told(&world);
    assert_eq!((&told["verdict"], &told["seed"]), (&"inconclusive".into(), &42.into()), "{told:#}");
    assert!(told["reasons"].to_string().contains("did not come to its end"), "{told:#}");
}

#[test]
fn a_soak_that_cannot_even_begin_is_inconclusive_and_says_why() {
    let world = World::new();
    let mut smp = world.smp(&[&SOAK[..], &["--json"]].concat());
    smp.env("TMPDIR", world.path("nowhere"));
    let finished = finish(smp);
    assert_eq!(finished.status, Some(1), "{finished:?}");
    let printed: Value = serde_json::from_str(&finished.out).unwrap();
    assert_eq!(printed, told(&world));
    assert_eq!(printed["verdict"], "inconclusive", "{printed:#}");
    assert!(printed["reasons"].to_string().contains("TMPDIR"), "{printed:#}");
}

#[test]
fn a_boot_that_is_killed_leaves_no_earlier_log() {
    let world = World::new();
    let log = world.path("target/smp-logs/boot-fixed-3.log");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(&log, "fixed on 3 CPUs (tcg): passed").unwrap();
    killed(&world, &["boot", "--no-build", "--smp", "3", "--seed", "42"]);
    let left = fs::read_to_string(&log).unwrap();
    assert!(left.contains("fixed on 3 CPUs, tests=all seed=42: did not come to its end"), "{left}");
}

#[test]
fn the_next_run_takes_away_what_a_killed_one_left() {
    let world = World::new();
    killed(&world, &SOAK);
    assert_ne!(rooms(&world), 0, "nothing was left: this test has nothing to show");
    finish(world.smp(&["boot", "--no-build", "--smp", "1"])).passed();
    assert_eq!(rooms(&world), 0);
}

#[test]
fn a_measurement_or_a_hunt_that_cannot_begin_leaves_no_earlier_report() {
    let world = World::new().without("cargo");
    for (args, file) in [("coverage", "coverage/coverage.json"), ("teeth", "teeth/teeth.json")] {
        let file = world.path("target").join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, r#"{"pass":true}"#).unwrap();
        fs::create_dir_all(world.path("src")).unwrap();
        fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../src/lock.rs"), world.path("src/lock.rs"))
            .unwrap();
        let heading =
            "| file | function | operator | part of the change | why it survives |\n|-|-|-|-|-|\n";
        fs::write(world.path("TEETH.md"), heading).unwrap();
        let mut smp = world.smp(&[args]);
        smp.env_remove("SMP_MODELS");
        let finished = finish(smp);
        assert_eq!(finished.status, Some(1), "{finished:?}");
        assert!(!file.exists(), "{args}: {finished:?}");
    }
}
