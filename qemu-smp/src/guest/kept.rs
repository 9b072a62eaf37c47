//! Lines that are kept, of somebody who may well print for ever: the last ones.

use std::ops::Deref;

use serde::{Serialize, Serializer};

/// Most lines that are kept.
pub const MOST: usize = 10_000;
/// Most bytes of them.
const BYTES: usize = 4 << 20;

/// The last lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    lines: Vec<String>,
    bytes: usize,
    dropped: usize,
}

impl Kept {
    /// Adds a line; makes room for it by giving up the older half.
    pub fn keep(&mut self, line: String) {
        if self.lines.len() >= MOST || self.bytes + line.len() > BYTES {
            let half = self.lines.len().div_ceil(2);
            let gone: usize = self.lines.drain(..half).map(|line| line.len()).sum();
            self.bytes -= gone;
            self.dropped += half;
        }
        self.bytes += line.len();
        self.lines.push(line);
    }

    /// How many lines came before those that are kept.
    pub fn dropped(&self) -> usize {
        self.dropped
    }
}

impl Deref for Kept {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.lines
    }
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.lines.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_many_lines_nor_long_ones_fill_the_memory() {
        for (length, count) in [(1, 3 * MOST), (60_000, 1000)] {
            let mut kept = Kept::default();
            for number in 0..count {
                kept.keep(format!("{number:0length$}"));
            }
            assert!(kept.len() <= MOST && kept.bytes <= BYTES, "{} lines", kept.len());
            assert_eq!(kept.len() + kept.dropped(), count);
            assert_eq!(kept.last().unwrap().parse(), Ok(count - 1), "the last one is there");
            assert_eq!(kept.bytes, kept.iter().map(String::len).sum::<usize>());
        }
    }
}
