//! What happened on each CPU: the last of it for people, all of it as a number.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use mmu386::event::Event;
use parking_lot::Mutex;

/// Steps that are kept per CPU.
const KEPT: usize = 48;

/// A step that is worth a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// The core said so.
    Core(Event),
    /// A clock tick is taken.
    Tick,
    /// A shootdown IPI is taken.
    Ipi,
    /// A shootdown IPI is sent to a CPU.
    Kick(usize),
    /// CR3 is loaded.
    Cr3(u32),
    /// INVLPG.
    Invlpg(u32),
    /// The walker caches a translation from virtual to physical address for no reason.
    Speculated(u32, u32),
    /// A process enters the CPU.
    Enters(usize),
    /// A process leaves the CPU.
    Leaves(usize),
    /// The program accesses an address, which leads to another.
    Access(u32, u32),
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Core(event) => write!(f, "{event}"),
            Self::Tick => f.write_str("tick"),
            Self::Ipi => f.write_str("IPI"),
            Self::Kick(cpu) => write!(f, "IPI sent to cpu{cpu}"),
            Self::Cr3(pdb) => write!(f, "CR3 = {pdb:#010x}"),
            Self::Invlpg(va) => write!(f, "INVLPG {va:#010x}"),
            Self::Speculated(va, pa) => write!(f, "walks to {pa:#010x} through {va:#010x}"),
            Self::Enters(proc) => write!(f, "proc {proc} enters"),
            Self::Leaves(proc) => write!(f, "proc {proc} leaves"),
            Self::Access(va, pa) => write!(f, "accesses {pa:#010x} through {va:#010x}"),
        }
    }
}

impl Happening {
    /// A number in which two that differ differ, but for accidents.
    fn number(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.to_string().hash(&mut hasher);
        hasher.finish()
    }
}

#[derive(Default)]
struct Lane {
    recent: VecDeque<(u64, Happening)>,
    digest: u64,
}

/// The steps of a machine, a lane per CPU so that CPUs do not wait for each other to write one.
pub(crate) struct Log {
    lanes: Vec<Mutex<Lane>>,
    steps: AtomicU64,
    with_digest: bool,
}

impl Log {
    pub fn new(cpus: usize, with_digest: bool) -> Self {
        let lanes = (0..cpus).map(|_| Mutex::default()).collect();
        Self { lanes, steps: AtomicU64::new(0), with_digest }
    }

    pub fn push(&self, cpu: usize, what: Happening) {
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        let mut lane = self.lanes[cpu].lock();
        if self.with_digest {
            let mixed = lane.digest.rotate_left(7) ^ what.number() ^ step;
            lane.digest = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        if lane.recent.len() == KEPT {
            lane.recent.pop_front();
        }
        lane.recent.push_back((step, what));
    }

    /// All that has happened, in its order, as a number.
    pub fn digest(&self) -> u64 {
        let lanes = self.lanes.iter().map(|lane| lane.lock().digest);
        lanes.fold(0, |all, lane| all.rotate_left(9) ^ lane)
    }

    /// The last steps of all CPUs, in order.
    pub fn recent(&self) -> Vec<(usize, Happening)> {
        let mut all: Vec<_> = Vec::new();
        for (cpu, lane) in self.lanes.iter().enumerate() {
            all.extend(lane.lock().recent.iter().map(|&(step, what)| (step, cpu, what)));
        }
        all.sort_by_key(|&(step, ..)| step);
        all.drain(..all.len().saturating_sub(KEPT));
        all.into_iter().map(|(_, cpu, what)| (cpu, what)).collect()
    }
}
