//! Soaks of the real kernel, seconds long, with their controls; and what becomes of a soak that is not
//! left alone.

mod real;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use real::{report, smp, the_same, turn};
use serde_json::Value;

/// Some seconds. Rounds, not time: a slow host takes longer and does as much.
const ROUNDS: &str = "3";

fn command(args: &[&str]) -> Command {
    smp(&[&["soak", "--no-build", "--no-install"][..], args].concat())
}

/// Soaks, and returns the exit status and the report, which is printed and left in a file.
fn soak(args: &[&str]) -> (Option<i32>, Value) {
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("soak.json");
    let mut soak = command(args);
    let (status, told) = report(&soak.arg("--json").arg("--output").arg(&file).output().unwrap());
    assert_eq!(serde_json::from_slice::<Value>(&fs::read(&file).unwrap()).unwrap(), told);
    (status, told)
}

fn controlled(cpus: &str, more: &[&str]) {
    let _turn = turn();
    let (status, told) = soak(&[&["--smp", cpus, "--rounds", ROUNDS], more].concat());
    assert_eq!((status, &told["verdict"]), (Some(0), &"pass".into()), "{:#}", told["reasons"]);
    let controls = told["controls"].as_array().unwrap();
    assert!(controls.len() >= 5, "{controls:#?}");
    for control in controls {
        let seconds = control["shown"].as_object().unwrap().values();
        assert!(seconds.count() > 0, "{control:#}");
    }
    assert!(told["counters"]["shootdowns"].as_u64() > Some(0));
    assert!(told["watch"]["window"]["stamped_pages"].as_u64() > Some(0));
}

#[test]
fn one_cpu() {
    controlled("1", &[]);
}

#[test]
fn two_cpus_that_are_disturbed() {
    controlled("2", &["--chaos"]);
}

#[test]
fn four_cpus() {
    controlled("4", &[]);
}

#[test]
fn eight_cpus_that_are_disturbed() {
    controlled("8", &["--chaos", "--seed", "8"]);
}

#[test]
fn a_failing_soak_of_seed_is_the_same_when_the_printed_command_is_run() {
    let _turn = turn();
    let args = ["--smp", "4", "--variant", "seed", "--rounds", "4", "--chaos", "--icount", "4"];
    let (status, first) = soak(&args);
    assert_eq!((status, &first["verdict"]), (Some(1), &"fail".into()), "{:#}", first["reasons"]);
    let again = first["again"].as_str().unwrap();
    let words: Vec<_> = again.strip_prefix("cargo smp soak ").unwrap().split(' ').collect();
    the_same(&first["boot"], || soak(&words).1["boot"].take());
    // The control: another seed is another run.
    let (_, other) = soak(&[&args[..], &["--seed", "2"]].concat());
    assert_ne!(first["boot"]["digest"], other["boot"]["digest"]);
}

#[test]
fn without_a_control_or_with_too_little_done_it_is_inconclusive() {
    let _turn = turn();
    let least = ["--at-least", "lives=4000000000"];
    let args = ["--smp", "2", "--rounds", ROUNDS, "--no-control"];
    let (status, told) = soak(&[&args[..], &least].concat());
    assert_eq!((status, &told["verdict"]), (Some(1), &"inconclusive".into()), "{told:#}");
    let reasons = told["reasons"].to_string();
    assert!(reasons.contains("no control was run"), "{reasons}");
    assert!(reasons.contains("and not at least 4000000000"), "{reasons}");
}

/// The host looks at shared memory in three ways; without one of them the defect that is planted for it is not
/// found, whatever else is.
#[test]
fn a_host_that_does_not_look_at_stamps_is_inconclusive() {
    let _turn = turn();
    let (status, told) = soak(&["--smp", "1", "--rounds", "1", "--blind", "window-stamp"]);
    assert_eq!((status, &told["verdict"]), (Some(1), &"inconclusive".into()), "{told:#}");
    let reasons = told["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 1, "{reasons:#?}");
    assert!(reasons[0].as_str().unwrap().contains("did not show window-stamp"), "{reasons:#?}");
}

/// Less than a minute of random programs in ring 3, beside one process of each other kind.
#[test]
fn random_programs_in_ring_3_break_nothing() {
    let _turn = turn();
    let seed = fastrand::u32(1..1_000_000).to_string();
    println!("seed {seed}");
    let length = ["--smp", "4", "--minutes", "0.75", "--fuzz", "--seed", &seed];
    let least = ["--at-least", "fuzzed=100", "--at-least", "stopped=1", "--no-control"];
    let (status, told) = soak(&[&length[..], &least].concat());
    // The controls are the other tests'.
    assert_eq!((status, &told["verdict"]), (Some(1), &"inconclusive".into()), "{told:#}");
    assert_eq!(told["reasons"], serde_json::json!(["no control was run"]), "{told:#}");
    let vectors = told["fuzz"]["exceptions_by_vector"].as_array().unwrap();
    assert!(vectors[13].as_u64() > Some(20) && vectors[14].as_u64() > Some(20), "{vectors:?}");
}

/// A soak of a minute in a process of its own.
fn long(output: &std::path::Path) -> Child {
    let mut soak = command(&["--smp", "2", "--minutes", "1", "--no-control", "--json"]);
    soak.arg("--output").arg(output);
    soak.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// The QEMU that a process has started, as soon as it has.
fn qemu_of(child: &Child) -> Pid {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
        for task in tasks.filter_map(Result::ok) {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for pid in children.split_whitespace() {
                // One that is only asked for its version has no control socket.
                let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                if words.split('\0').any(|word| word == "-qmp") {
                    return Pid::from_raw(pid.parse().unwrap());
                }
            }
        }
        sleep(Duration::from_millis(10));
    }
    panic!("no QEMU");
}

#[test]
fn an_interrupted_soak_tells_what_it_has() {
    let _turn = turn();
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("soak.json");
    let child = long(&file);
    qemu_of(&child);
    sleep(Duration::from_secs(4));
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let (status, told) = report(&child.wait_with_output().unwrap());
    assert_eq!(status, Some(130), "{:#}", told["reasons"]);
    assert_eq!(told["verdict"], "inconclusive", "{:#}", told["reasons"]);
    assert!(told["counters"]["shootdowns"].as_u64() > Some(0), "{told:#}");
    assert_eq!(serde_json::from_slice::<Value>(&fs::read(&file).unwrap()).unwrap(), told);
}

#[test]
fn a_qemu_that_is_killed_at_any_moment_is_no_pass() {
    let _turn = turn();
    let seed = fastrand::u64(..);
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..3 {
        let room = tempfile::tempdir().unwrap();
        let file = room.path().join("soak.json");
        let child = long(&file);
        let qemu = qemu_of(&child);
        let moment = rng.u64(0..4000);
        println!("seed {seed}: killed after {moment} ms");
        sleep(Duration::from_millis(moment));
        kill(qemu, Signal::SIGKILL).unwrap();
        let (status, told) = report(&child.wait_with_output().unwrap());
        assert_eq!((status, &told["verdict"]), (Some(1), &"fail".into()), "{told:#}");
        assert!(told["reasons"].to_string().contains("QEMU failed"), "{:#}", told["reasons"]);
        assert!(file.exists());
    }
}

#[test]
fn a_soak_that_falls_silent_is_a_hang() {
    let _turn = turn();
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("soak.json");
    let mut soak = command(&["--smp", "2", "--minutes", "10", "--no-control", "--json"]);
    soak.args(["--silence", "5"]).arg("--output").arg(&file);
    let child = soak.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let qemu = qemu_of(&child);
    sleep(Duration::from_secs(3));
    kill(qemu, Signal::SIGSTOP).unwrap();
    let (status, told) = report(&child.wait_with_output().unwrap());
    assert_eq!((status, &told["verdict"]), (Some(1), &"fail".into()), "{:#}", told["reasons"]);
    let reasons = told["reasons"].to_string();
    assert!(reasons.contains("hang: silent for 5 s; the soak told last of its"), "{reasons}");
    assert!(told["boot"]["qemu_silent"].is_string(), "{told:#}");
    assert!(told["counters"]["shootdowns"].as_u64() > Some(0), "{told:#}");
}

/// A finer interleaving than that of threads: CPUs take turns by the number of instructions.
#[test]
fn cpus_that_take_turns() {
    controlled("4", &["--icount", "3", "--chaos", "--seed", "3"]);
}

#[test]
fn a_report_that_cannot_be_written_is_printed_and_no_pass() {
    let _turn = turn();
    let args = ["--smp", "1", "--minutes", "0.02", "--no-control", "--output", "/dev/full"];
    let output = command(&args).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("shootdowns"), "{out}");
    assert!(err.contains("cannot write /dev/full"), "{err}");
}
