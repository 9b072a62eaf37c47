//! `cargo smp verify` over impostors: what passes, what does not, and what is written either way.

mod common;

use std::fs;

use common::{Finished, World, alive, eventually, finish, kill, wait};
use nix::sys::signal::Signal::SIGINT;
use serde_json::Value;

/// The impostor's thirteen models, on two variants in three modes, and two boots.
const ROWS: usize = 13 * 2 * 3 + 2;

fn verify(world: &World, variables: &[(&str, &str)]) -> Finished {
    let mut smp = world.smp(&["verify"]);
    smp.envs(variables.iter().copied());
    finish(smp)
}

/// verdict.json, after a look at index.html.
fn written(world: &World) -> Value {
    let page = fs::read_to_string(world.path("target/review/index.html")).unwrap();
    assert!(page.ends_with("</html>") && page.contains("What is not proven"));
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("<script"));
    serde_json::from_str(&fs::read_to_string(world.path("target/review/verdict.json")).unwrap())
        .unwrap()
}

#[test]
fn the_whole_claim_passes_and_is_written_down() {
    let world = World::new();
    let finished = verify(&world, &[]);
    finished.passed();
    for said in [
        "| V1",
        "broken, 42 exec",
        "holds, 42 exec",
        "exhaustive",
        "1000.0 times faster",
        "verdict: pass",
    ] {
        assert!(finished.out.contains(said), "`{said}`: {}", finished.out);
    }
    let verdict = written(&world);
    assert_eq!(verdict["schema"], 1);
    assert_eq!(verdict["pass"], true);
    let rows = verdict["rows"].as_array().unwrap();
    assert_eq!(rows.len(), ROWS);
    for row in rows {
        for field in [
            "id",
            "property",
            "hazard",
            "variant",
            "engine",
            "model",
            "cpus",
            "preemption_bound",
            "exhaustive",
            "executions",
            "seconds",
            "verdict",
            "counterexample",
        ] {
            assert!(row.get(field).is_some(), "{field}: {row}");
        }
        let expected = if row["variant"] == "seed" { "broken" } else { "holds" };
        assert_eq!(row["verdict"], expected, "{row}");
    }
    let page = fs::read_to_string(world.path("target/review/index.html")).unwrap();
    assert!(page.contains("cargo smp models a4-model --variant seed --mode rmw"));
}

#[test]
fn whatever_is_not_as_claimed_is_no_pass() {
    for (variable, kind, said) in [
        (
            "FAKE_MODELS",
            "seed-holds",
            "a4-model V1 on seed (loom rmw): holds, where a finding is expected",
        ),
        ("FAKE_MODELS", "seed-holds", "A4 must be found on seed by loom"),
        ("FAKE_MODELS", "fixed-breaks", "a2-model V1 on fixed (loom rmw): broken"),
        ("FAKE_MODELS", "cut", "a3-model V1 on fixed (loom rmw): cut"),
        ("FAKE_MODELS", "crash", "thread main panicked"),
        ("FAKE_MODELS", "noise", "cannot be read"),
        ("FAKE_MODELS", "liar", "exit status says otherwise"),
        ("FAKE_QEMU", "toothless", "A1 must be found on seed by qemu"),
        ("FAKE_QEMU", "reset", "triple fault"),
        ("FAKE_QEMU", "garbled", "garbled"),
        ("FAKE_QEMU", "lost", "never came up"),
    ] {
        let world = World::new();
        let finished = verify(&world, &[(variable, kind)]);
        finished.refused(1, &[said, "NO PASS"]);
        let verdict = written(&world);
        assert_eq!(verdict["pass"], false, "{kind}");
        assert_eq!(verdict["rows"].as_array().unwrap().len(), ROWS, "{kind}");
    }
}

#[test]
fn a_slow_fix_misses_the_bar() {
    let cores = std::thread::available_parallelism().unwrap().get();
    let finished = verify(&World::new(), &[("FAKE_SEED_NS", "19000")]);
    if cores >= 2 {
        finished.refused(1, &["BELOW the bar of 20", "only 19.0 times faster"]);
    } else {
        finished.passed();
    }
}

#[test]
fn an_interrupted_run_writes_what_it_knows() {
    let world = World::new();
    let mut smp = world.smp(&["verify"]);
    smp.env("FAKE_MODELS", "slow").env("FAKE_PIDS", world.path("pids"));
    let child = smp.spawn().unwrap();
    let left = world.pids();
    kill(child.id(), SIGINT);
    assert_eq!(wait(child).status.code(), Some(130));
    for number in left {
        eventually("the model is gone", || !alive(number));
    }
    let verdict = written(&world);
    assert_eq!(verdict["complete"], false);
    assert!(verdict["problems"].to_string().contains("interrupted"));
    let rows = verdict["rows"].as_array().unwrap();
    assert_eq!(rows.len(), ROWS);
    assert!(rows.iter().all(|row| row["verdict"] == "cut"));
}

#[test]
fn even_a_failing_set_up_leaves_the_files() {
    let world = World::new().without("qemu-system-i386");
    let mut smp = world.smp(&["verify", "--no-install"]);
    smp.env_remove("SMP_MODELS");
    finish(smp).refused(1, &["NO PASS"]);
    assert_eq!(written(&world)["pass"], false);
}

#[test]
fn a_model_that_overruns_its_limit_is_cut() {
    let world = World::new();
    let mut smp = world.smp(&[
        "models",
        "a1-model",
        "--variant",
        "fixed",
        "--mode",
        "rmw",
        "--max-seconds",
        "1",
    ]);
    smp.env("FAKE_MODELS", "slow");
    finish(smp).refused(1, &["cut", "stopped at its deadline"]);
}

#[test]
fn models_print_rows_and_findings() {
    let finished = finish(World::new().smp(&["models", "a1-model", "--variant", "seed", "--json"]));
    finished.passed();
    let rows: Value = serde_json::from_str(&finished.out).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 3);
    let finished = finish(World::new().smp(&["models", "a1-model", "--variant", "seed"]));
    assert!(finished.out.contains("CPU 1  read va = old    (stale)"), "{finished:?}");
}

#[test]
fn a_finding_of_the_kernels_own_has_its_own_row_and_an_unknown_one_is_a_problem() {
    let world = World::new();
    verify(&world, &[("FAKE_FINDING", "heap")]).passed();
    let verdict = written(&world);
    let rows = verdict["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["hazard"] == "heap" && row["variant"] == "seed").unwrap();
    assert_eq!(row["property"], "heap", "{row:#}");
    verify(&World::new(), &[("FAKE_FINDING", "heaps")])
        .refused(1, &["problem: kernel heaps", "nobody knows what `heaps` is"]);
}
