//! Every way in which a guest can fail has a report of its own, and none of them passes.

mod common;

use common::{Finished, World, finish};
use mmu386_wire::soak::Counters;

fn boot(kind: &str, more: &[&str]) -> Finished {
    let world = World::new();
    let deadline: &[&str] = if more.contains(&"--deadline") { &[] } else { &["--deadline", "30"] };
    let mut smp = world.smp(&[&["boot", "--no-build"], deadline, more].concat());
    smp.env("FAKE_QEMU", kind);
    finish(smp)
}

#[test]
fn a_good_guest_passes() {
    let finished = boot("good", &["--smp", "3"]);
    finished.passed();
    assert!(finished.out.contains("fixed on 3 CPUs (tcg): 1 tests"), "{finished:?}");
}

#[test]
fn what_has_run_is_in_the_report_for_programs() {
    let finished = boot("good", &["--json"]);
    finished.passed();
    let report: serde_json::Value = serde_json::from_str(&finished.out).unwrap();
    assert_eq!(report["said"]["functions"], serde_json::json!(["vmap", "vunmap"]));
}

#[test]
fn a_panic_is_reported_with_registers_and_backtrace() {
    boot("panic", &[])
        .refused(1, &["panic on CPU 1: out of luck", "eip 0xf010", "cr3 0x00000003", "by 0xf010"]);
}

#[test]
fn a_panic_in_the_middle_of_a_soak_fails_it_and_loses_no_counter() {
    let world = World::new();
    let counted: serde_json::Map<_, _> =
        Counters::NAMES.iter().map(|name| ((*name).to_owned(), 7.into())).collect();
    let soak = serde_json::json!({ "event": "soak", "ms": 1500, "counters": counted });
    let mut smp = world.smp(&["soak", "--no-build", "--no-install", "--no-control", "--json"]);
    smp.args(["--smp", "2", "--minutes", "1"]);
    smp.env("FAKE_QEMU", "panic").env("FAKE_SOAK", soak.to_string());
    let finished = finish(smp);
    assert_eq!(finished.status, Some(1), "{finished:?}");
    let told: serde_json::Value = serde_json::from_str(&finished.out).unwrap();
    assert_eq!(told["verdict"], "fail", "{told:#}");
    let reasons = told["reasons"].to_string();
    assert!(reasons.contains("panic: CPU 1: out of luck"), "{reasons}");
    assert_eq!(told["counters"]["shootdowns"], 7, "{told:#}");
    assert_eq!(told["boot"]["said"]["panic"]["cpu"], 1, "{told:#}");
}

#[test]
fn a_guest_that_runs_something_else_or_does_not_say_what_is_no_pass() {
    let asked = "asked for fixed on 4 CPUs, tests=boot seed=9; runs ";
    let args = ["--tests", "boot", "--seed", "9"];
    let told = format!("{asked}fixed on 4 CPUs, tests=cycles seed=9");
    boot("otherwise", &args).refused(1, &[&told]);
    boot("unsaid", &args).refused(1, &[&format!("{asked}it does not say what")]);
    let report = boot("otherwise", &[&args[..], &["--json"]].concat());
    let report: serde_json::Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!(report["problems"][0]["kind"], "something-else", "{report:#}");

    let world = World::new();
    let mut smp = world.smp(&["soak", "--no-build", "--no-install", "--no-control", "--json"]);
    smp.args(["--smp", "2", "--minutes", "1"]).env("FAKE_QEMU", "otherwise");
    let finished = finish(smp);
    assert_eq!(finished.status, Some(1), "{finished:?}");
    let told: serde_json::Value = serde_json::from_str(&finished.out).unwrap();
    assert_eq!(told["verdict"], "inconclusive", "{told:#}");
    assert!(told["reasons"].to_string().contains("runs something else"), "{told:#}");
}

#[test]
fn without_a_word_from_the_library_nobody_promises_the_same_run() {
    let finished = boot("panic", &["--icount", "3"]);
    finished.refused(1, &["another run may differ: ", "in an order that the host chooses: "]);
    assert!(!finished.out.contains("the same again"), "{finished:?}");
    let report = boot("good", &["--icount", "3", "--json"]);
    report.passed();
    let report: serde_json::Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!(report["again_is_the_same_run"], false, "{report:#}");
    assert!(report["another_run_may_differ"].is_string(), "{report:#}");

    let world = World::new();
    let mut smp = world.smp(&["soak", "--no-build", "--no-install", "--no-control"]);
    smp.args(["--smp", "2", "--rounds", "1", "--icount", "3"]).env("FAKE_QEMU", "panic");
    let finished = finish(smp);
    finished.refused(1, &["another run may differ: "]);
    assert!(!finished.out.contains("the same run"), "{finished:?}");
    assert!(!finished.out.contains("that comes back"), "{finished:?}");
}

#[test]
fn a_reset_is_a_triple_fault() {
    boot("reset", &[]).refused(1, &["triple fault"]);
}

#[test]
fn a_cpu_that_never_came_up_is_named() {
    boot("lost", &[]).refused(1, &["CPUs that never came up: [1]"]);
}

#[test]
fn a_garbled_line_is_shown_and_is_no_pass() {
    boot("garbled", &[])
        .refused(1, &["1 garbled event lines", "garbled: @smp {\"event\":\"test\",\"na"]);
}

#[test]
fn qemus_own_failure_is_told_apart() {
    boot("broken", &[]).refused(1, &["QEMU failed: exit status: 1", "no such device"]);
}

#[test]
fn a_log_that_cannot_be_written_is_no_pass_and_loses_no_report() {
    let world = World::new();
    // Where the file is to be is a folder.
    std::fs::create_dir_all(world.path("target/smp-logs/boot-fixed-3.log")).unwrap();
    let mut smp = world.smp(&["boot", "--no-build", "--deadline", "30", "--smp", "3"]);
    smp.env("FAKE_QEMU", "good");
    finish(smp).refused(1, &["fixed on 3 CPUs (tcg): 1 tests", "the log is lost: cannot write"]);
}

#[test]
fn a_killed_qemu_is_told_with_its_signal() {
    boot("killed", &[]).refused(1, &["QEMU failed: signal: 9"]);
}

#[test]
fn a_guest_that_never_stops_printing_misses_its_deadline() {
    for kind in ["flood", "lies"] {
        boot(kind, &["--deadline", "2"]).refused(1, &["hang: not done after 2 s"]);
    }
}

#[test]
fn findings_fail_a_boot() {
    boot("good", &["--variant", "seed"])
        .refused(1, &["finding A1 on CPU 2", "old memory", "tests failed: soak"]);
}

#[test]
fn a_failure_is_readable_for_programs_too() {
    let finished = boot("panic", &["--json"]);
    assert_eq!(finished.status, Some(1));
    let report: serde_json::Value = serde_json::from_str(&finished.out).unwrap();
    assert_eq!(report["passed"], false);
    assert_eq!(report["problems"][0]["kind"], "panic");
    assert_eq!(report["said"]["panic"]["cpu"], 1);
}
