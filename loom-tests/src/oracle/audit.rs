//! Invariants of the state that an execution leaves behind.

use std::collections::BTreeSet;

use mmu386::entry::Entry;
use mmu386::layout::Frame;
use mmu386::pool::PDBPOOL_MAX;
use mmu386::variant::Variant;

use super::{Property, broken};
use crate::machine::{GEOMETRY, Machine};

/// Checks pools and lists once all threads are done.
pub fn at_end<V: Variant>(machine: &Machine<V>) {
    let mut seen: BTreeSet<Frame> = BTreeSet::new();
    let mut once = |page: Frame, list: String| {
        if !seen.insert(page) {
            broken(Property::P1, &format!("page {:#x} is {list}, and on another list", page.pa()));
        }
    };
    for n in 0..machine.cpus() {
        let (pool, count) = machine.pool(n);
        if pool.len() != count {
            let length = pool.len();
            broken(Property::P2, &format!("pdbcnt of cpu {n} is {count}, its pool holds {length}"));
        }
        if count > PDBPOOL_MAX as usize {
            broken(Property::P2, &format!("the pool of cpu {n} holds {count}"));
        }
        for page in pool {
            once(page, format!("in the pool of cpu {n}"));
            let user = (0..GEOMETRY.vmap).chain([GEOMETRY.kmap]);
            for index in user {
                if Entry(machine.peek(page, index)).valid() {
                    let pa = page.pa();
                    broken(Property::U3, &format!("pdb {pa:#x} in a pool still has entry {index}"));
                }
            }
        }
    }
    for n in 0..machine.processes() {
        for (page, list) in machine.pages_of(n) {
            once(page, format!("held as {list}"));
        }
    }
    for page in machine.free_pages() {
        once(page, "free".into());
    }
    for page in machine.held_pages() {
        once(page, "a process's memory".into());
    }
    let lost = machine.all_pages().len() - seen.len();
    if lost != 0 {
        broken(Property::P1, &format!("{lost} pages are on no list"));
    }
}
