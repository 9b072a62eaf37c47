//! Words as the running thread accesses them: what it sees, what it stores, and whether that is a step of the
//! interleaving.

use std::cell::Cell;

use mmu386::arch::WordName;

use super::commute::{self, Part};
use super::conflicts::{Accessed, Users};
use super::defect::{Defect, has};
use super::digest::key_of;
use super::execution::{Execution, exploring, switch, with};
use super::owned::Stamps;
use super::thread::{Buffered, Owes, Pending, Thread};
use crate::engine::{Access, Sharing, Word};

/// What the explorer keeps of a word.
pub struct WordState {
    key: u64,
    sharing: Sharing,
    /// Walkers of other CPUs may read it at any time.
    walked: bool,
    users: Cell<Option<Users>>,
    stamps: Stamps,
}

impl Execution {
    pub(super) fn users(&self, key: u64, known: &Cell<Option<Users>>) -> Users {
        known.get().unwrap_or_else(|| {
            let users = self.search.applied.of(key);
            known.set(Some(users));
            users
        })
    }

    /// Notes an access of the running thread.
    pub(super) fn accesses(&self, key: u64, known: &Cell<Option<Users>>, writes: bool) -> Users {
        let users = self.users(key, known);
        let thread = self.current;
        let Thread { in_handler, ref observed, .. } = self.threads[thread];
        let phase = self.search.applied.latest(thread, observed.phase);
        let accessed = Accessed { thread, phase, in_handler, writes };
        // A thread that runs alone does nothing that it has not done before.
        if self.proof.is_none() && !users.includes(accessed) {
            self.search.note(key, accessed);
        }
        users
    }

    /// Whether an access of the running thread is a step of the interleaving.
    fn contended(&self, state: &WordState, users: &Users, writes: bool) -> bool {
        // What another thread has stored may have yet to reach memory.
        let on_its_way = |(n, thread): (usize, &Thread)| {
            n != self.current && thread.buffer.iter().any(|store| store.key == state.key)
        };
        if state.sharing != Sharing::Shared {
            return false;
        }
        if !self.search.limits.reduce || writes && state.walked {
            return true;
        }
        if self.contends(users, writes) {
            return true;
        }
        let on_its_way =
            !has(Defect::NothingIsOnItsWay) && self.threads.iter().enumerate().any(on_its_way);
        if on_its_way {
            commute::reads(Part::Word(state.key));
        }
        on_its_way
    }

    /// Whether other threads may access from here on, in their code or in handlers, what the running thread
    /// accesses now, and one of the two writes.
    pub(super) fn contends(&self, users: &Users, writes: bool) -> bool {
        let phases = self.threads.iter().map(|thread| thread.observed.phase);
        let contender = users.contender(self.current, writes, phases);
        if let Some((thread, until)) = contender {
            commute::is_before(thread, until);
        }
        contender.is_some()
    }
}

impl WordState {
    pub(in crate::engine) fn new(name: WordName, value: u32, sharing: Sharing) -> Self {
        let key = key_of(name);
        if sharing != Sharing::Hint {
            with(|x| {
                x.names(key, name);
                x.holds(key, None, value.into());
            });
        }
        commute::writes(Part::Word(key));
        let walked = matches!(name, WordName::Entry(..));
        Self { key, sharing, walked, users: Cell::new(None), stamps: Stamps::default() }
    }
}

impl Word {
    /// Tells it from all others.
    pub(super) fn key(&self) -> u64 {
        self.explored().map_or(0, |state| state.key)
    }

    /// The word has a new value in memory. Returns the old one.
    pub(super) fn write(&self, state: &WordState, value: u32) -> u32 {
        let old = self.set_now(value);
        commute::reads(Part::Word(state.key));
        if value != old {
            commute::writes(Part::Word(state.key));
        }
        if value == old || state.sharing == Sharing::Hint {
            return old;
        }
        with(|x| x.holds(state.key, Some(old.into()), value.into()));
        let held_back = exploring(|x| {
            let anybody = x.threads.iter().any(|thread| thread.held_back(state.key, value));
            x.host.clone().filter(|_| anybody)
        });
        if let Some(host) = held_back.flatten() {
            host.held_back(self);
        }
        old
    }
}

/// Waits until the running thread may make an access to a word, before which an interrupt may come if it is
/// `interruptible`. Returns whether it matters if one does.
pub(in crate::engine) fn request(state: &WordState, access: Access, interruptible: bool) -> bool {
    if state.sharing == Sharing::Hint {
        return false;
    }
    let waits = exploring(|x| {
        let writes = access != Access::Load;
        let users = x.accesses(state.key, &state.users, writes);
        let contended = x.contended(state, &users, writes);
        let tso = x.search.tso;
        let pressed = x.is_pressed();
        let current = x.current;
        let all = !x.search.limits.reduce;
        // The thread's own handler does with it what others ask for, so that order matters, too.
        let handled = all || users.handled(writes);
        let buffered = tso && access == Access::Store && has(Defect::StoresAreNoPoints);
        let interrupted = interruptible && !buffered && (contended || handled);
        let me = x.me();
        if me.woken.is_some_and(|(woken, _)| woken == state.key) {
            // A thread that changes it from here on may hold this one back.
            commute::reads(Part::Word(state.key));
        }
        let waits = pressed
            || interrupted
            || match access {
                // Even where the thread has stored to the word: that may reach memory, and be
                // overwritten, first.
                Access::Load => contended,
                // It reaches memory in a step of its own.
                Access::Store => contended && !tso,
                Access::Walk => contended,
                Access::Locked => {
                    commute::reads(Part::Buffer(current));
                    contended || !me.buffer.is_empty()
                }
            };
        // Others could come just now. Not so where it counts for what this thread waits.
        let held_back = me.woken.is_some_and(|(woken, _)| woken == state.key);
        let blocked = access == Access::Locked && !me.buffer.is_empty();
        let fresh = std::mem::take(&mut me.fresh) && !pressed && !held_back && !blocked;
        let waits = waits && !fresh;
        if waits {
            let drains = access == Access::Locked;
            me.pending = Pending::Step { what: state.key, drains };
        } else {
            me.granted = Some(state.key);
        }
        (waits, waits || handled)
    });
    let Some((waits, matters)) = waits else { return false };
    if waits {
        switch();
        exploring(|x| x.me().granted = Some(state.key));
    }
    matters
}

fn requested(state: &WordState, access: Access) {
    if state.sharing == Sharing::Hint {
        return;
    }
    let granted = exploring(|x| x.me().granted.take() == Some(state.key));
    if granted == Some(false) {
        request(state, access, false);
        exploring(|x| x.me().granted = None);
    }
}

pub(in crate::engine) fn load(word: &Word, state: &WordState) -> u32 {
    requested(state, Access::Load);
    commute::reads(Part::Word(state.key));
    let seen = exploring(|x| {
        if state.sharing == Sharing::Owned {
            let users = x.users(state.key, &state.users);
            x.owns(state.key, &users, &state.stamps, false);
        }
        let me = x.me();
        me.woken = me.woken.filter(|(word, _)| *word != state.key);
        let value = me.sees(word);
        if state.sharing != Sharing::Hint {
            me.observed.looked(state.key, value);
        }
        value
    });
    seen.unwrap_or_else(|| word.raw())
}

pub(in crate::engine) fn store(word: &Word, state: &WordState, value: u32) -> Option<u32> {
    requested(state, Access::Store);
    commute::writes(Part::Word(state.key));
    let buffered = exploring(|x| {
        match state.sharing {
            Sharing::Hint => return false,
            Sharing::Owned => {
                let users = x.users(state.key, &state.users);
                x.owns(state.key, &users, &state.stamps, true);
                x.me().observed.noticed(!state.key, value.into());
                return false;
            }
            Sharing::Shared => {}
        }
        let users = x.users(state.key, &state.users);
        let contended = x.contended(state, &users, true);
        let tso = x.search.tso;
        let current = x.current;
        let me = x.me();
        // Stores stay in order.
        commute::reads(Part::Buffer(current));
        let owes = if contended { std::mem::take(&mut me.owes) } else { Owes::new() };
        let delayed = tso && (contended || !me.buffer.is_empty());
        let delayed = delayed && !has(Defect::NothingIsBuffered);
        me.observed.did((state.key, value));
        if delayed {
            let accesses = me.accesses;
            let (word, key) = (word.clone(), state.key);
            commute::writes(Part::Buffer(current));
            me.buffer.push_back(Buffered { word, key, value, contended, accesses, owes });
        } else if contended || has(Defect::PrivateStoresRelease) {
            me.released = me.accesses;
        }
        delayed
    });
    (buffered != Some(true)).then(|| word.write(state, value))
}

pub(in crate::engine) fn locked(
    word: &Word,
    state: &WordState,
    new: impl FnOnce(u32) -> u32,
) -> u32 {
    requested(state, Access::Locked);
    let old = word.raw();
    let value = new(old);
    exploring(|x| match state.sharing {
        Sharing::Hint => {}
        Sharing::Owned => {
            let users = x.users(state.key, &state.users);
            x.owns(state.key, &users, &state.stamps, true);
            x.me().observed.noticed(!state.key, value.into());
        }
        Sharing::Shared => {
            let users = x.users(state.key, &state.users);
            let contended = x.contended(state, &users, true);
            let me = x.me();
            if contended || has(Defect::PrivateStoresRelease) {
                me.owes.clear();
                me.released = me.accesses;
            }
            if old == value {
                me.observed.looked(state.key, old);
            } else {
                me.observed.did((state.key, old));
            }
        }
    });
    word.write(state, value);
    old
}

/// A walker's look at a word, and what it writes.
pub(in crate::engine) fn walk(word: &Word, state: &WordState, new: impl FnOnce(u32) -> u32) {
    requested(state, Access::Walk);
    let value = new(word.raw());
    word.write(state, value);
    // The thread has this step behind it.
    exploring(|x| x.me().observed.did(state.key));
}

/// What the word holds is looked at, in no access of the machine.
pub(in crate::engine) fn looked_at(state: &WordState) {
    commute::reads(Part::Word(state.key));
}

/// What the running thread has stored to a word that has not reached memory.
pub(in crate::engine) fn forwarded(word: &Word) -> Option<u32> {
    exploring(|x| {
        commute::reads(Part::Word(word.key()));
        x.me().forwarded(word)
    })
    .flatten()
}

/// Whether other threads write a word.
pub(in crate::engine) fn contended(state: &WordState) -> bool {
    exploring(|x| x.contended(state, &x.users(state.key, &state.users), false)).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::super::loops::tests::Quiet;
    use super::super::{Limits, explore_from_here, search};
    use super::*;

    #[test]
    #[should_panic(expected = "two words are called Other(\"twin\", 0)")]
    fn two_words_of_one_name_are_refused() {
        let limits = Limits {
            workers: 1,
            memory: 1 << 20,
            preemptions: None,
            reduce: true,
            check: false,
            backward: false,
            defect: None,
        };
        search(false, limits, || {
            let twins = [0, 1].map(|n| Word::new(WordName::Other("twin", 0), n, Sharing::Shared));
            explore_from_here(Rc::new(Quiet));
            drop(twins);
        });
    }
}
