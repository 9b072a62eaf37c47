//! The kernel's command line: `key=value` words.

use heapless::String;

/// What the kernel is asked to do.
#[derive(Clone)]
pub struct Options {
    /// Which tests: a prefix of names, `all`, `none`, `bench`, `soak`, or one of the ways to end badly:
    /// `hang`, `panic`, `deaf`, `fault`, `overflow`, `triplefault`, `lostcpu`.
    pub tests: String<32>,
    /// Rounds of each test; 0 for the test's own number.
    pub rounds: u32,
    /// Seed of the tests' pseudo-random choices.
    pub seed: u32,
    /// Samples of each measurement; 0 for the variant's own number.
    pub samples: u32,
    /// Whether to measure.
    pub bench: bool,
    /// How long a soak is, in milliseconds; 0 for the number of rounds.
    pub ms: u32,
    /// Whether a soak is disturbed.
    pub chaos: bool,
}

/// Reads the command line. Words that are not options, such as the kernel's file name, are skipped;
/// options that are misspelt are not.
pub fn parse(line: &str) -> Options {
    let mut options = Options {
        tests: text("all"),
        rounds: 0,
        seed: 1,
        samples: 0,
        bench: false,
        ms: 0,
        chaos: false,
    };
    for (key, value) in line.split_whitespace().filter_map(|word| word.split_once('=')) {
        match key {
            "tests" => options.tests = text(value),
            "rounds" => options.rounds = number(key, value),
            "seed" => options.seed = number(key, value),
            "samples" => options.samples = number(key, value),
            "bench" => options.bench = number(key, value) != 0,
            "ms" => options.ms = number(key, value),
            "chaos" => options.chaos = number(key, value) != 0,
            _ => panic!(
                "command line: no option {key}; tests, rounds, seed, samples, bench, ms, chaos"
            ),
        }
    }
    options
}

fn number(key: &str, value: &str) -> u32 {
    match value.parse() {
        Ok(number) => number,
        Err(_) => panic!("command line: {key}={value} is not a number"),
    }
}

fn text<const N: usize>(value: &str) -> String<N> {
    match value.try_into() {
        Ok(text) => text,
        Err(_) => panic!("command line: {value} is longer than {N} bytes"),
    }
}

/// A copy of the command line, which the loader left in memory that will be used.
pub fn keep(line: &str) -> String<512> {
    text(line)
}
