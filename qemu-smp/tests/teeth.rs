//! `cargo smp teeth` over impostors of the models: who is killed, what passes, and what is written.

mod common;

use std::fs;
use std::process::Command;

use common::{Finished, World, finish};
use serde_json::Value;

/// Four mutants: 1, the fence removed; 2, fence and store exchanged; 3, the store removed; 4, the
/// condition turned round. A fifth is not in Fixed.
const SOURCE: &str = "\
fn f(arch: &A) {
    arch.fence();
    arch.store(&x, 1);
    if !fixes.has(Fixes::A1) {
        arch.putcr3(p);
    }
}
";
const HEAD: &str = "# Mutants that survive\n\n\
| file | function | operator | part of the change | why it survives |\n|---|---|---|---|---|\n";
const FENCE: &str = "| `src/lib.rs` | `f` | fence removed | `arch.fence();` | ";
const EXCHANGED: &str = "| `src/lib.rs` | `f` | exchanged | `arch.fence(); arch.store` | ";
/// Models that notice all but mutants 1 and 2.
const TWO: &str = "3:a1-model:rmw 3:a2-model:as-written 4:c1-model:as-written";
const SAME: &str = "equivalent: nobody looks |\n";

/// A workspace with these rows in TEETH.md, whose models come to the places of all mutants.
fn world(rows: &str) -> World {
    let world = World::new();
    fs::create_dir_all(world.path("src")).unwrap();
    fs::write(world.path("src/lib.rs"), SOURCE).unwrap();
    fs::write(world.path("TEETH.md"), format!("{HEAD}{rows}")).unwrap();
    world
}

/// Runs with models that notice some mutants; `2:a1-model:rmw` is one that notices mutant 2.
fn teeth(world: &World, notice: &str, args: &[&str]) -> Finished {
    let mut smp = world.smp(&[&["teeth"], args].concat());
    smp.env("FAKE_REACHED", "1 2 3 4").env("FAKE_NOTICED", notice);
    finish(smp)
}

/// teeth.json.
fn written(world: &World) -> Value {
    let text = fs::read_to_string(world.path("target/teeth/teeth.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn fates(world: &World) -> Vec<String> {
    let mutants = written(world)["mutants"].as_array().unwrap().clone();
    mutants.iter().map(|it| it["fate"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn models_that_notice_nothing_let_every_mutant_survive() {
    let world = world("");
    let finished = teeth(&world, "", &[]);
    finished.refused(
        1,
        &[
            "NO PASS",
            "problem: no mutant was killed",
            "problem: 4 mutants survive and are not explained in TEETH.md",
            "run it alone: cargo smp teeth --only 1",
        ],
    );
    assert_eq!(fates(&world), ["survives", "survives", "survives", "survives", "not-in-fixed"]);
    assert_eq!(written(&world)["pass"], false);
}

#[test]
fn all_killed_but_what_is_explained_is_a_pass() {
    let world = world(&format!("{FENCE}{SAME}{EXCHANGED}{SAME}"));
    let finished = teeth(&world, TWO, &[]);
    finished.passed();
    assert_eq!(fates(&world), ["equivalent", "equivalent", "killed", "killed", "not-in-fixed"]);
    assert!(finished.out.contains("loom rmw kills 1, loom as-written kills 2"), "{}", finished.out);
    let report = written(&world);
    assert_eq!(report["pass"], true);
    let third = &report["mutants"][2];
    assert_eq!(third["modes"][0]["model"], "a1-model");
    assert_eq!(third["modes"][0]["property"], "V1");
    assert_eq!(third["modes"][0]["runs"], 1, "the first that notices ends it");
    assert_eq!(third["modes"][1]["model"], "a2-model");
    assert_eq!(third["command"], "cargo smp teeth --only 3");
    assert_eq!(report["mutants"][0]["why"], "equivalent: nobody looks");
    assert_eq!(report["mutants"][0]["modes"][0]["reaching"], 13);
}

#[test]
fn a_row_about_what_is_killed_is_stale_and_so_is_one_about_nothing() {
    let gone = "| `src/lib.rs` | `g` | negated | `x` | equivalent: nobody looks |\n";
    let world = world(&format!("{FENCE}{SAME}{EXCHANGED}{SAME}{gone}"));
    let finished = teeth(&world, &format!("1:a1-model:rmw {TWO}"), &[]);
    finished.refused(1, &["problem: TEETH.md:5 is stale", "problem: TEETH.md:7 is stale"]);
    assert!(!finished.out.contains("TEETH.md:6 is stale"), "{}", finished.out);
}

#[test]
fn a_missing_model_is_no_explanation() {
    let world = world(&format!("{FENCE}no model: of two CPUs |\n{EXCHANGED}{SAME}"));
    let finished = teeth(&world, TWO, &[]);
    finished.refused(1, &["problem: 1 mutants survive for want of a model"]);
    assert!(!finished.out.contains("not explained"), "{}", finished.out);
}

#[test]
fn a_run_that_does_not_end_decides_nothing() {
    let world = world(&format!("{EXCHANGED}{SAME}"));
    let finished =
        teeth(&world, &format!("1:a3-model:rmw:cut 1:a4-model:as-written:stuck {TWO}"), &[]);
    finished.refused(1, &["problem: 1 mutants are not decided", "not decided: a3-model"]);
    assert_eq!(fates(&world)[..2], ["not-decided", "equivalent"]);
    let modes = &written(&world)["mutants"][0]["modes"];
    assert!(modes[1]["reason"].as_str().unwrap().contains("branches"), "{modes}");
}

#[test]
fn a_panic_of_the_code_kills_and_one_of_the_engine_does_not() {
    let world = world(&format!("{EXCHANGED}{SAME}"));
    teeth(&world, &format!("1:a3-model:rmw:panic {TWO}"), &[]).passed();
    assert_eq!(written(&world)["mutants"][0]["modes"][0]["property"], "panic");
}

#[test]
fn a_part_is_judged_alone() {
    let world = world(&format!("{FENCE}{SAME}{EXCHANGED}{SAME}"));
    teeth(&world, TWO, &["--only", "3", "--mode", "rmw"]).passed();
    assert_eq!(fates(&world), ["not-run", "not-run", "killed", "not-run", "not-in-fixed"]);
    teeth(&world, TWO, &["store removed"]).passed();
    let sample = ["--sample", "2", "--seed", "5"];
    let finished = teeth(&world, TWO, &sample);
    assert!(finished.err.contains("a sample of 2 mutants: --seed 5"), "{}", finished.err);
    let (first, run) = (fates(&world), fates(&world).iter().filter(|it| *it != "not-run").count());
    assert_eq!(run, 3, "two, and the one that Fixed does not have");
    teeth(&world, TWO, &sample);
    assert_eq!(fates(&world), first, "the seed decides");
}

#[test]
fn a_run_goes_on_where_an_earlier_one_stopped() {
    let world = world(&format!("{FENCE}{SAME}{EXCHANGED}{SAME}"));
    teeth(&world, "", &["--resume"]).refused(1, &["no earlier run"]);
    teeth(&world, TWO, &["--only", "3"]).passed();
    // Nobody notices mutant 3 any more, but that is decided. What was not decided is kept, too, until
    // it is run again.
    teeth(&world, "1:a3-model:rmw:cut", &["--only", "1", "--resume"]);
    teeth(&world, "", &["--only", "2", "--resume"]);
    assert_eq!(fates(&world)[..4], ["equivalent", "equivalent", "killed", "not-run"]);
    let rest = "4:c1-model:rmw";
    teeth(&world, rest, &["--resume"]).passed();
    let all = ["equivalent", "equivalent", "killed", "killed", "not-in-fixed"];
    assert_eq!(fates(&world), all);
    // What TEETH.md does not say any more is not remembered.
    fs::write(world.path("TEETH.md"), format!("{HEAD}{EXCHANGED}{SAME}")).unwrap();
    teeth(&world, "", &["--resume"]).refused(1, &["1 mutants survive and are not explained"]);
}

#[test]
fn nonsense_is_refused_before_anything_is_run() {
    let world = world("");
    teeth(&world, "", &["--only", "6"]).refused(1, &["numbered from 1 to 5"]);
    teeth(&world, "", &["nothing like it"]).refused(1, &["no mutant has `nothing like it`"]);
    teeth(&world, "", &["--mode", "sc"]).refused(1, &["known modes: as-written, rmw"]);
    assert!(!world.path("target/teeth/teeth.json").exists());
    let listed = teeth(&world, "", &["--list"]);
    listed.passed();
    assert!(listed.out.contains("1 src/lib.rs:2 f: fence removed: arch.fence(); -> (nothing)\n"));
    assert!(listed.out.contains("arch.putcr3(p); -> (nothing)  (not in Fixed)\n"));
}

#[test]
fn a_copy_that_is_not_the_original_is_refused() {
    let world = world("");
    teeth(&world, "0:a1-model:rmw", &[])
        .refused(1, &["without any mutant, a1-model on fixed (rmw) is broken"]);
}

#[test]
fn a_copy_that_explores_something_else_is_refused() {
    let world = world("");
    let drifting = |executions: &str| {
        let mut smp = world.smp(&["teeth", "--only", "3"]);
        smp.env("FAKE_REACHED", "1 2 3 4").env("FAKE_NOTICED", TWO).env("FAKE_DRIFT", executions);
        finish(smp)
    };
    drifting("999").refused(1, &["the copy is not the original", "999", "1000"]);
    drifting("1000").passed();
}

/// A run that builds, with an impostor of cargo.
fn built(world: &World, no_rust: &str) -> Command {
    let package = "[package]\nname = \"mmu386\"\n[workspace]\nmembers = []\n";
    fs::write(world.path("Cargo.toml"), package).unwrap();
    fs::write(world.path("Cargo.lock"), "").unwrap();
    fs::create_dir_all(world.path("loom-tests/src")).unwrap();
    fs::write(world.path("loom-tests/Cargo.toml"), "[package]\nname = \"loom-tests\"\n").unwrap();
    fs::write(world.path("loom-tests/src/lib.rs"), "").unwrap();
    let mut smp = world.smp(&["teeth"]);
    smp.env_remove("SMP_MODELS").env("FAKE_REACHED", "1 2 3 4").env("FAKE_NOTICED", TWO);
    smp.env("FAKE_NO_RUST", no_rust);
    smp
}

#[test]
fn what_does_not_compile_is_left_out_and_told() {
    let world = world(&format!("{FENCE}{SAME}"));
    let finished = finish(built(&world, "2"));
    finished.passed();
    assert_eq!(fates(&world)[..4], ["equivalent", "does-not-compile", "killed", "killed"]);
    assert!(finished.out.contains("does not compile 2 src/lib.rs:2 f: exchanged"), "{finished:?}");
    let copy = fs::read_to_string(world.path("target/teeth/ws/src/lib.rs")).unwrap();
    assert!(!copy.contains("on(2)") && copy.contains("on(1)"), "{copy}");
}

#[test]
fn an_error_that_is_no_mutants_is_refused() {
    let world = world("");
    let mut smp = built(&world, "none");
    smp.env("FAKE_NOBODYS", "1");
    finish(smp).refused(1, &["no mutant is to blame", "error: mismatch"]);
}
