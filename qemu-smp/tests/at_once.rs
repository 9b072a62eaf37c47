//! Two runs at once in one checkout, and checkouts whose path is unusual: each run does what it was asked
//! to, waits and says so, or is refused at once.

mod common;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::thread::sleep;
use std::time::Duration;

use common::{World, finish, wait};

#[test]
fn two_boots_from_images_each_run_what_they_were_asked_for() {
    let world = World::new();
    let boot = |tests: &str| {
        let args = ["boot", "--no-build", "--no-install", "--iso", "--json", "--tests", tests];
        let mut smp = world.smp(&args);
        smp.env("FAKE_SLOW", "1.5");
        smp.spawn().unwrap()
    };
    let first = boot("kmap");
    // The second image is there before the first guest looks at its own.
    sleep(Duration::from_millis(400));
    let second = boot("cycles-4k");
    for (child, tests) in [(first, "kmap"), (second, "cycles-4k")] {
        let output = wait(child);
        assert!(output.status.success(), "{output:?}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["said"]["boot"]["options"]["tests"], tests, "{report:#}");
    }
}

/// Holds a turn while a command runs, which has to say that it waits, and ends after that.
fn waits(lock: &str, args: &[&str]) {
    let world = World::new();
    let folder = world.path("target/smp-locks");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(lock), "process 1 (smp something)").unwrap();
    let held = File::options().write(true).open(folder.join(lock)).unwrap();
    held.lock().unwrap();
    let mut child = world.smp(args).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = said.find(|line| line.as_ref().unwrap().contains("waiting for"));
    let line = line.unwrap_or_else(|| panic!("{args:?} does not wait")).unwrap();
    assert!(line.contains("process 1 (smp something)"), "{line}");
    sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "{args:?} did not wait");
    drop(held);
    // Whoever reads nothing more is no reason to hang.
    std::thread::spawn(move || said.for_each(drop));
    assert!(wait(child).status.code().is_some());
}

#[test]
fn a_kernel_is_built_by_one_run_at_a_time() {
    waits("kernel-builds", &["boot", "--no-install"]);
}

#[test]
fn what_a_run_writes_and_reads_back_is_its_own_meanwhile() {
    waits("target-review", &["verify", "--no-install"]);
    waits("target-coverage", &["coverage", "--no-install"]);
    waits("the-test-suite", &["test", "--no-install"]);
    waits("target-soak-fixed-1.json", &["soak", "--no-install", "--no-control", "--smp", "1"]);
}

#[test]
fn a_checkout_may_have_any_name_that_is_plain_text() {
    for name in ["a b", "seed=9", "a,b", "it's \"so\"", "-- seed=9", "s\u{e4}ule"] {
        let world = World::called(name);
        let args = ["boot", "--no-build", "--no-install", "--json", "--seed", "7"];
        let finished = finish(world.smp(&args));
        finished.passed();
        let report: serde_json::Value = serde_json::from_str(&finished.out).unwrap();
        assert_eq!(report["said"]["boot"]["options"]["seed"], 7, "{name}: {report:#}");
        finish(world.smp(&[&args[..], &["--iso"]].concat())).passed();
    }
}

#[test]
fn a_checkout_whose_name_is_no_text_is_refused_at_once() {
    for name in [&b"a\xFFb"[..], b"a\nb"] {
        let world = World::called(OsStr::from_bytes(name));
        finish(world.smp(&["boot", "--no-install"])).refused(1, &["not plain text", "move"]);
    }
}
