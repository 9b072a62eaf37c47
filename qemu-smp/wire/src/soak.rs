//! What a soak counts, and what its shared memory must show.

use serde::{Deserialize, Serialize};

/// Buckets of the histogram of latencies: bucket `n` counts what took from 2^n nanoseconds to twice
/// that, bucket 0 also what took less, the last also what took more.
pub const BUCKETS: usize = 36;

/// Vectors of exceptions.
pub const VECTORS: usize = 32;
/// Most programs of the fuzzer that a line names.
pub const MOST_ALIVE: usize = 8;

/// The bucket for a time.
pub const fn bucket(nanoseconds: u64) -> usize {
    let log = (nanoseconds | 1).ilog2() as usize;
    if log < BUCKETS { log } else { BUCKETS - 1 }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What happened since the soak began.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u32,)*
        }

        impl Counters {
            /// Their names, in order.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];

            /// Their values, in the order of the names.
            pub fn values(&self) -> impl Iterator<Item = u32> + use<> {
                [$(self.$name,)*].into_iter()
            }

            /// What happened since an earlier count.
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                Self { $($name: self.$name.wrapping_sub(earlier.$name),)* }
            }
        }
    };
}

counters! {
    /// vunmap, asking all CPUs.
    shootdowns,
    /// procflushmmu, asking those that run a process.
    flushes,
    /// CPUs that flushed because they were asked to.
    served,
    /// Times that a CPU entered a process.
    switches,
    /// Times that it was another CPU than before.
    migrations,
    /// Page faults, in ring 3 and in the kernel.
    faults,
    /// Faults that putmmu refused, as a flush came in between.
    refused,
    /// Directory entries that vmapsync copied.
    synced,
    /// Times that stale large entries were swept.
    swept,
    /// Page directories that were asked for.
    pdballocs,
    /// Those of them that a CPU's pool had.
    pool_hits,
    /// Processes in ring 3 that there were.
    lives,
    /// Forks.
    forks,
    /// Programs started.
    execs,
    /// Pages copied because they were written to.
    copies,
    /// System calls.
    calls,
    /// Times that a process slept for a page.
    slept,
    /// Mappings of device memory that were used and unmapped.
    maps,
    /// Those of them with 4 MB.
    large,
    /// Lives of drivers.
    drivers,
    /// Looks by their interrupt handlers.
    handled,
    /// Times that countpagerefs was compared with the allocator.
    counted,
    /// Accesses of device memory whose result was judged.
    judged,
    /// Rounds of the kernel's own processes, of whatever they do.
    rounds,
    /// Audits with the world stopped.
    audits,
    /// Delays, stalls and withheld or doubled interrupts of the chaos.
    chaos,
    /// Bytes of the kernel's heap that are in use beyond those at the beginning.
    heap,
    /// Accesses of device memory with no LOCKed instruction near.
    bare,
    /// Random programs in ring 3 that were run to their end.
    fuzzed,
    /// Those of them that did not end by themselves.
    stopped,
    /// Findings: stale hits and broken invariants.
    findings,
}

/// The oracles of a soak in the guest, each of which has a defect planted for it, in this order, by a boot with
/// `tests=planted`: its test there fails, or the oracle is blind.
pub const ORACLES: [&str; 21] = [
    "device-tag",
    "device-tail",
    "device-everywhere",
    "device-overlap",
    "device-stale",
    "device-register",
    "bare-live",
    "bare-gone",
    "driver",
    "combining",
    "kmap",
    "segment",
    "program-report",
    "program-status",
    "hostile",
    "fuzz",
    "kernel-image",
    "page-count",
    "page-account",
    "heap-account",
    "audit",
];
/// The test of that boot which plants what the host alone can find, and fails never.
pub const WINDOW: &str = "window";

/// What the memory that host and guest share shows: three words of each page.
pub mod window {
    /// Bytes of a page.
    pub const PAGE: usize = 4096;
    /// Offset of the word that nobody writes after boot: the page's tag.
    pub const TAG: usize = 0;
    /// Offset of the last word, which has the same tag: who looks at one end only does not see what happens
    /// at the other.
    pub const TAIL: usize = PAGE - 4;
    /// Offset of the word into which whoever has mapped the page may write its stamp.
    pub const STAMP: usize = 4;

    /// The tag of the page at a physical address of the guest.
    pub const fn tag(pa: usize) -> u32 {
        0x7A00_0000 | (pa / PAGE) as u32
    }

    /// Its stamp.
    pub const fn stamp(pa: usize) -> u32 {
        0x5700_0000 | (pa / PAGE) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_bucket_of_its_highest_bit() {
        assert_eq!([0, 1, 2, 3, 1024, 2047, 2048].map(bucket), [0, 0, 1, 1, 10, 10, 11]);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn counters_have_names_and_differences() {
        let now = Counters { shootdowns: 7, findings: 2, ..Counters::default() };
        let then = Counters { shootdowns: 4, ..Counters::default() };
        let values: alloc::vec::Vec<_> = now.since(&then).values().collect();
        assert_eq!(values.len(), Counters::NAMES.len());
        assert_eq!((Counters::NAMES[0], values[0], values.last()), ("shootdowns", 3, Some(&2)));
    }
}
