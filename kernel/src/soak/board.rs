//! Mappings that their owner shows to others. Nobody unmaps what another one looks at.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use crate::sched;
use crate::tests::device::Mapping;

/// The mapping may be looked at.
const OPEN: u32 = 1 << 31;

/// A place for one mapping.
#[derive(Default)]
pub struct Board {
    /// Somebody's mapping is here, or is being put here or taken away.
    taken: AtomicBool,
    /// `OPEN`, and how many look.
    state: AtomicU32,
    va: AtomicUsize,
    pa: AtomicUsize,
    size: AtomicUsize,
}

impl Board {
    /// Shows a mapping, while `meanwhile` runs, if there is room. Returns when nobody looks any more.
    pub fn show(&self, mapping: &Mapping, meanwhile: impl FnOnce()) {
        if self.taken.swap(true, Ordering::SeqCst) {
            return;
        }
        self.va.store(mapping.va, Ordering::Relaxed);
        self.pa.store(mapping.pa, Ordering::Relaxed);
        self.size.store(mapping.size, Ordering::Relaxed);
        self.state.fetch_or(OPEN, Ordering::SeqCst);
        meanwhile();
        self.state.fetch_and(!OPEN, Ordering::SeqCst);
        while self.state.load(Ordering::SeqCst) != 0 {
            sched::relax();
        }
        self.taken.store(false, Ordering::SeqCst);
    }

    /// Looks at the mapping, if there is one.
    pub fn visit(&self, look: impl FnOnce(&Mapping)) {
        let enter = |state| (state & OPEN != 0).then_some(state + 1);
        if self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, enter).is_err() {
            return;
        }
        let at = |word: &AtomicUsize| word.load(Ordering::Relaxed);
        look(&Mapping { va: at(&self.va), pa: at(&self.pa), size: at(&self.size) });
        self.state.fetch_sub(1, Ordering::SeqCst);
    }
}
