//! Random steps of processes and drivers, judged after each.
//!
//! A step is data of a few small numbers, which mean what they can in the situation: mapping 7 is the
//! seventh, counted round, of those that there are. So any list of steps can be run, also a shorter
//! one.

mod drivers;
mod hazard;
mod parallel;
mod processes;
mod reference;
mod run;
mod world;

pub use parallel::{run_parallel, run_parallel_while};
pub use run::{Finding, Outcome, run, run_while};

/// How vunmap is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// With interrupts on.
    Plain,
    /// With interrupts off.
    Splhi,
    /// With a lock held for which others spin with interrupts off.
    Locked,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// vmap of some pages of a new device, from a byte within its first page on.
    Vmap {
        /// Pages, less 1.
        pages: u8,
        /// Sixteenth of the first page at which the range starts.
        offset: u8,
    },
    /// vmap of large pages, and some small ones behind them.
    VmapLarge {
        /// Large pages, less 1.
        large: u8,
        /// Small pages.
        pages: u8,
        /// Small pages by which the device is not aligned.
        shift: u8,
    },
    /// vmap of what is no range.
    VmapNothing,
    /// vunmap of a mapping.
    Vunmap {
        /// Which.
        mapping: u8,
        /// How.
        how: How,
    },
    /// vunmap of the first page of a mapping that begins with a large one.
    VunmapPart {
        /// Which.
        mapping: u8,
    },
    /// An access to a mapping, or to one that is gone.
    TouchVmap {
        /// Which, newest first; those that are gone come behind the others.
        mapping: u8,
        /// Which page, counted round.
        page: u8,
        /// Whether it is written.
        write: bool,
    },
    /// patwc of a mapping.
    Patwc {
        /// Which.
        mapping: u8,
    },
    /// The process runs on the step's CPU; born, if it is not alive.
    Switch {
        /// Which.
        proc: u8,
    },
    /// The step's CPU runs nothing.
    Idle,
    /// The process drops its user mappings.
    Flushmmu {
        /// Which.
        proc: u8,
    },
    /// The process accesses a page of a segment, with as many faults as that takes.
    TouchUser {
        /// Which.
        proc: u8,
        /// Which segment.
        segment: u8,
        /// Which page of it.
        page: u8,
        /// Whether it is written.
        write: bool,
    },
    /// checkmmu of a page of a segment.
    Checkmmu {
        /// Which.
        proc: u8,
        /// Which segment.
        segment: u8,
        /// Which page of it.
        page: u8,
    },
    /// The process frees pages of a segment.
    Free {
        /// Which.
        proc: u8,
        /// Which segment.
        segment: u8,
        /// First page.
        page: u8,
        /// Pages, less 1.
        count: u8,
    },
    /// The process maps a page for the kernel.
    Kmap {
        /// Which.
        proc: u8,
    },
    /// The process undoes a kmap, and gives the page back.
    Kunmap {
        /// Which process.
        proc: u8,
        /// Which kmap.
        kmap: u8,
    },
    /// The process accesses a kmap.
    TouchKmap {
        /// Which process.
        proc: u8,
        /// Which kmap.
        kmap: u8,
    },
    /// The process dies.
    Die {
        /// Which.
        proc: u8,
    },
    /// countpagerefs.
    Countpagerefs,
}

impl Action {
    /// The process that does it, if it takes one.
    fn process(self) -> Option<u8> {
        match self {
            Self::Flushmmu { proc }
            | Self::TouchUser { proc, .. }
            | Self::Checkmmu { proc, .. }
            | Self::Free { proc, .. }
            | Self::Kmap { proc }
            | Self::Kunmap { proc, .. }
            | Self::TouchKmap { proc, .. }
            | Self::Die { proc } => Some(proc),
            _ => None,
        }
    }
}

/// What is done while a step is in the middle of something, with interrupts on and no lock held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meanwhile {
    /// After how many events of the core.
    pub events: u8,
    /// On which CPU.
    pub cpu: u8,
    /// What.
    pub action: Action,
}

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The CPU on which it is done, if not by a process that runs elsewhere.
    pub cpu: u8,
    /// What.
    pub action: Action,
    /// And what is done meanwhile.
    pub meanwhile: Option<Meanwhile>,
}

/// `count` steps that follow from a seed.
pub fn generate(seed: u64, count: usize) -> Vec<Step> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| step(&mut rng)).collect()
}

fn step(rng: &mut fastrand::Rng) -> Step {
    let meanwhile = (rng.u8(..4) == 0).then(|| Meanwhile {
        events: rng.u8(..24),
        cpu: rng.u8(..4),
        action: action(rng),
    });
    Step { cpu: rng.u8(..4), action: action(rng), meanwhile }
}

fn how(rng: &mut fastrand::Rng) -> How {
    match rng.u8(..8) {
        0 => How::Splhi,
        1 => How::Locked,
        _ => How::Plain,
    }
}

fn action(rng: &mut fastrand::Rng) -> Action {
    let proc = rng.u8(..6);
    let (segment, page) = (rng.u8(..3), rng.u8(..6));
    match rng.u8(..100) {
        0..8 => Action::Vmap { pages: rng.u8(..12), offset: rng.u8(..16) },
        8..13 => {
            let shift = if rng.u8(..4) == 0 { rng.u8(1..4) } else { 0 };
            Action::VmapLarge { large: rng.u8(..2), pages: rng.u8(..3), shift }
        }
        13 => Action::VmapNothing,
        14..25 => Action::Vunmap { mapping: rng.u8(..), how: how(rng) },
        25 => Action::VunmapPart { mapping: rng.u8(..) },
        26..44 => Action::TouchVmap { mapping: rng.u8(..16), page: rng.u8(..), write: rng.bool() },
        44..46 => Action::Patwc { mapping: rng.u8(..) },
        46..53 => Action::Switch { proc },
        53..57 => Action::Idle,
        57..59 => Action::Flushmmu { proc },
        59..75 => Action::TouchUser { proc, segment, page, write: rng.bool() },
        75..78 => Action::Checkmmu { proc, segment, page },
        78..84 => Action::Free { proc, segment, page, count: rng.u8(..3) },
        84..89 => Action::Kmap { proc },
        89..93 => Action::Kunmap { proc, kmap: rng.u8(..4) },
        93..96 => Action::TouchKmap { proc, kmap: rng.u8(..4) },
        96..99 => Action::Die { proc },
        _ => Action::Countpagerefs,
    }
}
