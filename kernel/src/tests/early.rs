//! A7: vunmap before there are processes, while the other CPUs run already.

use core::fmt::Write;

use heapless::{String, Vec};

use super::context::{Context, Finding, Outcome};
use crate::layout::{BY2PG, MAXMACH};
use crate::mmu::Fixes;
use crate::oracle::{Devices, tag};
use crate::probe::{self, Sight};
use crate::{mmu, println};

/// What was seen through one address, mapped and unmapped on CPU 0.
#[derive(Clone, Default)]
pub struct Sights {
    va: usize,
    pa: usize,
    mapped: Vec<Sight, MAXMACH>,
    unmapped: Vec<Sight, MAXMACH>,
}

/// Maps a page, has every CPU use it, and unmaps it. CPU 0, interrupts off, `up` nil; the other
/// CPUs idle. Judged later, when the plan has been told.
pub fn before_processes(devices: &Devices) -> Sights {
    let Some(range) = devices.ivshmem.as_ref().or(devices.framebuffer.as_ref()) else {
        return Sights::default();
    };
    if waits_for_itself() {
        return Sights::default();
    }
    let pa = range.start;
    let va = match mmu::vmap(pa, BY2PG) {
        Ok(va) => va,
        Err(error) => panic!("{error}"),
    };
    let mapped = probe::everywhere(va);
    if let Err(error) = mmu::vunmap(va, BY2PG) {
        panic!("{error}");
    }
    Sights { va, pa, mapped, unmapped: probe::everywhere(va) }
}

/// Without B1 a CPU waits for its own interrupt, and interrupts are off; the seed does not wait
/// here.
fn waits_for_itself() -> bool {
    mmu::has(Fixes::A7) && !mmu::has(Fixes::B1)
}

/// Judges what was seen.
pub fn run(context: &Context) -> Outcome {
    if waits_for_itself() {
        return Outcome::new(0, format_args!("not tried: without B1 it does not end"));
    }
    let Sights { va, pa, mapped, unmapped } = &*context.early;
    let (va, page) = (*va, tag(*pa));
    let wrong = mapped.iter().filter(|sight| sight.word != Some(page)).count();
    for sight in unmapped.iter().filter(|sight| sight.word.is_some()) {
        let why = "after a vunmap of early boot, the old memory can still be reached";
        let (hazard, cpu, seen) = ("A7", sight.cpu, sight.word.unwrap_or(0));
        context.finding(&Finding { hazard, cpu, va, expected: 0, seen, why });
    }
    let mut idle = String::<64>::new();
    for sight in unmapped.iter().filter(|sight| sight.idle && sight.cpu != 0) {
        // Only a list for people.
        let _ = write!(idle, " {}", sight.cpu);
    }
    if wrong != 0 {
        println!("{wrong} CPUs did not see the page while it was mapped");
    }
    let mut outcome = context
        .outcome(format_args!("one page, mapped and unmapped without a process; idle CPUs:{idle}"));
    outcome.failures += wrong as u32 + u32::from(mapped.is_empty());
    outcome
}
