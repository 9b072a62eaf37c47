//! The kernel's command line: options after a word `--`, as [`mmu386_wire::options`] has them.

use heapless::Vec;
use mmu386_wire::options::marked;

pub use mmu386_wire::Options;

/// Most bytes of options.
const MOST: usize = 256;

/// A copy of what matters of the command line, which the loader left in memory that will be used.
pub struct Kept {
    /// What comes after the mark, as far as it fits; nothing where there is no mark.
    words: Option<Vec<u8, MOST>>,
    /// Whether there is more than a copy takes.
    cut: bool,
}

impl Kept {
    /// Copies. Called before there is anywhere to say what is wrong.
    pub fn of(line: &[u8]) -> Kept {
        let words = marked(line);
        Kept {
            words: words.map(|words| words.iter().copied().take(MOST).collect()),
            cut: words.is_some_and(|words| words.len() > MOST),
        }
    }

    /// What comes after the mark, byte for byte: nothing where there is no mark, or more than a copy takes.
    pub fn words(&self) -> &[u8] {
        self.words.as_deref().filter(|_| !self.cut).unwrap_or_default()
    }

    /// What it asks for. What is not understood ends the boot: to run something else would be taken for
    /// what was asked for.
    pub fn options(&self) -> Options {
        assert!(!self.cut, "command line: options of more than {MOST} bytes");
        let read = match &self.words {
            Some(words) => Options::of_marked(words),
            None => Options::of_command_line(b""),
        };
        match read {
            Ok(options) => options,
            Err(wrong) => panic!("command line: {wrong}"),
        }
    }
}
