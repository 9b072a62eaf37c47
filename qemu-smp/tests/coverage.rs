//! `cargo smp coverage` over an impostor of cargo: what passes, what does not, and what is written.

mod common;

use std::fs;

use common::{Finished, World, finish};
use serde_json::Value;

/// Twenty lines that can run, the 19th of which panics, then a test module.
const SOURCE: &str = "\
fn f() {
    1;\n    2;\n    3;\n    4;\n    5;\n    6;\n    7;\n    8;\n    9;
    10;\n    11;\n    12;\n    13;\n    14;\n    15;\n    16;\n    17;
    panic!(\"no memory\");
}
#[cfg(test)]
mod tests {
    fn t() {}
}
";
const HEAD: &str = "| file | part of the line | why no host test reaches it |\n|---|---|---|\n";
const ROW: &str = "| `src/lib.rs` | `no memory` | there is always memory |\n";

/// A workspace in which these lines, and the tests, were not reached.
fn world(missed: &[usize], table: &str) -> World {
    let world = World::new();
    fs::create_dir_all(world.path("src")).unwrap();
    fs::write(world.path("src/lib.rs"), SOURCE).unwrap();
    fs::write(world.path("COVERAGE.md"), table).unwrap();
    let mut lcov = format!("SF:{}\n", world.path("src/lib.rs").display());
    for line in 1..=SOURCE.lines().count() {
        let reached = line <= 20 && !missed.contains(&line);
        lcov.push_str(&format!("DA:{line},{}\n", u8::from(reached)));
    }
    lcov.push_str("end_of_record\nSF:/elsewhere/src/lib.rs\nDA:1,0\nend_of_record\n");
    fs::write(world.path("lcov"), lcov).unwrap();
    world
}

fn coverage(world: &World, args: &[&str]) -> Finished {
    finish(world.smp(&[&["coverage"], args].concat()))
}

/// coverage.json, if there is one.
fn written(world: &World) -> Option<Value> {
    let text = fs::read_to_string(world.path("target/coverage/coverage.json")).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
fn enough_lines_and_a_reason_for_the_last_pass() {
    let world = world(&[19], &format!("{HEAD}{ROW}"));
    let finished = coverage(&world, &[]);
    finished.passed();
    for said in [
        "| src/lib.rs | 20    | 19      | 95.00   |",
        "| total      | 20    | 19      | 95.00   |",
        "src/lib.rs:19: panic!(\"no memory\");  (there is always memory)",
        "pass: 95.00 % of mmu386, 19 of 20 lines",
    ] {
        assert!(finished.out.contains(said), "`{said}`: {}", finished.out);
    }
    let report = written(&world).unwrap();
    assert_eq!(report["pass"], true);
    assert_eq!(report["total"]["lines"], 20);
    assert_eq!(report["uncovered"][0]["why"], "there is always memory");
    let asked = fs::read_to_string(world.path("measured")).unwrap();
    assert!(asked.starts_with(&world.path("target/coverage-build").display().to_string()));
    assert!(asked.contains("--package mmu386 --tests"), "{asked}");
}

#[test]
fn too_few_lines_fail_even_if_each_has_its_reason() {
    let world = world(&[19, 20], &format!("{HEAD}{ROW}"));
    coverage(&world, &[])
        .refused(1, &["NO PASS", "problem: 90.00 % of the lines are less than 95 %"]);
    assert_eq!(written(&world).unwrap()["pass"], false);
}

#[test]
fn a_line_without_a_reason_fails() {
    let world = world(&[20], HEAD);
    coverage(&world, &[]).refused(1, &["src/lib.rs:20: }  (NOT EXPLAINED)", "problem: 1 lines"]);
}

#[test]
fn a_reason_without_its_line_fails() {
    let world = world(&[], &format!("{HEAD}{ROW}"));
    coverage(&world, &[]).refused(1, &["COVERAGE.md:3 is stale", "`no memory`", "100.00 %"]);
}

#[test]
fn a_table_that_cannot_be_read_fails_before_anything_is_measured() {
    for table in ["", "| `src/lib.rs` | `no memory` |", &format!("{HEAD}| `src/lib.rs` | x | y |")]
    {
        let world = world(&[], table);
        coverage(&world, &[]).refused(1, &["COVERAGE.md"]);
        assert!(!world.path("measured").exists());
    }
    let world = world(&[], HEAD);
    fs::remove_file(world.path("COVERAGE.md")).unwrap();
    coverage(&world, &[]).refused(1, &["cannot read COVERAGE.md"]);
}

#[test]
fn a_measurement_that_failed_is_no_pass_and_leaves_no_old_report() {
    for (kind, said) in
        [("failing", "a_test ... FAILED"), ("silent", "left no"), ("cut", "ends within")]
    {
        let world = world(&[], HEAD);
        coverage(&world, &[]).passed();
        assert!(written(&world).is_some());
        let mut smp = world.smp(&["coverage"]);
        smp.env("FAKE_COVERAGE", kind);
        finish(smp).refused(1, &[said]);
        assert!(written(&world).is_none(), "{kind}");
    }
}

#[test]
fn a_file_that_was_not_measured_fails() {
    let world = world(&[], HEAD);
    fs::write(world.path("src/other.rs"), "fn g() {}").unwrap();
    coverage(&world, &[]).refused(1, &["src/other.rs has functions"]);
}

#[test]
fn programs_get_the_same_as_the_file() {
    let world = world(&[20], HEAD);
    let finished = coverage(&world, &["--json"]);
    assert_eq!(finished.status, Some(1));
    let printed: Value = serde_json::from_str(&finished.out).unwrap();
    assert_eq!(printed, written(&world).unwrap());
    assert_eq!(printed["uncovered"][0]["why"], Value::Null);
}

#[test]
fn a_toolchain_without_llvm_tools_is_told_what_to_do() {
    for args in [&["coverage"][..], &["coverage", "--no-install"]] {
        let world = world(&[], HEAD);
        fs::remove_file(world.path("sysroot/lib/rustlib/host/bin/llvm-profdata")).unwrap();
        finish(world.smp(args)).refused(
            1,
            &["has no llvm-profdata", "rustup component add llvm-tools", "Debian", "LLVM_PROFDATA"],
        );
        assert!(!world.path("measured").exists());
    }
}

#[test]
fn llvm_tools_can_be_named() {
    let world = world(&[], HEAD);
    fs::remove_dir_all(world.path("sysroot/lib/rustlib/host")).unwrap();
    let named = |tool: &str| {
        let mut smp = world.smp(&["coverage"]);
        smp.env("LLVM_COV", tool).env("LLVM_PROFDATA", tool);
        finish(smp)
    };
    named("sh").passed();
    named("no-such-tool").refused(1, &["cannot find no-such-tool"]);
}

#[test]
fn it_is_a_stage_of_the_suite() {
    let world = world(&[], HEAD);
    let finished = finish(world.smp(&["test"]));
    finished.passed();
    assert!(finished.out.contains("100.00 % of mmu386, 20 of 20 lines"), "{finished:?}");

    fs::write(world.path("COVERAGE.md"), format!("{HEAD}{ROW}")).unwrap();
    finish(world.smp(&["test"]))
        .refused(1, &["COVERAGE.md:3 is stale", "FAILED coverage of mmu386", ", 1 failed"]);

    fs::remove_file(world.path("sysroot/lib/rustlib/host/bin/llvm-cov")).unwrap();
    finish(world.smp(&["test", "--no-install"]))
        .refused(1, &["FAILED coverage of mmu386", "rustup component add llvm-tools", "Debian"]);
}
