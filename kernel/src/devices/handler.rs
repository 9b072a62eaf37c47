//! Interrupt handlers that use drivers' mappings: at every tick of every CPU, and when a driver calls
//! for one.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::{Wrong, known};
use crate::layout::{BY2LARGE, BY2PG};
use crate::lock::Ilock;
use crate::mach::machp;
use crate::oracle::tag;
use crate::trap::VECTOR_DEVICE;
use crate::{apic, probe, sched};

/// What a handler looks at.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// The IOAPIC's registers, mapped there.
    Ioapic(usize),
    /// The HPET's registers, mapped there.
    Hpet(usize),
    /// Memory whose pages have their tags.
    Memory {
        /// First address.
        va: usize,
        /// First physical address.
        pa: usize,
        /// Bytes.
        size: usize,
    },
}

impl Target {
    /// Has a look; `choice` chooses where. At any interrupt level.
    pub fn look(&self, choice: usize) -> Result<(), Wrong> {
        match *self {
            Target::Ioapic(va) => known().ioapic.as_ref().map_or(Ok(()), |io| io.look(va, choice)),
            Target::Hpet(va) => known().hpet.as_ref().map_or(Ok(()), |hpet| hpet.look(va)),
            Target::Memory { va, pa, size } => {
                let offset = choice % (size / BY2PG) * BY2PG;
                Wrong::unless(tag(pa + offset), va + offset, probe::read(va + offset))
            }
        }
    }

    /// The hazard that leads a look elsewhere.
    pub fn hazard(&self) -> &'static str {
        match self {
            Target::Memory { size, .. } if *size >= BY2LARGE => "A1",
            _ => "A3",
        }
    }

    /// As words.
    fn words(self) -> [usize; 4] {
        match self {
            Target::Ioapic(va) => [0, va, 0, 0],
            Target::Hpet(va) => [1, va, 0, 0],
            Target::Memory { va, pa, size } => [2, va, pa, size],
        }
    }

    fn of([kind, va, pa, size]: [usize; 4]) -> Target {
        match kind {
            0 => Target::Ioapic(va),
            1 => Target::Hpet(va),
            _ => Target::Memory { va, pa, size },
        }
    }
}

/// Most drivers with handlers at a time; the next one waits.
const MOST: usize = 32;

/// A driver's part in the interrupt.
struct Slot {
    target: [AtomicUsize; 4],
    /// CPUs that are looking.
    inside: AtomicU32,
    /// Looks so far.
    looks: AtomicU32,
    /// The first look that was wrong.
    wrong: Ilock<Option<Wrong>>,
}

static SLOTS: [Slot; MOST] = [const {
    Slot {
        target: [const { AtomicUsize::new(0) }; 4],
        inside: AtomicU32::new(0),
        looks: AtomicU32::new(0),
        wrong: Ilock::new(None),
    }
}; MOST];
/// Slots that a driver has, and those whose target may be looked at: a bit each.
static TAKEN: AtomicU32 = AtomicU32::new(0);
static ACTIVE: AtomicU32 = AtomicU32::new(0);

/// A handler that is called until it is stopped.
pub struct Handler(usize);

impl Handler {
    /// Starts one. May sleep until there is room.
    pub fn start(target: Target) -> Handler {
        let number = loop {
            let free = (0..MOST).find(|n| TAKEN.fetch_or(1 << n, Ordering::SeqCst) & 1 << n == 0);
            match free {
                Some(number) => break number,
                None => sched::relax(),
            }
        };
        let slot = &SLOTS[number];
        slot.target.iter().zip(target.words()).for_each(|(word, value)| {
            word.store(value, Ordering::Relaxed);
        });
        slot.looks.store(0, Ordering::Relaxed);
        ACTIVE.fetch_or(1 << number, Ordering::SeqCst);
        Handler(number)
    }

    /// Waits until some CPU had a look, then stops it: when this returns, no handler uses the mapping.
    /// Returns how many looks there were; one that was wrong is told.
    pub fn stop(self, tell: impl FnOnce(Wrong)) -> u32 {
        let slot = &SLOTS[self.0];
        while slot.looks.load(Ordering::SeqCst) == 0 {
            sched::relax();
        }
        ACTIVE.fetch_and(!(1 << self.0), Ordering::SeqCst);
        // Whoever came before looks to the end; whoever comes later sees that it is over.
        while slot.inside.load(Ordering::SeqCst) != 0 {
            sched::relax();
        }
        if let Some(wrong) = slot.wrong.lock().take() {
            tell(wrong);
        }
        let looks = slot.looks.load(Ordering::SeqCst);
        TAKEN.fetch_and(!(1 << self.0), Ordering::SeqCst);
        looks
    }
}

/// Calls the handlers on a CPU.
pub fn call(cpu: usize) {
    apic::ipi(machp(cpu).apicid.load(Ordering::Relaxed) as u8, VECTOR_DEVICE);
}

/// The interrupt: every handler has a look. Interrupts are off. Without handlers it does nothing that
/// would order this CPU's accesses.
pub fn interrupt() {
    let active = ACTIVE.load(Ordering::Relaxed);
    for (number, slot) in SLOTS.iter().enumerate().filter(|(n, _)| active & 1 << n != 0) {
        slot.inside.fetch_add(1, Ordering::SeqCst);
        if ACTIVE.load(Ordering::SeqCst) & 1 << number != 0 {
            let words = slot.target.each_ref().map(|word| word.load(Ordering::Relaxed));
            let choice = slot.looks.load(Ordering::Relaxed) as usize;
            if let Err(wrong) = Target::of(words).look(choice) {
                slot.wrong.lock().get_or_insert(wrong);
            }
            slot.looks.fetch_add(1, Ordering::SeqCst);
        }
        slot.inside.fetch_sub(1, Ordering::SeqCst);
    }
}
