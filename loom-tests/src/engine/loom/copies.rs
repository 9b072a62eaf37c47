//! A word's atomic, once for each CPU that loads it.
//!
//! In RMW mode every access is a read-modify-write, and loom tries two of one atomic in both orders, also
//! if both are loads. So each CPU loads a copy of its own, and a store or LOCKed operation changes all
//! copies in one step: it conflicts with every load and every other store, and loads conflict with
//! nothing else.
//!
//! One step is a branch that loom explores, at the first copy, and others that it does not: it goes on
//! with the same thread there, and where it has to turn back at one of them, it does so at the last before
//! them that it explores, which is the first copy's. A test in `tests/loom_faults.rs` holds it to that.
//!
//! More accesses can be made one step in the same way ([`joined`]): all after the first that loom branches before.
//!
//! The explorations before have learnt which CPUs load a word. A CPU of which it is not known yet loads the
//! first copy, which is right, too: every store changes it.

use std::cell::{Cell, RefCell};

use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::{AcqRel, Relaxed};

use super::{learnt, steps};

thread_local! {
    static JOINED: Cell<bool> = const { Cell::new(false) };
    /// What nobody stores to.
    static ALONE: RefCell<Option<AtomicU32>> = RefCell::default();
}

/// An execution begins, and has no atomics yet.
pub(super) fn rewind() {
    ALONE.set(None);
}

/// Its atomics are made.
pub(super) fn make() {
    ALONE.with_borrow_mut(|alone| _ = alone.get_or_insert_with(|| AtomicU32::new(0)));
}

/// A step that conflicts with none, for a load of what nobody stores to: what is joined to it conflicts. Part of the
/// step before it needs none.
pub(super) fn alone() {
    if !is_joined() {
        ALONE.with_borrow(|atomic| atomic.as_ref().map(|atomic| atomic.load(Relaxed)));
        steps::alone();
    }
}

/// Whether what is accessed is part of the step before.
pub(super) fn is_joined() -> bool {
    JOINED.get()
}

/// What is accessed here is part of the step that the thread is in.
pub(in crate::engine) fn joined<R>(accesses: impl FnOnce() -> R) -> R {
    if JOINED.get() || !learnt::explored() {
        return accesses();
    }
    JOINED.set(true);
    loom::stop_exploring();
    let result = accesses();
    loom::explore();
    JOINED.set(false);
    result
}

/// A word's atomics.
pub(super) struct Copies {
    first: AtomicU32,
    more: Vec<AtomicU32>,
    /// CPUs that have a copy of their own; the lowest has the first.
    readers: u32,
}

impl Copies {
    /// As many as the word has readers, which are a bit each.
    pub(super) fn new(readers: u32, value: u32) -> Self {
        let more = (1..readers.count_ones()).map(|_| AtomicU32::new(value)).collect();
        Self { first: AtomicU32::new(value), more, readers }
    }

    /// A load by `cpu`.
    pub(super) fn load(&self, cpu: usize) -> u32 {
        let bit = 1 << cpu;
        let before = if self.readers & bit == 0 { 0 } else { self.readers & (bit - 1) };
        match before.count_ones() {
            0 => &self.first,
            n => &self.more[n as usize - 1],
        }
        .fetch_add(0, AcqRel)
    }

    /// A store or LOCKed operation: `op` on every copy, in one step. Returns what it did on the first.
    pub(super) fn update(&self, op: impl Fn(&AtomicU32) -> u32) -> u32 {
        let old = op(&self.first);
        if !self.more.is_empty() {
            joined(|| self.more.iter().for_each(|copy| _ = op(copy)));
        }
        old
    }
}
