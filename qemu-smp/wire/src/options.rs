//! What the kernel is asked to do: words on its command line, which both sides write and read here.
//!
//! A loader may put the kernel's file before them, whose path may hold anything. So they come after a
//! word of their own, [`MARK`]; what is before it is not looked at, and everything after it has to be
//! understood.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// The word after which the options come.
pub const MARK: &str = "--";
/// Longest name of tests, in bytes.
pub const TESTS: usize = 32;
/// The options that there are.
const KEYS: &str = "tests, rounds, seed, samples, bench, ms, chaos, fuzz, from";

/// What the kernel is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Which tests: a prefix of names, `all`, `none`, `bench`, `soak`, `planted`, or one of the ways to end badly:
    /// `hang`, `panic`, `deaf`, `fault`, `overflow`, `leap`, `unpaged`, `triplefault`, `lostcpu`.
    pub tests: String,
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
    /// Whether random programs run in ring 3 during a soak.
    pub fuzz: bool,
    /// The number of the first of them.
    pub from: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tests: "all".to_owned(),
            rounds: 0,
            seed: 1,
            samples: 0,
            bench: false,
            ms: 0,
            chaos: false,
            fuzz: false,
            from: 0,
        }
    }
}

/// Why a command line says nothing that could be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// The mark is missing.
    NoMark,
    /// What comes after the mark is no text.
    NoText,
    /// A word is none of `key=value`.
    Word(String),
    /// There is no such option.
    Key(String),
    /// An option is given twice.
    Twice(String),
    /// A value is none that the option can have.
    Value(String, &'static str),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMark => {
                write!(f, "there is no word `{MARK}`, after which options come: {MARK} tests=all")
            }
            Self::NoText => write!(f, "what comes after `{MARK}` is not text"),
            Self::Word(word) => write!(f, "`{word}` is not like key=value; there are {KEYS}"),
            Self::Key(key) => write!(f, "no option `{key}`; there are {KEYS}"),
            Self::Twice(key) => write!(f, "`{key}` is given twice"),
            Self::Value(word, wanted) => write!(f, "`{word}`: the value has to be {wanted}"),
        }
    }
}

impl core::error::Error for Wrong {}

/// What comes after the last mark of a command line; nothing where there is none.
pub fn marked(line: &[u8]) -> Option<&[u8]> {
    let mark = MARK.as_bytes();
    let blank = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_whitespace);
    let at = (0..line.len()).rev().find(|&at| {
        let before = at.checked_sub(1).and_then(|before| line.get(before));
        line[at..].starts_with(mark) && blank(before) && blank(line.get(at + mark.len()))
    })?;
    Some(&line[at + mark.len()..])
}

impl Options {
    /// Reads a whole command line.
    pub fn of_command_line(line: &[u8]) -> Result<Self, Wrong> {
        Self::of_marked(marked(line).ok_or(Wrong::NoMark)?)
    }

    /// Reads what comes after the mark.
    pub fn of_marked(words: &[u8]) -> Result<Self, Wrong> {
        core::str::from_utf8(words).map_err(|_| Wrong::NoText)?.parse()
    }

    /// The command line, without a file.
    pub fn command_line(&self) -> String {
        alloc::format!("{MARK} {self}")
    }
}

impl FromStr for Options {
    type Err = Wrong;

    /// Reads words such as `tests=all seed=7`.
    fn from_str(words: &str) -> Result<Self, Wrong> {
        let mut options = Self::default();
        let mut known = alloc::vec::Vec::new();
        for word in words.split_ascii_whitespace() {
            let (key, value) = word.split_once('=').ok_or_else(|| Wrong::Word(word.to_owned()))?;
            if known.contains(&key) {
                return Err(Wrong::Twice(key.to_owned()));
            }
            known.push(key);
            match key {
                "tests" => options.tests = tests(word, value)?,
                "rounds" => options.rounds = number(word, value)?,
                "seed" => options.seed = number(word, value)?,
                "samples" => options.samples = number(word, value)?,
                "bench" => options.bench = flag(word, value)?,
                "ms" => options.ms = number(word, value)?,
                "chaos" => options.chaos = flag(word, value)?,
                "fuzz" => options.fuzz = flag(word, value)?,
                "from" => options.from = number(word, value)?,
                _ => return Err(Wrong::Key(key.to_owned())),
            }
        }
        Ok(options)
    }
}

fn tests(word: &str, value: &str) -> Result<String, Wrong> {
    let plain = value.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_,".contains(&c));
    if plain && (1..=TESTS).contains(&value.len()) {
        return Ok(value.to_owned());
    }
    Err(Wrong::Value(word.to_owned(), "1 to 32 letters, digits, `-`, `_` and `,`"))
}

fn number(word: &str, value: &str) -> Result<u32, Wrong> {
    value.parse().map_err(|_| Wrong::Value(word.to_owned(), "a number below 2^32"))
}

fn flag(word: &str, value: &str) -> Result<bool, Wrong> {
    match value {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(Wrong::Value(word.to_owned(), "0 or 1")),
    }
}

impl fmt::Display for Options {
    /// Writes the words, without those that would change nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Taken apart, so that an option that is not written here is an error.
        let Self { tests, rounds, seed, samples, bench, ms, chaos, fuzz, from } = self;
        write!(f, "tests={tests} seed={seed}")?;
        for (key, value) in [("rounds", rounds), ("samples", samples), ("ms", ms), ("from", from)] {
            if *value != 0 {
                write!(f, " {key}={value}")?;
            }
        }
        for (key, value) in [("bench", bench), ("chaos", chaos), ("fuzz", fuzz)] {
            if *value {
                write!(f, " {key}=1")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odd() -> Options {
        let tests = "cycles-4k".to_owned();
        let (bench, chaos, fuzz) = (true, true, true);
        Options { tests, rounds: 9, seed: 7, samples: 3, bench, ms: 2, chaos, fuzz, from: 4 }
    }

    #[test]
    fn what_is_written_is_read() {
        for options in [Options::default(), odd()] {
            let line = options.command_line();
            assert_eq!(Options::of_command_line(line.as_bytes()), Ok(options));
        }
    }

    #[test]
    fn a_path_before_the_mark_takes_nothing_away_and_adds_nothing() {
        let paths: [&[u8]; 6] =
            [b"", b"/a b/k ", b"/seed=9/k ", b"/\xFF\xFE/k ", b"/a -- tests=boot/k ", b"/a--b/k "];
        for path in paths {
            let line = [path, odd().command_line().as_bytes()].concat();
            assert_eq!(Options::of_command_line(&line), Ok(odd()), "{path:?}");
        }
    }

    #[test]
    fn a_word_that_is_not_understood_is_an_error() {
        let read = |words: &str| Options::of_command_line(words.as_bytes()).unwrap_err();
        assert_eq!(read("k tests=all"), Wrong::NoMark);
        assert_eq!(read(""), Wrong::NoMark);
        assert_eq!(Options::of_command_line(b"-- tests=\xFF"), Err(Wrong::NoText));
        assert_eq!(read("-- tests"), Wrong::Word("tests".to_owned()));
        assert_eq!(read("-- sede=7"), Wrong::Key("sede".to_owned()));
        assert_eq!(read("-- seed=7 seed=7"), Wrong::Twice("seed".to_owned()));
        for word in ["seed=x", "seed=", "seed=4294967296", "seed=-1", "chaos=2", "bench=", "tests="]
        {
            assert!(matches!(read(&alloc::format!("-- {word}")), Wrong::Value(..)), "{word}");
        }
        assert!(matches!(read(&alloc::format!("-- tests={}", "x".repeat(33))), Wrong::Value(..)));
    }
}
