//! What the core tells an observer: the vocabulary of traces.

use core::fmt;

/// A step of the core that a person reading a trace wants to see by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
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
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
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
        }
    }
}
