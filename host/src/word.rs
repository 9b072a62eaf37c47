//! Words that several CPUs read and write.

use std::fmt;
use std::sync::atomic::AtomicU32;

use mmu386::arch::WordName;
use mmu386::layout::{BY2PG, Frame};

/// A shared word, and which one it is.
pub struct Word {
    pub(crate) value: AtomicU32,
    /// A physical address for an entry; else a kind in the lowest bits and a number above them.
    tag: u32,
}

const KIND: u32 = BY2PG - 1;

impl Word {
    pub(crate) fn new(name: WordName, value: u32) -> Self {
        let number = |n: usize| (n as u32) * BY2PG;
        let tag = match name {
            WordName::Entry(table, index) => table.pa() + index as u32 * 4,
            WordName::FlushMmu(n) => number(n) | 1,
            WordName::Flushed(n) => number(n) | 2,
            WordName::Online(n) => number(n) | 3,
            WordName::NewTlb(n) => number(n) | 5,
            WordName::State(n) => number(n) | 6,
            WordName::Running(n) => number(n) | 7,
            WordName::Flushes(n) => number(n) | 9,
            WordName::VmapLock => 10,
            WordName::SegmentLock(base) => base & !KIND | 11,
            WordName::FlushGen => 13,
            WordName::SlotGen => 14,
            WordName::Other(_, n) => number(n) | 15,
        };
        Self { value: AtomicU32::new(value), tag }
    }

    /// Which word it is.
    pub fn name(&self) -> WordName {
        let n = (self.tag / BY2PG) as usize;
        match self.tag & KIND {
            1 => WordName::FlushMmu(n),
            2 => WordName::Flushed(n),
            3 => WordName::Online(n),
            5 => WordName::NewTlb(n),
            6 => WordName::State(n),
            7 => WordName::Running(n),
            9 => WordName::Flushes(n),
            10 => WordName::VmapLock,
            11 => WordName::SegmentLock(self.tag & !KIND),
            13 => WordName::FlushGen,
            14 => WordName::SlotGen,
            15 => WordName::Other("a word around the core,", n),
            offset => WordName::Entry(Frame::containing(self.tag), offset as usize / 4),
        }
    }

    pub(crate) fn is_lock(&self) -> bool {
        matches!(self.tag & KIND, 10 | 11)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            WordName::FlushMmu(n) => write!(f, "flushmmu of cpu{n}"),
            WordName::Flushed(n) => write!(f, "the answer of cpu{n}"),
            WordName::Online(n) => write!(f, "whether cpu{n} is online"),
            WordName::NewTlb(n) => write!(f, "newtlb of proc {n}"),
            WordName::State(n) => write!(f, "state of proc {n}"),
            WordName::Running(n) => write!(f, "the process that cpu{n} runs"),
            WordName::Flushes(n) => write!(f, "flushes of proc {n}"),
            WordName::VmapLock => f.write_str("vmaplock"),
            WordName::SegmentLock(base) => write!(f, "the lock of the segment at {base:#010x}"),
            WordName::FlushGen => f.write_str("the generation of requests"),
            WordName::SlotGen => f.write_str("the generation of large entries"),
            WordName::Entry(table, index) => write!(f, "entry {index} of {:#010x}", table.pa()),
            WordName::Other(what, n) => write!(f, "{what} {n}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_knows_its_name() {
        let entry = WordName::Entry(Frame::containing(0x2000_3000), 1023);
        for name in [
            entry,
            WordName::FlushMmu(31),
            WordName::Flushed(3),
            WordName::Online(0),
            WordName::NewTlb(7),
            WordName::State(6),
            WordName::Running(5),
            WordName::Flushes(4),
            WordName::VmapLock,
            WordName::SegmentLock(0x4000_1000),
            WordName::FlushGen,
            WordName::SlotGen,
        ] {
            assert_eq!(Word::new(name, 0).name(), name);
        }
        assert!(!Word::new(entry, 0).is_lock());
        assert!(Word::new(WordName::VmapLock, 0).is_lock());
    }
}
