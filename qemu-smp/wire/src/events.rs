//! The last events of a CPU: how the kernel keeps them in memory, and what they mean.
//!
//! The kernel has a ring for each CPU in an array with the symbol [`SYMBOL`]. A panic sends them as
//! lines; where the kernel is silent the harness reads the array out of the guest's memory.

use core::fmt;

/// Where the kernel sees physical memory: the array is at its symbol's address less this.
pub const KZERO: u32 = 0xF000_0000;
/// The array's symbol.
pub const SYMBOL: &str = "EVENT_RINGS";
/// Rings in the array.
pub const RINGS: usize = 32;
/// Events in a ring. The oldest may be half overwritten, so that one less can be read.
pub const RING: usize = 32;
/// Words before a ring's first event: how many events there were, the number of the process that
/// the CPU runs, the address of its name and the name's length.
pub const HEAD: usize = 4;
/// Words of an event.
pub const WORDS: usize = 5;
/// Words of a ring.
pub const RING_WORDS: usize = HEAD + RING * WORDS;
/// The number of no process.
pub const NO_PROCESS: u32 = u32::MAX;
/// Most events in one line.
pub const LINE: usize = 16;

/// What happened. What `a` and `b` of the event are is said by its `Display`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[non_exhaustive]
pub enum Kind {
    /// The scheduler enters a process.
    Enter = 1,
    /// It has left the process.
    Leave,
    /// A page fault.
    Fault,
    /// An interrupt other than the tick.
    Interrupt,
    /// An exception other than a page fault.
    Exception,
    /// An interrupt is sent to a CPU.
    Ipi,
    /// `vmap` filled entries in.
    Mapped,
    /// `vunmap` clears entries.
    Unmapping,
    /// All CPUs are asked to flush.
    Requesting,
    /// This CPU flushes, as it was asked to.
    Serving,
    /// It says so.
    Acknowledging,
    /// All have answered.
    Unmapped,
    /// An entry of the master was copied.
    Synced,
    /// Stale large entries were removed.
    Swept,
    /// Processes are asked to drop their mappings.
    Dropping,
    /// A user fault ended with a mapping.
    Resolved,
    /// putmmu refused one.
    Refused,
}

/// Numbers of kinds are below this.
pub const KINDS: usize = ALL.len() + 1;

const ALL: [Kind; 17] = [
    Kind::Enter,
    Kind::Leave,
    Kind::Fault,
    Kind::Interrupt,
    Kind::Exception,
    Kind::Ipi,
    Kind::Mapped,
    Kind::Unmapping,
    Kind::Requesting,
    Kind::Serving,
    Kind::Acknowledging,
    Kind::Unmapped,
    Kind::Synced,
    Kind::Swept,
    Kind::Dropping,
    Kind::Resolved,
    Kind::Refused,
];

/// An event, as its words: the TSC's low and high half, the kind, and two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event(pub [u32; WORDS]);

impl Event {
    /// An event at a reading of the TSC.
    pub const fn new(tsc: u64, kind: Kind, a: u32, b: u32) -> Self {
        Self([tsc as u32, (tsc >> 32) as u32, kind as u32, a, b])
    }

    /// When, by the TSC.
    pub fn tsc(&self) -> u64 {
        u64::from(self.0[0]) | u64::from(self.0[1]) << 32
    }

    /// What; `None` for a number that means nothing.
    pub fn kind(&self) -> Option<Kind> {
        ALL.into_iter().find(|kind| *kind as u32 == self.0[2])
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, _, number, a, b] = self.0;
        let Some(kind) = self.kind() else { return write!(f, "event {number}: {a:#x} {b:#x}") };
        match kind {
            Kind::Enter => write!(f, "enters process {a}"),
            Kind::Leave => write!(f, "leaves process {a}, whose state is {b}"),
            Kind::Fault => write!(f, "page fault at va={a:#010x}, eip={b:#010x}"),
            Kind::Interrupt => write!(f, "interrupt {a:#x} at eip={b:#010x}"),
            Kind::Exception => write!(f, "exception {a} at eip={b:#010x}"),
            Kind::Ipi => write!(f, "sends interrupt {a:#x} to LAPIC {b}"),
            Kind::Mapped => write!(f, "vmap gives va={a:#010x}, size={b:#x}"),
            Kind::Unmapping => write!(f, "vunmap clears va={a:#010x}, size={b:#x}"),
            Kind::Requesting => f.write_str("asks CPUs to flush"),
            Kind::Serving => f.write_str("flushes, as it was asked to"),
            Kind::Acknowledging => f.write_str("says that it has flushed"),
            Kind::Unmapped => write!(f, "vunmap returns, va={a:#010x}, size={b:#x} is gone"),
            Kind::Synced => write!(f, "vmapsync copies the entry of va={a:#010x}"),
            Kind::Swept => f.write_str("sweeps stale large entries"),
            Kind::Dropping => f.write_str("procflushmmu asks processes to drop their mappings"),
            Kind::Resolved => write!(f, "va={a:#010x} shows pa={b:#010x} now"),
            Kind::Refused => write!(f, "putmmu refuses va={a:#010x}: a flush came"),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::BTreeSet;
    use std::string::ToString;

    use super::*;

    #[test]
    fn each_kind_has_a_number_and_words_of_its_own() {
        let words: BTreeSet<_> =
            ALL.map(|kind| Event::new(7, kind, 0x1000, 3).to_string()).into_iter().collect();
        assert_eq!(words.len(), ALL.len());
        for kind in ALL {
            assert_eq!(Event::new(1 << 40 | 5, kind, 0, 0).kind(), Some(kind));
        }
        assert_eq!(Event::new(1 << 40 | 5, Kind::Ipi, 0, 0).tsc(), 1 << 40 | 5);
    }

    #[test]
    fn a_number_that_means_nothing_is_shown_as_it_is() {
        for number in [0, 18, u32::MAX] {
            let event = Event([0, 0, number, 0xAB, 2]);
            assert_eq!(event.kind(), None);
            assert!(
                event.to_string().contains(&number.to_string())
                    && event.to_string().contains("0xab")
            );
        }
    }
}
