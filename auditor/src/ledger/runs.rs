//! Pages in a row that lead to frames in a row, and which of them are newest.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::number;
use crate::view::PAGE;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum State {
    Live,
    /// Call number of the vunmap that has not returned: others may still use the memory, or not.
    Unmapping(u32),
}

/// Pages in a row, all in the same state. Numbers of pages and frames rather than addresses, which
/// would wrap at the end of the address space.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct Run {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) frame: u32,
    pub(super) state: State,
}

impl Run {
    pub(super) fn covers(&self, page: u32) -> bool {
        self.first <= page && page <= self.last
    }

    pub(super) fn frame_of(&self, page: u32) -> u32 {
        // Beyond the last frame the bus wraps.
        self.frame.wrapping_add(page - self.first) & number(u32::MAX)
    }

    /// The part from page `first` to page `last`, if there is one.
    pub(super) fn part(&self, first: u32, last: u32) -> Option<Self> {
        let (first, last) = (first.max(self.first), last.min(self.last));
        (first <= last).then(|| Self { first, last, frame: self.frame_of(first), ..*self })
    }
}

/// All mappings that are not gone.
#[derive(Debug, Default, Hash)]
pub(super) struct Mappings {
    /// The newest of each page, by first page: no two overlap.
    pub(super) newest: BTreeMap<u32, Run>,
    /// Those of which a newer one has taken pages, oldest first. Few: each was an overlap.
    pub(super) older: Vec<Run>,
    /// First frame and pages of what vmap was asked to map and has not returned.
    pub(super) asked: Vec<(u32, u32)>,
    /// First and last page of each mapping and each part of one ever seen.
    pub(super) edges: BTreeSet<u32>,
    pub(super) calls: u32,
}

impl Mappings {
    pub(super) const fn new() -> Self {
        Self {
            newest: BTreeMap::new(),
            older: Vec::new(),
            asked: Vec::new(),
            edges: BTreeSet::new(),
            calls: 0,
        }
    }

    /// The mapping of a page among those that overlap none.
    pub(super) fn newest_of(&self, page: u32) -> Option<&Run> {
        let run = self.newest.range(..=page).next_back()?.1;
        run.covers(page).then_some(run)
    }

    /// The mapping of a page: of several, the newest.
    pub(super) fn of(&self, page: u32) -> Option<&Run> {
        let older = || self.older.iter().rev().find(|run| run.covers(page));
        self.newest_of(page).or_else(older)
    }

    /// First pages of the newest runs that have a page from `first` to `last`.
    pub(super) fn keys(&self, first: u32, last: u32) -> Vec<u32> {
        let before = self.newest.range(..first).next_back().filter(|(_, run)| run.last >= first);
        let within = self.newest.range(first..=last);
        before.into_iter().chain(within).map(|(&key, _)| key).collect()
    }

    /// Changes the state of all pages from `first` to `last` that are in state `from`; `None` makes
    /// them gone.
    pub(super) fn change(&mut self, first: u32, last: u32, from: State, to: Option<State>) {
        for key in self.keys(first, last) {
            let run = self.newest[&key];
            if run.state == from {
                self.newest.remove(&key);
                for piece in pieces(run, first, last, to) {
                    self.newest.insert(piece.first, piece);
                }
            }
        }
        let hit = |run: &Run| run.state == from && run.first <= last && first <= run.last;
        if self.older.iter().any(hit) {
            for run in core::mem::take(&mut self.older) {
                if hit(&run) {
                    self.older.extend(pieces(run, first, last, to));
                } else {
                    self.older.push(run);
                }
            }
        }
    }
}

/// A run with its part from `first` to `last` in another state, or gone.
fn pieces(run: Run, first: u32, last: u32, to: Option<State>) -> impl Iterator<Item = Run> {
    let before = first.checked_sub(1).and_then(|end| run.part(run.first, end));
    let changed = to.and_then(|state| Some(Run { state, ..run.part(first, last)? }));
    let behind = run.part(last + 1, run.last);
    [before, changed, behind].into_iter().flatten()
}

/// First and last page of `size` bytes at `va`; `None` if that is not one page.
pub(super) fn pages_of(va: u32, size: u32) -> Option<(u32, u32)> {
    let bytes = u64::from(va % PAGE) + u64::from(size);
    let count = bytes.div_ceil(u64::from(PAGE)) as u32;
    let last = number(va).checked_add(count.checked_sub(1)?)?;
    Some((number(va), last.min(number(u32::MAX))))
}
