//! How long vunmap takes while every other CPU is busy.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use alloc::sync::Arc;
use alloc::vec::Vec;
use mmu386_wire::Line;

use super::context::Context;
use super::crew::crew;
use super::device::pages_for;
use crate::layout::BY2PG;
use crate::mmu::Fixes;
use crate::spl::Spin;
use crate::{clock, mmu, probe, report};

/// Samples of a variant that answers by interrupt, and of one that waits for ticks.
const SAMPLES: [u32; 2] = [200, 20];

fn measure(context: &Context, samples: u32) -> Vec<u64> {
    let Some(pages) = pages_for(context, 0, 1) else {
        return Vec::new();
    };
    mmu::upallocpdb();
    let mut taken = Vec::with_capacity(samples as usize);
    let warm_up = samples / 10;
    for round in 0..samples + warm_up {
        let va = match mmu::vmap(pages.page(round as usize), BY2PG) {
            Ok(va) => va,
            Err(error) => panic!("{error}"),
        };
        // Every CPU caches what is about to go.
        probe::everywhere(va);
        let span = match mmu::timed_vunmap(va, BY2PG) {
            Ok(span) => span,
            Err(error) => panic!("{error}"),
        };
        if round >= warm_up {
            taken.push(clock::nanoseconds(span));
        }
    }
    taken
}

/// Process 0 measures on CPU 0, the others keep their CPUs busy, interrupts on.
pub fn run(context: &Context) {
    let own = SAMPLES[usize::from(!mmu::has(Fixes::B1))];
    let samples = if context.samples == 0 { own } else { context.samples };
    let shared = context.clone();
    let busy = AtomicU32::new(0);
    let over = Arc::new(AtomicBool::new(false));
    let ncpu = context.ncpu as u32;
    crew(&"bench", context.ncpu, Some, move |cpu| {
        busy.fetch_add(1, Ordering::SeqCst);
        if cpu != 0 {
            let mut spin = Spin::default();
            while !over.load(Ordering::Relaxed) {
                spin.turn();
            }
            return;
        }
        let mut spin = Spin::default();
        while busy.load(Ordering::SeqCst) != ncpu {
            spin.turn();
        }
        let mut taken = measure(&shared, samples);
        over.store(true, Ordering::Relaxed);
        taken.sort_unstable();
        if let [min, .., max] = taken[..] {
            report::send(&Line::Bench {
                name: "vunmap_4k".into(),
                samples: taken.len() as u32,
                median_ns: taken[taken.len() / 2],
                min_ns: min,
                max_ns: max,
            });
        }
    });
}
