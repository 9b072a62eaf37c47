//! What the core tells an observer: the vocabulary of traces.

use core::fmt;

use crate::function::Function;

/// A step of the core that a person reading a trace wants to see by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A function of mmu.c begins. For those who count what was run; no step of an execution.
    Call(Function),
    /// `vmap` took addresses and filled in their entries.
    Mapped {
        /// First virtual address.
        va: u32,
        /// First physical address.
        pa: u32,
        /// Bytes.
        size: u32,
    },
    /// `vunmap` is about to clear the entries of a range.
    Unmapping {
        /// First virtual address.
        va: u32,
        /// Bytes.
        size: u32,
    },
    /// `vunmap` has cleared the entries and asks every CPU to drop what it cached.
    Requesting,
    /// This CPU flushes because it was asked to.
    Serving,
    /// This CPU says that it has flushed.
    Acknowledging,
    /// Every CPU has answered; `vunmap` is about to return.
    Unmapped {
        /// First virtual address.
        va: u32,
        /// Bytes.
        size: u32,
    },
    /// `vmapsync` copied a master entry into the loaded page directory.
    Synced {
        /// Address that faulted.
        va: u32,
    },
    /// Large entries that the master no longer has were removed from a page directory.
    Swept,
    /// The mappings of every process that matches are about to be dropped.
    Dropping,
    /// A user fault ended with a mapping.
    Fault {
        /// Address that faulted.
        va: u32,
        /// Physical address that it shows now.
        pa: u32,
    },
    /// putmmu refused, because a flush came since the fault began.
    Refused {
        /// Address that faulted.
        va: u32,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Event::Call(function) => write!(f, "{}", function.name()),
            Event::Mapped { va, pa, size } => {
                write!(f, "vmap: va={va:#010x} now shows pa={pa:#010x}, size={size:#x}")
            }
            Event::Unmapping { va, size } => {
                write!(f, "vunmap: clear the entries of va={va:#010x}, size={size:#x}")
            }
            Event::Requesting => f.write_str("vunmap: ask every CPU to flush"),
            Event::Serving => f.write_str("a flush was asked for: flush"),
            Event::Acknowledging => f.write_str("say that the flush is done"),
            Event::Unmapped { va, size } => {
                write!(f, "vunmap: return; va={va:#010x}, size={size:#x} is gone")
            }
            Event::Synced { va } => write!(f, "vmapsync: copied the entry of va={va:#010x}"),
            Event::Swept => f.write_str("swept stale large entries from a page directory"),
            Event::Dropping => f.write_str("procflushmmu: ask processes to drop their mappings"),
            Event::Fault { va, pa } => write!(f, "fault: va={va:#010x} now shows pa={pa:#010x}"),
            Event::Refused { va } => {
                write!(f, "putmmu: refuse va={va:#010x}, a flush came since the fault began")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    /// A reader of a trace finds each step's addresses in it, and tells the steps apart.
    #[test]
    fn every_event_is_told_in_words_of_its_own() {
        let (va, pa, size) = (0xE000_1000, 0x4000_0000, 0x2000);
        let events = [
            (Event::Call(Function::Putmmu), "putmmu"),
            (Event::Mapped { va, pa, size }, "va=0xe0001000 now shows pa=0x40000000, size=0x2000"),
            (Event::Unmapping { va, size }, "clear the entries of va=0xe0001000, size=0x2000"),
            (Event::Requesting, "ask every CPU"),
            (Event::Serving, "flush was asked for"),
            (Event::Acknowledging, "flush is done"),
            (Event::Unmapped { va, size }, "va=0xe0001000, size=0x2000 is gone"),
            (Event::Synced { va }, "entry of va=0xe0001000"),
            (Event::Swept, "stale large entries"),
            (Event::Dropping, "procflushmmu"),
            (Event::Fault { va: 0x5000, pa }, "va=0x00005000 now shows pa=0x40000000"),
            (Event::Refused { va: 0x5000 }, "refuse va=0x00005000"),
        ];
        for (event, words) in events {
            let text = event.to_string();
            assert!(text.contains(words), "{text} does not say {words}");
        }
    }
}
