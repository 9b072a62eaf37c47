//! Out of memory: where everybody who could free a page waits for one, the largest process goes.
//!
//! As 9front's `killbig`, but by what processes do rather than by a clock: none is ended while another one
//! may still free something by itself.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::life;
use crate::clock::HZ;
use crate::mach::machno;
use crate::proc::{NOBODY, Proc, State, proctab};
use crate::{pages, println, sched};

/// Ticks without an end for which a process of the kernel may keep pages that it holds, and an ended
/// process may take to go.
const PATIENCE: u32 = 20 * HZ;

/// One CPU looks at a time.
static LOOKING: AtomicBool = AtomicBool::new(false);
/// Ticks of CPU 0 since something last went on.
static WAITED: AtomicU32 = AtomicU32::new(0);

/// The largest process, and its birth: its entry may be another's by the time that it is ended.
type Largest = Option<(&'static Proc, u32)>;

/// How it stands with those who wait for pages.
enum Standing {
    /// Somebody may free some.
    GoesOn,
    /// Processes of the kernel hold some, and one of them may come to give them back.
    Lent(Largest),
    /// Nobody frees any before the largest process does.
    Stuck(Largest),
}

/// Called by every tick, with interrupts off and no lock held.
///
/// # Panics
/// If there is no page for anybody, and nobody is left that could be ended.
pub fn killbig() {
    if pages::waiting() == 0 || pages::free() > pages::RESERVE {
        WAITED.store(0, Ordering::Relaxed);
        return;
    }
    if LOOKING.swap(true, Ordering::SeqCst) {
        return;
    }
    match sched::frozen(look) {
        Standing::GoesOn => WAITED.store(0, Ordering::Relaxed),
        Standing::Stuck(Some(largest)) => end(largest),
        Standing::Lent(largest) | Standing::Stuck(largest) => {
            if machno() == 0 && WAITED.fetch_add(1, Ordering::Relaxed) > PATIENCE {
                match largest {
                    Some(largest) => end(largest),
                    None => panic!("out of memory, and no process is left that could be ended"),
                }
            }
        }
    }
    LOOKING.store(false, Ordering::SeqCst);
}

fn end((largest, birth): (&Proc, u32)) {
    WAITED.store(0, Ordering::Relaxed);
    let (name, size) = (largest.name(), largest.ring3.size());
    if life::starve(largest, birth) {
        println!("{name}: out of memory: {size} pages");
        super::count(&super::STARVED);
    }
}

/// Nobody changes state meanwhile.
fn look() -> Standing {
    let (mut lent, mut runs, mut any, mut largest) = (false, false, false, Largest::None);
    for p in proctab() {
        lent |= p.state() != State::Dead && p.lent.load(Ordering::SeqCst) != 0;
        let on_a_cpu = p.mach.load(Ordering::SeqCst) != NOBODY;
        match p.state() {
            // The scheduler gives back what it had.
            State::Dead if on_a_cpu => return Standing::GoesOn,
            State::Dead => {}
            State::Wakeme if p.ring3.ring3() => {
                any = true;
                let larger = largest.is_none_or(|(other, _)| p.ring3.size() > other.ring3.size());
                if larger && !p.ring3.doomed() {
                    largest = Some((p, p.ring3.births()));
                }
            }
            State::Wakeme => {}
            _ if p.ring3.ring3() => return Standing::GoesOn,
            _ => runs = true,
        }
    }
    match (any, lent && runs) {
        // Processes of the kernel wait for each other, which is their affair.
        (false, _) => Standing::GoesOn,
        (true, true) => Standing::Lent(largest),
        (true, false) => Standing::Stuck(largest),
    }
}
