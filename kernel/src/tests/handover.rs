//! Map servers hand an address and its tag to readers on every CPU, take the mapping away again
//! and map something else at once. A reader that was handed an address never sees anything else.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use alloc::sync::Arc;

use super::context::{Context, Finding, Outcome};
use super::crew::crew;
use super::device::{Mapping, pages_for};
use crate::layout::{BY2PG, MAXMACH};
use crate::mach::machno;
use crate::oracle::tag;
use crate::spl::Spin;
use crate::{mmu, probe, sched};

/// Servers.
const SERVERS: usize = 2;
/// Reads per handover and reader.
const READS: usize = 50;
const END: u32 = u32::MAX;

/// What a server hands out.
struct Counter {
    va: AtomicUsize,
    pa: AtomicUsize,
    /// Number of the handover; written last. `END` at the end.
    number: AtomicU32,
    /// The last handover that each reader is done with.
    done: [AtomicU32; MAXMACH],
}

impl Counter {
    fn new() -> Counter {
        Counter {
            va: AtomicUsize::new(0),
            pa: AtomicUsize::new(0),
            number: AtomicU32::new(0),
            done: [const { AtomicU32::new(0) }; MAXMACH],
        }
    }
}

/// Waits with interrupts on and the directory as it is, and gives way now and then.
fn wait_for(cond: impl Fn() -> bool) {
    let mut spin = Spin::default();
    while !cond() {
        if spin.turn() {
            sched::give_way();
        }
    }
}

fn serve(context: &Context, counter: &Counter, who: usize) -> u32 {
    let Some(pages) = pages_for(context, who, SERVERS) else {
        counter.number.store(END, Ordering::SeqCst);
        return 0;
    };
    let mut rng = context.rng(who);
    let mut limit = context.limit(300, 1500);
    let mut number = 0;
    while limit.next() {
        let mapping = Mapping::new(context, pages.page(rng.below(pages.count)), BY2PG);
        number += 1;
        counter.va.store(mapping.va, Ordering::Relaxed);
        counter.pa.store(mapping.pa, Ordering::Relaxed);
        counter.number.store(number, Ordering::SeqCst);
        for cpu in 0..context.ncpu {
            wait_for(|| counter.done[cpu].load(Ordering::SeqCst) == number);
        }
        mapping.unmap(context);
    }
    counter.number.store(END, Ordering::SeqCst);
    number
}

fn read(context: &Context, counters: &[Counter; SERVERS], who: usize) {
    let mut seen = [0; SERVERS];
    while seen != [END; SERVERS] {
        let next = |i: usize| counters[i].number.load(Ordering::SeqCst);
        wait_for(|| (0..SERVERS).any(|i| next(i) != seen[i]));
        for (i, counter) in counters.iter().enumerate() {
            if next(i) == seen[i] {
                continue;
            }
            seen[i] = next(i);
            if seen[i] == END {
                continue;
            }
            let va = counter.va.load(Ordering::Relaxed);
            let expected = tag(counter.pa.load(Ordering::Relaxed));
            for _ in 0..READS {
                let word = probe::read(va);
                if word != Some(expected) {
                    let why = "a reader sees another page than it was handed";
                    let (cpu, seen) = (machno(), word.unwrap_or(0));
                    let hazard = "A3";
                    context.finding(&Finding { hazard, cpu, va, expected, seen, why });
                    break;
                }
            }
            counter.done[who].store(seen[i], Ordering::SeqCst);
        }
    }
}

/// Two servers that migrate, one reader on each CPU.
pub fn run(context: &Context) -> Outcome {
    let handed = Arc::new(AtomicU32::new(0));
    let (sum, shared) = (handed.clone(), context.clone());
    let counters: [Counter; SERVERS] = core::array::from_fn(|_| Counter::new());
    let ncpu = context.ncpu;
    let wired = |who: usize| (who < ncpu).then_some(who);
    crew(&"handover", ncpu + SERVERS, wired, move |who| {
        mmu::upallocpdb();
        if who < ncpu {
            read(&shared, &counters, who);
        } else {
            let server = who - ncpu;
            sum.fetch_add(serve(&shared, &counters[server], server), Ordering::Relaxed);
        }
    });
    let handed = handed.load(Ordering::Relaxed);
    let mut outcome = context.outcome(format_args!(
        "{handed} handovers by {SERVERS} servers to {ncpu} readers, {READS} reads each"
    ));
    outcome.failures += u32::from(handed == 0);
    outcome
}
