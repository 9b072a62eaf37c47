//! Random steps: each repair that they can judge is needed, the same seed is the same run. That Fixed
//! holds for a hundred thousand is tested beside mmu386 (`tests/properties.rs`).

use host::steps::{Finding, generate, run, run_parallel, run_while};
use host::variants::{Job, with_variant};
use mmu386::variant::{Fixed, Seed, Variant};

struct Find {
    hazard: &'static str,
    steps: usize,
    seed: u64,
}

impl Job for Find {
    type Output = Vec<Finding>;

    /// Goes on until the hazard is named.
    fn run<V: Variant>(self) -> Vec<Finding> {
        let steps = generate(self.seed, self.steps);
        // By parts, so that the first sign of it ends the search.
        let mut found = Vec::new();
        for part in steps.chunks(1000) {
            found.extend(run::<V>(part, self.seed));
            if names(&found, self.hazard) {
                break;
            }
        }
        found
    }
}

fn names(found: &[Finding], hazard: &str) -> bool {
    found.iter().any(|finding| finding.hazard.as_deref() == Some(hazard))
}

fn expect(variant: &str, hazard: &'static str, steps: usize, seed: u64) {
    let found = with_variant(variant, Find { hazard, steps, seed }).expect("it is a variant");
    assert!(names(&found, hazard), "{variant} does not show {hazard} from seed {seed}: {found:#?}");
}

#[test]
fn seed_shows_stale_large_pages_by_itself() {
    expect("seed", "A1", 5000, 1);
}

#[test]
fn each_repair_is_needed() {
    for (variant, hazard) in [
        ("fixed-a1", "A1"),
        ("fixed-a2", "A2"),
        ("fixed-a3", "A3"),
        ("fixed-a7", "A7"),
        ("fixed-a9", "A9"),
        ("fixed-a10", "A10"),
        ("fixed-b1", "B1"),
        ("fixed-c1", "C1"),
        ("fixed-c4", "C4"),
        ("fixed-d2", "D2"),
    ] {
        expect(variant, hazard, 40_000, 1);
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let steps = generate(5, 600);
    let digest = |seed| run_while::<Fixed>(&steps, seed, |_, _| true).digest;
    assert_eq!(digest(5), digest(5));
    assert_ne!(digest(5), digest(6));
    assert_eq!(run::<Seed>(&steps, 5), run::<Seed>(&steps, 5));
}

#[test]
fn a_shorter_list_of_steps_can_be_run() {
    let steps = generate(9, 300);
    assert_eq!(generate(9, 100), steps[..100]);
    let some: Vec<_> = steps.iter().step_by(3).copied().collect();
    assert_eq!(run::<Fixed>(&some, 9), []);
}

#[test]
fn fixed_holds_on_threads() {
    let found = run_parallel::<Fixed>(100_000, 1);
    assert_eq!(found, []);
}

/// Threads come as they come: if none of the runs shows anything, that says nothing.
#[test]
fn threads_see_what_needs_two_cpus() {
    for (variant, hazard) in [("fixed-a2", "A2"), ("fixed-a3", "A3"), ("fixed-c1", "C1")] {
        struct Race;
        impl Job for Race {
            type Output = Vec<Finding>;
            fn run<V: Variant>(self) -> Vec<Finding> {
                (1..=5)
                    .map(|seed| run_parallel::<V>(50_000, seed))
                    .find(|f| !f.is_empty())
                    .unwrap_or_default()
            }
        }
        let found = with_variant(variant, Race).expect("it is a variant");
        if found.is_empty() {
            eprintln!("inconclusive: {variant} did not show {hazard} in 250000 actions");
        } else {
            assert!(names(&found, hazard), "{variant}: {found:#?}");
        }
    }
    let found = run_parallel::<Seed>(50_000, 1);
    assert_ne!(found, [], "what needs no luck was not seen, either");
}
