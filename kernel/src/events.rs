//! What each CPU did last, for the report of a crash.
//!
//! A ring per CPU, written by that CPU alone with interrupts off: no LOCKed instruction and no fence,
//! which would hide from the tests what store buffers do. The harness finds it by its symbol.

use core::sync::atomic::{AtomicU32, Ordering};

use mmu386_wire::events::{Event, HEAD, KINDS, LINE, NO_PROCESS, RING, RING_WORDS, RINGS, WORDS};
use mmu386_wire::{Line, events};

pub use mmu386_wire::events::Kind;

use crate::layout::MAXMACH;
use crate::mach::{bump, machno};
use crate::proc::Proc;
use crate::spl::{splhi, splx};
use crate::{clock, report};

/// One CPU's.
#[repr(C)]
struct Ring {
    /// Events so far; stored after the event.
    count: AtomicU32,
    process: AtomicU32,
    name: AtomicU32,
    name_length: AtomicU32,
    events: [[AtomicU32; WORDS]; RING],
}

const _: () = assert!(size_of::<Ring>() == RING_WORDS * 4 && RINGS == MAXMACH && HEAD == 4);
const _: () = assert!(events::KZERO as usize == crate::layout::KZERO);

#[unsafe(no_mangle)]
static EVENT_RINGS: [Ring; RINGS] = [const {
    Ring {
        count: AtomicU32::new(0),
        process: AtomicU32::new(NO_PROCESS),
        name: AtomicU32::new(0),
        name_length: AtomicU32::new(0),
        events: [const { [const { AtomicU32::new(0) }; WORDS] }; RING],
    }
}; RINGS];
const _: () = assert!(matches!(events::SYMBOL.as_bytes(), b"EVENT_RINGS"));

/// How often each CPU did each; written by that CPU alone, with interrupts off.
static COUNTS: [[AtomicU32; KINDS]; RINGS] =
    [const { [const { AtomicU32::new(0) }; KINDS] }; RINGS];

/// How often something happened since boot, on all CPUs.
pub fn count(kind: Kind) -> u32 {
    let counts = COUNTS.iter().map(|counts| counts[kind as usize].load(Ordering::Relaxed));
    counts.fold(0, u32::wrapping_add)
}

/// Notes what this CPU does. At any interrupt level, but not from an NMI.
pub fn record(kind: Kind, a: u32, b: u32) {
    let level = splhi();
    let ring = &EVENT_RINGS[machno()];
    bump(&COUNTS[machno()][kind as usize]);
    let count = ring.count.load(Ordering::Relaxed);
    let event = Event::new(clock::tsc(), kind, a, b);
    for (word, value) in ring.events[count as usize % RING].iter().zip(event.0) {
        word.store(value, Ordering::Relaxed);
    }
    ring.count.store(count.wrapping_add(1), Ordering::Release);
    splx(level);
}

/// Notes which process this CPU runs. Interrupts are off.
pub fn running(process: Option<&'static Proc>) {
    let ring = &EVENT_RINGS[machno()];
    let name = process.map_or("", Proc::name);
    ring.process.store(process.map_or(NO_PROCESS, |p| p.index() as u32), Ordering::Relaxed);
    ring.name.store(name.as_ptr() as u32, Ordering::Relaxed);
    ring.name_length.store(name.len() as u32, Ordering::Relaxed);
}

/// Tells the harness what a CPU that has stopped did last.
pub fn tell(cpu: usize) {
    let ring = &EVENT_RINGS[cpu];
    let count = ring.count.load(Ordering::Acquire);
    // The oldest may have been half overwritten when its CPU was stopped.
    let first = count.saturating_sub(RING as u32 - 1);
    let mut events = heapless::Vec::<[u32; WORDS], LINE>::new();
    for number in first..count {
        let words = &ring.events[number as usize % RING];
        let event = words.each_ref().map(|word| word.load(Ordering::Relaxed));
        if events.push(event).is_err() || events.is_full() || number + 1 == count {
            report::send(&Line::Events { cpu: cpu as u32, events: events.as_slice().into() });
            events.clear();
        }
    }
}
