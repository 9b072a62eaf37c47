//! The kernel's command line: options after a word `--`, as [`mmu386_wire::options`] has them.

use heapless::Vec;
use mmu386_wire::options::marked;

pub use mmu386_wire::Options;

/// Most bytes of options.
const MOST: usize = 256;

/// A copy of what matters of the command line, which the loader left in memory that will be used.
pub enum Kept {
    /// What comes after the mark.
    Words(Vec<u8, MOST>),
    /// There is no mark.
    NoMark,
    /// There is more than a copy takes.
    TooLong,
}

impl Kept {
    /// Copies. Called before there is anywhere to say what is wrong.
    pub fn of(line: &[u8]) -> Kept {
        match marked(line).map(Vec::from_slice) {
            Some(Ok(words)) => Kept::Words(words),
            Some(Err(_)) => Kept::TooLong,
            None => Kept::NoMark,
        }
    }

    /// What it asks for. What is not understood ends the boot: to run something else would be taken for
    /// what was asked for.
    pub fn options(&self) -> Options {
        let read = match self {
            Kept::Words(words) => Options::of_marked(words),
            Kept::NoMark => Options::of_command_line(b""),
            Kept::TooLong => panic!("command line: options of more than {MOST} bytes"),
        };
        match read {
            Ok(options) => options,
            Err(wrong) => panic!("command line: {wrong}"),
        }
    }
}
