//! What loom's exploration in mode rmw rests on, beside loom: sleep sets leave out executions and no order of steps that
//! conflict, and what steps depend on and loom does not see is told to it.

use std::process::Command;

use loom_tests::engine::loom::{explore, explore_from_here};
use loom_tests::engine::{How, Mode, Sharing, Word, hidden, spawn};
use mmu386::arch::WordName;
use serde_json::Value;

/// A model's row on Fixed, which must hold.
fn row(model: &str, more: &[&str]) -> Value {
    // From an archive of nextest's the program lies elsewhere than where it was built.
    let program = std::env::var("NEXTEST_BIN_EXE_models");
    let output = Command::new(program.as_deref().unwrap_or(env!("CARGO_BIN_EXE_models")))
        .args(["run", model, "--variant", "fixed", "--mode", "rmw", "--bound", "none", "--json"])
        .args(more)
        .output()
        .expect("the program is built");
    let row: Value = serde_json::from_slice(&output.stdout).expect("it prints a row");
    assert_eq!(row["verdict"], "holds", "{row}");
    row
}

fn same_orders(model: &str) {
    let (with, without) = (row(model, &[]), row(model, &["--no-reduction"]));
    assert_eq!(with["orders"], without["orders"], "how many, and what names the set of them");
    let executions = |row: &Value| row["executions"].as_u64().expect("a number");
    assert!(executions(&with) < executions(&without), "{with} {without}");
}

macro_rules! same_orders {
    ($($name:ident: $model:literal;)*) => {
        $(#[test]
        fn $name() {
            same_orders($model);
        })*
    };
}

same_orders! {
    orders_of_one_unmapper: "one-unmapper";
    orders_of_an_idle_cpu_and_a_busy_one: "three-cpus-one-unmapper";
    orders_of_going_offline: "going-offline";
    orders_of_coming_online: "coming-online";
    orders_of_two_lockers: "two-lockers";
    orders_of_mmuinit: "boot";
    orders_of_two_unmaps: "two-unmaps-of-one-range";
}

/// Two threads each change a word, and in the same step something that loom does not see.
fn two_touch(words: [usize; 2]) {
    explore(
        Mode::Rmw,
        || {},
        move || {
            let word = |n| Word::new(WordName::Other("reduction", n), 0, Sharing::Shared);
            let all = [word(0), word(1)];
            for n in words {
                let word = all[n].clone();
                spawn(move || {
                    word.fetch_add(1);
                    hidden("what is touched", 0, (), How::Change);
                });
            }
            explore_from_here();
        },
    );
}

#[test]
fn what_conflicts_over_a_word_too_is_told() {
    two_touch([0, 0]);
}

#[test]
#[should_panic(expected = "loom is not told what orders")]
fn what_conflicts_over_no_word_is_noticed() {
    two_touch([0, 1]);
}
