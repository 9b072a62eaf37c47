//! The states that were met, and how they lead to each other.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Keys are digests already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are u128")
    }
    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

type Shard = HashMap<u128, u32, BuildHasherDefault<AsItIs>>;

const SHARDS: usize = 64;

/// What a state takes in memory, with its share of the table and its edges to others, in bytes.
pub(super) const BYTES_PER_STATE: u64 = 96;

/// All states that were met, by digest. Each has a number.
pub(super) struct Seen {
    shards: Vec<Mutex<Shard>>,
    count: AtomicU32,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), count: AtomicU32::new(0) }
    }

    /// The number of a state, and whether it is new.
    pub(super) fn meet(&self, key: u128) -> (u32, bool) {
        // The table takes the low bits.
        let shard = &self.shards[(key >> 64) as usize % SHARDS];
        let mut shard = shard.lock().expect("no panic while it is held");
        let mut new = false;
        let number = *shard.entry(key).or_insert_with(|| {
            new = true;
            self.count.fetch_add(1, Relaxed)
        });
        (number, new)
    }

    /// The number of a state, if it was met.
    pub(super) fn number(&self, key: u128) -> Option<u32> {
        let shard = &self.shards[(key >> 64) as usize % SHARDS];
        shard.lock().expect("no panic while it is held").get(&key).copied()
    }

    /// The digests of some states, given by number.
    pub(super) fn keys(&self, which: &[bool]) -> HashSet<u128> {
        let shards =
            self.shards.iter().map(|shard| shard.lock().expect("no panic while it is held"));
        shards
            .flat_map(|shard| {
                let some = shard.iter().filter(|(_, number)| which[**number as usize]);
                some.map(|(key, _)| *key).collect::<Vec<_>>()
            })
            .collect()
    }

    pub(super) fn count(&self) -> u32 {
        self.count.load(Relaxed)
    }
}

/// Which states cannot reach an end: a thread that waits there waits for ever, whatever the others
/// do (L1). `edges` lead from state to state.
pub(super) fn cannot_end(states: u32, edges: &[(u32, u32)], ends: &[u32]) -> Vec<bool> {
    let mut first = vec![0u32; states as usize + 1];
    for &(_, to) in edges {
        first[to as usize + 1] += 1;
    }
    for n in 0..states as usize {
        first[n + 1] += first[n];
    }
    let mut next = first.clone();
    let mut into = vec![0u32; edges.len()];
    for &(from, to) in edges {
        into[next[to as usize] as usize] = from;
        next[to as usize] += 1;
    }
    let mut can = vec![false; states as usize];
    let mut open: Vec<u32> = ends.to_vec();
    while let Some(state) = open.pop() {
        if std::mem::replace(&mut can[state as usize], true) {
            continue;
        }
        let range = first[state as usize] as usize..first[state as usize + 1] as usize;
        open.extend(into[range].iter().filter(|&&from| !can[from as usize]));
    }
    can.into_iter().map(|can| !can).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_met_once() {
        let seen = Seen::new();
        assert_eq!(seen.meet(7), (0, true));
        assert_eq!(seen.meet(7 << 64), (1, true));
        assert_eq!(seen.meet(7), (0, false));
        assert_eq!(seen.count(), 2);
    }

    #[test]
    fn a_cycle_without_a_way_out_cannot_end() {
        // 0 -> 1 <-> 2, 0 -> 3; 3 ends.
        let edges = [(0, 1), (1, 2), (2, 1), (0, 3)];
        assert_eq!(cannot_end(4, &edges, &[3]), [false, true, true, false]);
        let way_out = [edges.as_slice(), &[(2, 3)]].concat();
        assert_eq!(cannot_end(4, &way_out, &[3]), [false; 4]);
    }
}
