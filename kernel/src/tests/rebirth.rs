//! Entries of the process table that are born again: nothing of the process before is left, and nobody ends
//! a stranger.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::account::{found, settle, spare, start};
use super::context::{Context, Outcome};
use crate::proc::{Proc, proctab, try_kproc};
use crate::sched;
use crate::user::Group;

const LEFT: &str = "a process has the group of the one that had its entry before";
const STRANGER: &str = "a group that is gone ends a process of somebody else";

/// Processes that have entries which others had.
const CROWD: u32 = 8;

/// Entries of a group's processes.
fn entries(group: &Group) -> Vec<&'static Proc> {
    proctab().iter().filter(|p| p.ring3.group() == group.id).collect()
}

/// A group comes and goes, and others take its entries: they are not of the group, whatever it does.
pub fn run(context: &Context) -> Outcome {
    let before = spare();
    let group = Group::new(CROWD);
    for _ in 0..CROWD {
        start("careless", &[0, 0], &group);
    }
    while entries(&group).len() < CROWD as usize {
        sched::relax();
    }
    let had = entries(&group);
    group.kill();
    settle(context, &group, before);
    let (over, left) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let crowd: Vec<_> = (0..CROWD)
        .map_while(|_| {
            let (over, left) = (over.clone(), left.clone());
            left.fetch_add(1, Ordering::SeqCst);
            let waits = move || {
                while !over.load(Ordering::SeqCst) {
                    sched::relax();
                }
                left.fetch_sub(1, Ordering::SeqCst);
            };
            try_kproc(&"stranger", None, false, waits)
        })
        .collect();
    let again = crowd.iter().filter(|p| had.iter().any(|old| old.index() == p.index())).count();
    for p in crowd.iter().filter(|p| p.ring3.group() != 0) {
        found(context, "ring3", 0, 0, p.ring3.group(), LEFT);
    }
    group.kill();
    for p in crowd.iter().filter(|p| p.ring3.doomed()) {
        found(context, "ring3", 0, 0, p.index() as u32, STRANGER);
    }
    over.store(true, Ordering::SeqCst);
    while left.load(Ordering::SeqCst) != 0 {
        sched::relax();
    }
    let mut outcome = context
        .outcome(format_args!("{} entries, {again} of them where others had been", crowd.len()));
    // What was not born again was not tried.
    outcome.failures += u32::from(again == 0);
    outcome
}
