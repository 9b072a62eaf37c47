//! Random steps of processes and drivers over several CPUs, against a reference that is a plain map
//! from address to frame and knows nothing of mmu386.
//!
//! `MMU386_SEED` chooses the steps, `MMU386_STEPS` the length of the long run, `PROPTEST_CASES` the
//! number of short ones. What proptest finds is shrunk, and kept in `properties.regressions`.

use std::env::var;

use host::steps::{Action, Finding, How, Meanwhile, Step, generate, run};
use mmu386::variant::{Fixed, Seed, Variant};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{
    Config, FileFailurePersistence, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner,
};

fn number(name: &str, default: u64) -> u64 {
    let given = var(name).ok();
    given
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: no number")))
}

/// Which mapping, process, page: a few are enough, as numbers are counted round.
fn few() -> std::ops::Range<u8> {
    0..6
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![6 => Just(How::Plain), 1 => Just(How::Splhi), 1 => Just(How::Locked)]
}

fn action() -> impl Strategy<Value = Action> {
    let write = any::<bool>();
    prop_oneof![
        3 => (0..4u8, 0..16u8).prop_map(|(pages, offset)| Action::Vmap { pages, offset }),
        3 => (0..2u8, 0..3u8, 0..2u8)
            .prop_map(|(large, pages, shift)| Action::VmapLarge { large, pages, shift }),
        1 => Just(Action::VmapNothing),
        5 => (few(), how()).prop_map(|(mapping, how)| Action::Vunmap { mapping, how }),
        1 => few().prop_map(|mapping| Action::VunmapPart { mapping }),
        8 => (few(), few(), write)
            .prop_map(|(mapping, page, write)| Action::TouchVmap { mapping, page, write }),
        1 => few().prop_map(|mapping| Action::Patwc { mapping }),
        3 => few().prop_map(|proc| Action::Switch { proc }),
        2 => Just(Action::Idle),
        1 => few().prop_map(|proc| Action::Flushmmu { proc }),
        6 => (few(), few(), few(), write).prop_map(|(proc, segment, page, write)| {
            Action::TouchUser { proc, segment, page, write }
        }),
        1 => (few(), few(), few())
            .prop_map(|(proc, segment, page)| Action::Checkmmu { proc, segment, page }),
        2 => (few(), few(), few(), few()).prop_map(|(proc, segment, page, count)| {
            Action::Free { proc, segment, page, count }
        }),
        2 => few().prop_map(|proc| Action::Kmap { proc }),
        2 => (few(), few()).prop_map(|(proc, kmap)| Action::Kunmap { proc, kmap }),
        2 => (few(), few()).prop_map(|(proc, kmap)| Action::TouchKmap { proc, kmap }),
        1 => few().prop_map(|proc| Action::Die { proc }),
        1 => Just(Action::Countpagerefs),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let meanwhile = (0..8u8, 0..4u8, action()).prop_map(|(events, cpu, action)| Meanwhile {
        events,
        cpu,
        action,
    });
    (0..4u8, action(), proptest::option::weighted(0.3, meanwhile))
        .prop_map(|(cpu, action, meanwhile)| Step { cpu, action, meanwhile })
}

/// A runner whose cases follow from a seed.
fn runner(cases: u32, seed: u64, keep: bool) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let file = || -> Box<FileFailurePersistence> {
        Box::new(FileFailurePersistence::WithSource("regressions"))
    };
    let config = Config {
        cases,
        source_file: Some(file!()),
        failure_persistence: if keep { Some(file()) } else { None },
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

fn judged<V: Variant>(steps: &[Step], chances: u64) -> Result<(), TestCaseError> {
    match run::<V>(steps, chances).first() {
        None => Ok(()),
        Some(Finding { step, property, text, .. }) => {
            Err(TestCaseError::fail(format!("step {step}: {property}: {text}")))
        }
    }
}

#[test]
fn fixed_does_what_the_reference_does() {
    let seed = number("MMU386_SEED", 1);
    let cases = number("PROPTEST_CASES", 256) as u32;
    println!("MMU386_SEED={seed} PROPTEST_CASES={cases}");
    let strategy = (vec(step(), 1..80), any::<u64>());
    let result = runner(cases, seed, true)
        .run(&strategy, |(steps, chances)| judged::<Fixed>(&steps, chances));
    if let Err(error) = result {
        panic!("MMU386_SEED={seed}: {error}");
    }
}

/// The control: what is found on Seed is found, and shrunk to what a person can follow.
#[test]
fn seed_is_shrunk_to_a_few_steps() {
    let mappings = |step: &Step| {
        use Action::{TouchVmap, VmapLarge, Vunmap};
        matches!(step.action, VmapLarge { .. } | Vunmap { how: How::Plain, .. } | TouchVmap { .. })
    };
    let strategy = vec(step().prop_filter("large mappings alone", mappings), 1..60)
        .prop_map(|steps| steps.iter().map(|step| Step { meanwhile: None, ..*step }).collect());
    let seed = number("MMU386_SEED", 1);
    let result =
        runner(200, seed, false).run(&strategy, |steps: Vec<Step>| judged::<Seed>(&steps, 1));
    let Err(TestError::Fail(why, steps)) = result else { panic!("Seed holds: {result:?}") };
    assert!(steps.len() <= 8, "MMU386_SEED={seed}: {why}: {steps:?}");
    assert_eq!(run::<Fixed>(&steps, 1), [], "the same steps on Fixed");
}

/// A1 by hand: map a large page, use it on another CPU, unmap it.
const A_LARGE_PAGE_THAT_STAYS: [Action; 3] = [
    Action::VmapLarge { large: 0, pages: 0, shift: 0 },
    Action::TouchVmap { mapping: 0, page: 0, write: false },
    Action::Vunmap { mapping: 0, how: How::Plain },
];

#[test]
fn three_steps_show_a1_on_seed_and_nothing_on_fixed() {
    let steps: Vec<Step> = A_LARGE_PAGE_THAT_STAYS
        .into_iter()
        .zip([0, 1, 0])
        .map(|(action, cpu)| Step { cpu, action, meanwhile: None })
        .collect();
    let seen = run::<Seed>(&steps, 1);
    assert!(seen.iter().any(|finding| finding.hazard.as_deref() == Some("A1")), "{seen:?}");
    assert_eq!(run::<Fixed>(&steps, 1), []);
}

/// The long run, and the same on Seed, which reports A1 by itself.
#[test]
fn a_hundred_thousand_steps_hold_on_fixed_and_show_a1_on_seed() {
    let (seed, count) = (number("MMU386_SEED", 1), number("MMU386_STEPS", 100_000) as usize);
    let steps = generate(seed, count);
    assert_eq!(steps.len(), count);
    let begun = std::time::Instant::now();
    let found = run::<Fixed>(&steps, seed);
    println!("MMU386_SEED={seed} MMU386_STEPS={count}: {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(found, [], "MMU386_SEED={seed}");
    let seen = run::<Seed>(&steps, seed);
    let a1 = seen.iter().any(|finding| finding.hazard.as_deref() == Some("A1"));
    assert!(a1, "MMU386_SEED={seed}: Seed shows no A1, but {seen:#?}");
}
