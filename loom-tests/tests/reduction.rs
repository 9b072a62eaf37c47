//! What explorations rest on, beside their engines. In mode rmw: sleep sets leave out executions and no order of steps
//! that conflict, and what steps depend on and loom does not see is told to it. In modes sc and tso: steps that commute
//! are left out, and no state.

use std::process::Command;
use std::rc::Rc;

use loom_tests::engine::loom::{explore, explore_from_here, steps};
use loom_tests::engine::{How, Mode, OwnedCell, Sharing, Word, hidden, spawn};
use mmu386::arch::{Owned, WordName};
use serde_json::Value;

/// A model's row on Fixed, which must hold.
fn row(model: &str, mode: &str, more: &[&str]) -> Value {
    // From an archive of nextest's the program lies elsewhere than where it was built.
    let program = std::env::var("NEXTEST_BIN_EXE_models");
    let output = Command::new(program.as_deref().unwrap_or(env!("CARGO_BIN_EXE_models")))
        .args(["run", model, "--variant", "fixed", "--mode", mode, "--bound", "none", "--json"])
        // In the order of one worker, so that what is learnt of conflicts is the same each time.
        .args(["--workers", "1"])
        .args(more)
        .output()
        .expect("the program is built");
    let row: Value = serde_json::from_slice(&output.stdout).expect("it prints a row");
    assert_eq!(row["verdict"], "holds", "{row}");
    row
}

fn same_orders(model: &str) {
    let (with, without) = (row(model, "rmw", &[]), row(model, "rmw", &["--no-reduction"]));
    assert_eq!(with["orders"], without["orders"], "how many, and what names the set of them");
    fewer_executions(&with, &without);
}

fn fewer_executions(with: &Value, without: &Value) {
    let executions = |row: &Value| row["executions"].as_u64().expect("a number");
    assert!(executions(with) < executions(without), "{with} {without}");
}

/// A run with `--check` makes all steps, and is inconclusive if one leads elsewhere than it was known to.
fn same_states(model: &str) {
    for mode in ["sc", "tso"] {
        let (with, without) = (row(model, mode, &[]), row(model, mode, &["--check"]));
        assert_eq!(with["states"], without["states"], "{mode}");
        fewer_executions(&with, &without);
    }
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

macro_rules! same_states {
    ($($name:ident: $model:literal;)*) => {
        $(#[test]
        fn $name() {
            same_states($model);
        })*
    };
}

same_states! {
    states_of_two_unmappers: "two-unmappers";
    states_of_four_cpus: "four-cpus-one-unmapper";
    states_of_two_pages: "unmap-two-pages";
    states_of_kmap_and_a_flush: "kmap-against-flush";
    states_of_a_pool_that_overflows: "pool-overflow";
    states_of_two_lockers: "two-lockers";
}

/// A report is made while loom panics, and looks at all of the machine.
#[test]
#[should_panic(expected = "Causality violation")]
fn a_report_asks_loom_nothing() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        steps::end();
        hidden("what is reported", 0, (), How::Look);
        before(info);
    }));
    explore(
        Mode::Rmw,
        || {},
        || {
            let word = Word::new(WordName::Other("reduction", 0), 0, Sharing::Shared);
            let cell = Rc::new(OwnedCell::new(0u32));
            for n in 0..2 {
                let (word, cell) = (word.clone(), cell.clone());
                spawn(move || {
                    word.load(n);
                    cell.set(1);
                });
            }
            explore_from_here();
        },
    );
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
