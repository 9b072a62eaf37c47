//! What published loom gets wrong, as small programs. Each pins a fault that the modes of this crate
//! are built around: when one of these fails, loom has changed, and MODEL.md with it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use loom::sync::atomic::fence;
use loom::thread;

/// All outcomes that loom shows of a program, and how many executions it took.
fn outcomes<T: Ord + Send + 'static>(
    program: impl Fn() -> T + Send + Sync + 'static,
) -> (BTreeSet<T>, usize) {
    let seen = Arc::new(Mutex::new((BTreeSet::new(), 0)));
    let inside = seen.clone();
    loom::model(move || {
        let outcome = program();
        let mut seen = inside.lock().unwrap();
        seen.0.insert(outcome);
        seen.1 += 1;
    });
    Arc::into_inner(seen).unwrap().into_inner().unwrap()
}

/// A load by one thread; a load, then a store of the same word by another. Does the first see the
/// store?
fn reader_and_writer(
    load: fn(&AtomicU32) -> u32,
    store: fn(&AtomicU32, u32),
) -> impl Fn() -> u32 + Send + Sync + 'static {
    move || {
        let x = std::sync::Arc::new(AtomicU32::new(0));
        let y = x.clone();
        let writer = thread::spawn(move || {
            load(&y);
            store(&y, 1);
        });
        let seen = load(&x);
        writer.join().unwrap();
        seen
    }
}

/// tokio-rs/loom #166: the reduction remembers only the latest access to an atomic.
#[test]
fn an_execution_over_plain_accesses_is_missed() {
    let program = reader_and_writer(|x| x.load(Acquire), |x, v| x.store(v, Release));
    let (seen, _) = outcomes(program);
    assert_eq!(seen, BTreeSet::from([0]), "the load that sees 1 exists, and used to be missed");
}

/// RMW mode: with every access a read-modify-write, the missing execution appears.
#[test]
fn the_same_execution_is_found_when_every_access_is_a_read_modify_write() {
    let program = reader_and_writer(
        |x| x.fetch_add(0, AcqRel),
        |x, v| {
            x.swap(v, AcqRel);
        },
    );
    let (seen, _) = outcomes(program);
    assert_eq!(seen, BTreeSet::from([0, 1]));
}

fn store_buffering(order: impl Fn() + Copy + 'static) -> (u32, u32) {
    let x = std::sync::Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
    let y = x.clone();
    let other = thread::spawn(move || {
        y.1.store(1, SeqCst);
        order();
        y.0.load(SeqCst)
    });
    x.0.store(1, SeqCst);
    order();
    let mine = x.1.load(SeqCst);
    (mine, other.join().unwrap())
}

/// SeqCst accesses are AcqRel to loom: as-written mode uses fences instead.
#[test]
fn seqcst_accesses_do_not_forbid_store_buffering() {
    let (seen, _) = outcomes(|| store_buffering(|| {}));
    assert!(seen.contains(&(0, 0)));
}

/// A SeqCst fence is what CR3 loads, INVLPG and LOCKed operations are made of.
#[test]
fn seqcst_fences_forbid_store_buffering() {
    let (seen, _) = outcomes(|| store_buffering(|| fence(SeqCst)));
    assert!(!seen.contains(&(0, 0)));
}

/// No load is ever made to wait for a later store: what only load buffering breaks is not found.
#[test]
fn load_buffering_is_never_explored() {
    let (seen, _) = outcomes(|| {
        let x = std::sync::Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
        let y = x.clone();
        let other = thread::spawn(move || {
            let seen = y.0.load(Relaxed);
            y.1.store(1, Relaxed);
            seen
        });
        let mine = x.1.load(Relaxed);
        x.0.store(1, Relaxed);
        (mine, other.join().unwrap())
    });
    assert!(!seen.contains(&(1, 1)));
}

/// A store to two atomics, of which a thread each loads one; the one that loads the first tells the other
/// what it has seen. All that the other can have been told and have seen.
fn two_copies(one_step: bool) -> BTreeSet<(u32, u32)> {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let inside = seen.clone();
    let mut builder = loom::model::Builder::new();
    builder.expect_explicit_explore = true;
    builder.check(move || {
        let copies: std::sync::Arc<[AtomicU32; 2]> = std::sync::Arc::default();
        let told = std::sync::Arc::new(AtomicU32::new(0));
        let (first, second) = (copies.clone(), copies.clone());
        let (tells, seen) = (told.clone(), inside.clone());
        thread::spawn(move || {
            let value = first[0].fetch_add(0, AcqRel);
            tells.swap(1 + value, AcqRel);
        });
        thread::spawn(move || {
            let told = told.fetch_add(0, AcqRel);
            seen.lock().unwrap().insert((told, second[1].fetch_add(0, AcqRel)));
        });
        thread::spawn(move || {
            copies[0].swap(1, AcqRel);
            if one_step {
                loom::stop_exploring();
            }
            copies[1].swap(1, AcqRel);
            if one_step {
                loom::explore();
            }
        });
        loom::explore();
    });
    std::mem::take(&mut *seen.lock().unwrap())
}

/// What RMW mode's copies rest on: nobody comes between the two if the second is not explored, and what
/// conflicts with the second alone is tried before the first.
#[test]
fn a_store_to_two_copies_is_one_step() {
    let all = BTreeSet::from([(0, 0), (0, 1), (1, 0), (1, 1), (2, 1)]);
    assert_eq!(two_copies(true), all);
    assert!(two_copies(false).contains(&(2, 0)), "in two steps it is seen half done");
}

/// The coin of [`loom_tests::engine::Choice`]: polled n times it yields n + 1 outcomes.
#[test]
fn a_coin_polled_four_times_has_five_outcomes() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let inside = seen.clone();
    let mut builder = loom::model::Builder::new();
    builder.expect_explicit_explore = true;
    loom_tests::engine::set_mode(loom_tests::engine::Mode::AsWritten);
    builder.check(move || {
        let coin = loom_tests::engine::Choice::new(1);
        let poller = coin.clone();
        let seen = inside.clone();
        thread::spawn(move || {
            let polls: [usize; 4] = std::array::from_fn(|_| poller.poll());
            seen.lock().unwrap().insert(polls);
        });
        coin.offer();
        loom::explore();
    });
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 5, "{seen:?}");
    assert!(seen.iter().all(|polls| polls.is_sorted()));
}

/// Two threads each change one word, then another. Which came first, for each word.
fn two_words(skips: bool) -> (BTreeSet<(u32, u32)>, usize) {
    let seen = Arc::new(Mutex::new((BTreeSet::new(), 0)));
    let inside = seen.clone();
    let mut builder = loom::model::Builder::new();
    builder.expect_explicit_explore = true;
    builder.check(move || {
        let words: std::sync::Arc<[AtomicU32; 2]> = std::sync::Arc::default();
        let (other, seen) = (words.clone(), inside.clone());
        thread::spawn(move || {
            let first = words[0].swap(1, AcqRel);
            if skips && first == 2 {
                loom::skip_branch();
            }
            let second = words[1].swap(1, AcqRel);
            let mut seen = seen.lock().unwrap();
            seen.0.insert((first, second));
            seen.1 += 1;
        });
        thread::spawn(move || {
            other[0].swap(2, AcqRel);
            other[1].swap(2, AcqRel);
        });
        loom::explore();
    });
    std::mem::take(&mut *seen.lock().unwrap())
}

/// What sleep sets rest on: after `skip_branch` an execution runs to its end, loom branches over nothing more in it,
/// and over all that came before as ever.
#[test]
fn an_execution_that_skips_is_one() {
    let (all, executions) = two_words(false);
    assert_eq!(all, BTreeSet::from([(0, 0), (0, 2), (2, 0), (2, 2)]));
    let (fewer, left) = two_words(true);
    assert!(fewer.is_subset(&all) && left < executions, "{fewer:?}: {left} of {executions}");
    assert!(
        fewer.contains(&(0, 0)) && fewer.contains(&(0, 2)),
        "what does not skip is all explored"
    );
    assert!(fewer.iter().any(|seen| seen.0 == 2), "what skips goes on to its end");
}
