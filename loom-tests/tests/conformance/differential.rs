//! Random small programs, by all engines: each must show exactly what the others do.
//!
//! `MMU386_SEED` chooses the programs, `PROPTEST_CASES` how many there are. What proptest finds is
//! shrunk.

use std::collections::BTreeSet;

use loom_tests::engine::Mode;
use loom_tests::engine::litmus::{Op, Outcome, Program, explored, loomed};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::reference;

fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: no number")))
}

/// An operation on one of so many words.
fn op(words: usize) -> impl Strategy<Value = Op> {
    let word = move || 0..words;
    prop_oneof![
        6 => word().prop_map(Op::Load),
        6 => (word(), 1..4u32).prop_map(|(n, value)| Op::Store(n, value)),
        1 => (word(), 1..4u32).prop_map(|(n, value)| Op::Swap(n, value)),
        1 => (word(), 1..4u32).prop_map(|(n, value)| Op::Add(n, value)),
        1 => Just(Op::Fence),
        // Where the reduction may take an access for private that it did not before.
        3 => Just(Op::Advance),
    ]
}

fn program(
    words: usize,
    threads: std::ops::RangeInclusive<usize>,
    ops: std::ops::RangeInclusive<usize>,
) -> impl Strategy<Value = Program> {
    vec(vec(op(words), ops), threads)
}

fn agree(
    program: &Program,
    how: &str,
    found: &BTreeSet<Outcome>,
    wanted: &BTreeSet<Outcome>,
) -> Result<(), TestCaseError> {
    let lost: Vec<_> = wanted.difference(found).collect();
    let invented: Vec<_> = found.difference(wanted).collect();
    prop_assert!(
        lost.is_empty() && invented.is_empty(),
        "{how} misses {lost:?} and invents {invented:?} in {program:?}"
    );
    Ok(())
}

/// Runs `judge` on programs that follow from the seed.
fn on_programs(
    cases: u64,
    programs: impl Strategy<Value = Program>,
    judge: impl Fn(&Program) -> Result<(), TestCaseError>,
) {
    let seed = number("MMU386_SEED", 1);
    let cases = number("PROPTEST_CASES", cases) as u32;
    println!("MMU386_SEED={seed} PROPTEST_CASES={cases}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let result = TestRunner::new_with_rng(config, rng).run(&programs, |program| judge(&program));
    if let Err(error) = result {
        panic!("MMU386_SEED={seed} PROPTEST_CASES={cases}: {error}");
    }
}

#[test]
fn the_explorer_shows_what_the_reference_does() {
    on_programs(300, program(2, 2..=3, 2..=4), |program| {
        for tso in [false, true] {
            let wanted = reference::outcomes(tso, program);
            for reduce in [true, false] {
                let how = format!("the explorer, tso {tso}, reduce {reduce},");
                agree(program, &how, &explored(tso, reduce, program), &wanted)?;
            }
        }
        Ok(())
    });
}

#[test]
fn loom_in_rmw_mode_shows_what_the_reference_does_without_store_buffers() {
    on_programs(60, program(2, 2..=3, 1..=3), |program| {
        let wanted = reference::outcomes(false, program);
        agree(program, "loom, rmw,", &loomed(Mode::Rmw, program), &wanted)
    });
}

/// The control: as written, loom misses an outcome of the smallest program that its reduction is
/// wrong for (tests/loom_faults.rs), and invents none there. The same comparison finds it.
#[test]
fn as_written_loom_misses_what_the_comparison_finds() {
    let program = vec![vec![Op::Load(0)], vec![Op::Load(0), Op::Store(0, 1)]];
    let wanted = reference::outcomes(false, &program);
    let found = loomed(Mode::AsWritten, &program);
    assert!(agree(&program, "loom, as written,", &found, &wanted).is_err(), "{found:?}");
    assert!(found.is_subset(&wanted), "{found:?}");
}

/// The other way round: with store buffers there is more than without.
#[test]
fn the_comparison_tells_the_two_memory_models_apart() {
    let program = vec![vec![Op::Store(0, 1), Op::Load(1)], vec![Op::Store(1, 1), Op::Load(0)]];
    let (sc, tso) = (reference::outcomes(false, &program), reference::outcomes(true, &program));
    assert!(agree(&program, "", &sc, &tso).is_err());
    assert!(agree(&program, "", &explored(true, true, &program), &sc).is_err());
}
