//! What a machine is like, besides its variant.

/// What the CPUs of a machine can do beyond a 386; all alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// INVLPG.
    pub invlpg: bool,
    /// Large pages.
    pub pse: bool,
    /// Global pages.
    pub pge: bool,
    /// The page attribute table.
    pub pat: bool,
}

impl Features {
    /// A CPU that can do it all.
    pub const ALL: Self = Self { invlpg: true, pse: true, pge: true, pat: true };
    /// A 386.
    pub const NONE: Self = Self { invlpg: false, pse: false, pge: false, pat: false };
}

/// What happens by chance. All of it is drawn from the machine's seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chances {
    /// On average one in so many accesses of the core lets something happen: a tick, a pending IPI,
    /// a walk for no reason. 0: nothing does, until somebody waits.
    pub accesses: u32,
    /// Percent of the calls of newpage that sleep, and may wake on another CPU.
    pub sleep: u8,
    /// Percent of the ticks that move the process which they interrupt to another CPU, if it may be
    /// preempted and a CPU is free.
    pub preempt: u8,
}

impl Chances {
    /// Nothing happens before somebody waits for it.
    pub const NONE: Self = Self { accesses: 0, sleep: 0, preempt: 0 };
    /// Everything happens often; processes stay where they are unless they sleep.
    pub const MANY: Self = Self { accesses: 24, sleep: 30, preempt: 0 };
}

/// A machine's size and nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// CPUs, from 1 to [`MAXMACH`](mmu386::layout::MAXMACH).
    pub cpus: usize,
    /// Process slots.
    pub procs: usize,
    /// Pages of the page allocator that the window shows.
    pub pages: usize,
    /// Pages of the page allocator above the window.
    pub pages_above: usize,
    /// Page tables that xspanalloc gives before it has no memory.
    pub tables: usize,
    /// What the CPUs can do.
    pub features: Features,
    /// What happens by chance.
    pub chances: Chances,
    /// Whether values with one owner panic when another touches them.
    pub check_owners: bool,
}

impl Default for Config {
    /// Four modern CPUs, eight processes, pages below and above the window, many chances.
    fn default() -> Self {
        Self {
            cpus: 4,
            procs: 8,
            pages: 48,
            pages_above: 80,
            tables: 64,
            features: Features::ALL,
            chances: Chances::MANY,
            check_owners: true,
        }
    }
}
