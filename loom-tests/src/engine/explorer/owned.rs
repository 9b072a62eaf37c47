//! Values with one owner at a time, as the running thread accesses them: whether that is a race.

use std::cell::Cell;

use super::commute::{self, Part};
use super::conflicts::Users;
use super::defect::{Defect, has};
use super::digest::OWNED;
use super::execution::{Execution, exploring, with};
use super::thread::MOST;

/// What a thread panics with that touches what only one may own, if nothing orders that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Race;

/// What the explorer keeps of an owned value.
pub struct CellState {
    key: u64,
    users: Cell<Option<Users>>,
    now: Cell<u64>,
    stamps: Stamps,
}

/// Per thread, its latest read and its latest write, by its count of such accesses.
#[derive(Default)]
pub(super) struct Stamps([Cell<(u32, u32)>; MOST]);

impl Execution {
    /// The running thread accesses what belongs to one at a time.
    pub(super) fn owns(&mut self, key: u64, users: &Users, stamps: &Stamps, writes: bool) {
        let clash = (0..self.threads.len()).any(|n| {
            let (read, written) = stamps.0[n].get();
            let latest = if writes { read.max(written) } else { written };
            n != self.current && latest > self.threads[n].released
        });
        if clash && self.search.finds_race() {
            std::panic::panic_any(Race);
        }
        let current = self.current;
        let owning = &mut self.me().owning;
        if writes {
            owning.wrote = true
        } else {
            owning.read = true
        }
        let races = !self.search.limits.reduce || self.contends(users, writes);
        let me = self.me();
        if races {
            me.owes.insert((key, writes));
        }
        me.accesses += 1;
        let now = me.accesses;
        let (read, written) = stamps.0[current].get();
        stamps.0[current].set(if writes { (read, now) } else { (now, written) });
    }
}

impl CellState {
    pub(in crate::engine) fn new(value: u64) -> Self {
        let key = with(|x| {
            x.cells += 1;
            let key = OWNED | x.cells;
            x.holds(key, None, value);
            commute::writes(Part::Word(key));
            key
        });
        Self { key, users: Cell::new(None), now: Cell::new(value), stamps: Stamps::default() }
    }
}

/// The value is looked at.
pub(in crate::engine) fn owned_look(cell: &CellState) {
    commute::reads(Part::Word(cell.key));
}

pub(in crate::engine) fn owned_read(cell: &CellState, value: u64) {
    owned_look(cell);
    exploring(|x| {
        let users = x.accesses(cell.key, &cell.users, false);
        x.owns(cell.key, &users, &cell.stamps, false);
        if !has(Defect::OwnedLooksAreForgotten) {
            x.me().observed.noticed(cell.key, value);
        }
    });
}

pub(in crate::engine) fn owned_write(cell: &CellState, value: u64) {
    commute::writes(Part::Word(cell.key));
    let old = cell.now.replace(value);
    if old != value {
        with(|x| x.holds(cell.key, Some(old), value));
    }
    exploring(|x| {
        let users = x.accesses(cell.key, &cell.users, true);
        x.owns(cell.key, &users, &cell.stamps, true);
        // The thread is further, also where it writes what was there.
        if !has(Defect::OwnedChangesAreForgotten) {
            x.me().observed.noticed(!cell.key, value);
        }
    });
}
