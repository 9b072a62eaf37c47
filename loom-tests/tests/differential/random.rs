//! Random programs, a hundred every day, thousands in the full set.
//!
//! `MMU386_SEED` chooses them, `MMU386_PROGRAMS` says how many there are, `MMU386_FIRST` with which number
//! they begin. What is found is shrunk, and printed with its number.

use std::time::{Duration, Instant};

use crate::compare::{Compared, WAYS, compare, shrink};
use crate::generate::{Random, program};
use crate::program::Program;
use crate::reference;

/// A number that the environment gives.
pub fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name}={text}: it has to be a number"))
    })
}

/// The program of this number. Of those with too many states, and of most that come to no outcomes, as they
/// race or never end, another is taken instead.
pub fn numbered(seed: u64, number: u64, most: usize) -> Program {
    let mut random = Random::new(seed, number);
    loop {
        let program = program(&mut random);
        let Some(sc) = reference::explore_within(&program, false, most) else { continue };
        let wrong = sc.race || sc.stuck;
        // Races are the rarer.
        if wrong && !random.chance(if sc.race { 80 } else { 25 }) {
            continue;
        }
        if reference::explore_within(&program, true, most).is_some() {
            return program;
        }
    }
}

fn differs(program: &Program) -> Option<String> {
    match compare(program, &WAYS) {
        Compared::Differs(how) => Some(how),
        Compared::Same(_) | Compared::TooLarge => None,
    }
}

/// Both ways to tell a race come to the same.
#[test]
fn a_race_is_what_nothing_orders() {
    let seed = number("MMU386_SEED", 1);
    let mut told = [0, 0];
    for n in 0..600 {
        let program = program(&mut Random::new(seed, n));
        if program.cells == 0 {
            continue;
        }
        for tso in [false, true] {
            let by_touches = reference::explore_within(&program, tso, 1_000);
            let by_order = reference::explore_ordered(&program, tso, 20_000);
            let [Some(touches), Some(order)] = [by_touches, by_order] else { continue };
            assert_eq!(
                touches.race, order.race,
                "program {n} of seed {seed}, tso {tso}: {program}"
            );
            told[usize::from(order.race)] += 1;
        }
    }
    println!("{} without a race, {} with one", told[0], told[1]);
    assert!(told.iter().all(|&told| told > 10), "{told:?}");
}

/// So many programs, of which each has so many states at most.
fn agree(programs: u64, most: usize, limit: Duration) {
    let seed = number("MMU386_SEED", 1);
    let programs = number("MMU386_PROGRAMS", programs);
    let first = number("MMU386_FIRST", 0);
    println!("MMU386_SEED={seed} MMU386_PROGRAMS={programs} MMU386_FIRST={first}");
    let begun = Instant::now();
    let mut done = 0;
    let mut found = Vec::new();
    let mut kinds = [0; 3];
    for n in first..first + programs {
        if begun.elapsed() > limit {
            break;
        }
        done += 1;
        let program = numbered(seed, n, most);
        match compare(&program, &WAYS) {
            Compared::Same([sc, _]) => {
                let kind = if sc.race {
                    0
                } else if sc.stuck {
                    1
                } else {
                    2
                };
                kinds[kind] += 1;
                continue;
            }
            Compared::TooLarge => continue,
            Compared::Differs(_) => {}
        }
        let small = shrink(&program, |smaller| differs(smaller).is_some());
        let how = differs(&small).unwrap_or_default();
        let text = format!("program {n} of seed {seed}, shrunk: {small}{how}");
        println!("{text}");
        found.push(text);
        if found.len() as u64 >= number("MMU386_DIFFERENCES", 3) {
            break;
        }
    }
    let [races, stuck, ends] = kinds;
    println!(
        "{done} programs in {:.1} s: {races} race, {stuck} need not end, {ends} end",
        begun.elapsed().as_secs_f64()
    );
    assert!(
        found.is_empty(),
        "MMU386_SEED={seed}: explorer and reference differ:\n{}",
        found.join("\n")
    );
    assert_eq!(done, programs, "cut after {} s: so many programs of {programs}", limit.as_secs());
}

#[test]
fn a_hundred_programs() {
    agree(100, 3_000, Duration::from_secs(600));
}

/// For a build farm: `cargo smp models --full`.
#[test]
#[ignore = "an hour"]
fn thousands_of_programs() {
    agree(4_000, 40_000, Duration::from_secs(100 * 60));
}
