//! A1: copies of a large entry that survive vunmap, in directories that nobody cleared.
//!
//! 4 MB of video memory are mapped and touched by every CPU and by processes with directories of
//! their own, unmapped, and replaced by 4 MB of shared memory at the same addresses.

use core::sync::atomic::{AtomicUsize, Ordering};

use alloc::sync::Arc;

use super::context::{Context, Outcome};
use super::crew::{Barrier, crew};
use super::device::Mapping;
use crate::layout::BY2LARGE;
use crate::mmu;
use crate::oracle::large_pages;

/// What the processes look at in this phase.
struct Stage {
    barrier: Barrier,
    va: AtomicUsize,
    pa: AtomicUsize,
}

impl Stage {
    /// The leader shows a mapping, and everybody, the leader included, judges it.
    fn show(&self, context: &Context, mapping: &Mapping) {
        self.va.store(mapping.va, Ordering::SeqCst);
        self.pa.store(mapping.pa, Ordering::SeqCst);
        mapping.check_everywhere(context, 0);
        self.barrier.wait();
        self.barrier.wait();
    }

    fn follow(&self, context: &Context) -> bool {
        self.barrier.wait();
        let (va, pa) = (self.va.load(Ordering::SeqCst), self.pa.load(Ordering::SeqCst));
        if va != 0 {
            Mapping { va, pa, size: BY2LARGE }.check_here(context);
        }
        self.barrier.wait();
        va != 0
    }
}

/// The scenario, several times over; process 0 leads.
pub fn run(context: &Context) -> Outcome {
    let devices = &context.devices;
    let (Some(video), Some(shared)) = (&devices.framebuffer, &devices.ivshmem) else {
        return Outcome::new(1, format_args!("no framebuffer or no ivshmem"));
    };
    let (Some(old), Some(new)) = (large_pages(video).next(), large_pages(shared).next()) else {
        return Outcome::new(1, format_args!("no 4 MB of device memory in one piece"));
    };
    let people = context.ncpu * 2 + 1;
    let reused = Arc::new(AtomicUsize::new(0));
    let rounds = Arc::new(AtomicUsize::new(0));
    let stage =
        Stage { barrier: Barrier::new(people), va: AtomicUsize::new(0), pa: AtomicUsize::new(0) };
    let (same, done, context_) = (reused.clone(), rounds.clone(), context.clone());
    let wired = |who: usize| (who > 0 && who <= context.ncpu).then(|| who - 1);
    crew(&"a1-large", people, wired, move |who| {
        let context = &context_;
        mmu::upallocpdb();
        if who != 0 {
            while stage.follow(context) {}
            return;
        }
        let mut limit = context.limit(12, 3000);
        while limit.next() {
            let first = Mapping::new(context, old, BY2LARGE);
            let va = first.va;
            stage.show(context, &first);
            first.unmap(context);
            let second = Mapping::new(context, new, BY2LARGE);
            same.fetch_add(usize::from(second.va == va), Ordering::Relaxed);
            stage.show(context, &second);
            second.unmap(context);
            done.fetch_add(1, Ordering::Relaxed);
        }
        stage.va.store(0, Ordering::SeqCst);
        stage.barrier.wait();
        stage.barrier.wait();
    });
    let (rounds, reused) = (rounds.load(Ordering::Relaxed), reused.load(Ordering::Relaxed));
    let mut outcome = context.outcome(format_args!(
        "{rounds} times 4 MB of video memory, then 4 MB of shared memory, \
         {reused} times at the same address, {people} processes"
    ));
    // Without reuse of the address the scenario says nothing.
    outcome.failures += u32::from(reused == 0);
    outcome
}
