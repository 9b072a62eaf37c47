//! The IOAPIC: a register that selects, and a window on what is selected (Intel 82093AA, 3.1).

use super::{Wrong, plain};
use crate::lock::Ilock;
use crate::probe;

const WINDOW: usize = 0x10;
const ID: u32 = 0;
const VERSION: u32 = 1;
/// Low word of the first redirection entry; each has two words.
const REDIRECTION: u32 = 0x10;
/// The entry delivers no interrupt.
const MASKED: u32 = 1 << 16;

/// Keeps selection and access together, whatever mapping they go through. The version is selected
/// while nobody has it.
static SELECTED: Ilock<()> = Ilock::new(());

/// What it shows, as the kernel's own mapping tells.
pub struct Ioapic {
    pa: usize,
    plain: usize,
    id: u32,
    version: u32,
    entries: u32,
}

/// Selects a register and reads it, with the lock held.
fn read(base: usize, register: u32) -> Option<u32> {
    // SAFETY: a mapping of the IOAPIC, which the caller has looked at before; the lock is held.
    unsafe { probe::write(base, register) }.then(|| probe::read(base + WINDOW)).flatten()
}

/// Selects a register and writes it, with the lock held.
fn write(base: usize, register: u32, value: u32) {
    // SAFETY: as in `read`; what is written are masked redirection entries, which nobody uses.
    let through = unsafe { probe::write(base, register) && probe::write(base + WINDOW, value) };
    // What did not get through is missed when it is read again.
    let _ = through;
}

impl Ioapic {
    /// Notes what the registers show.
    pub fn prepare(pa: usize) -> Ioapic {
        let plain = plain(pa);
        let _selected = SELECTED.lock();
        let id = read(plain, ID).expect("the platform page shows the IOAPIC");
        let version = read(plain, VERSION).expect("the platform page shows the IOAPIC");
        Ioapic { pa, plain, id, version, entries: (version >> 16 & 0xFF) + 1 }
    }

    /// Physical address of its registers.
    pub fn pa(&self) -> usize {
        self.pa
    }

    /// Looks at the registers through a mapping at `va`, and writes one that the kernel's own mapping
    /// shows afterwards. `choice` chooses a redirection entry and what is written there. At any
    /// interrupt level.
    pub fn look(&self, va: usize, choice: usize) -> Result<(), Wrong> {
        let _selected = SELECTED.lock();
        // Nothing is written before it is known where that goes.
        Wrong::unless(self.version, va + WINDOW, probe::read(va + WINDOW))?;
        let seen = self.exchange(va, choice);
        write(self.plain, VERSION, self.version);
        seen
    }

    fn exchange(&self, va: usize, choice: usize) -> Result<(), Wrong> {
        Wrong::unless(self.id, va, read(va, ID))?;
        let entry = REDIRECTION + 2 * (choice as u32 % self.entries);
        let was = read(self.plain, entry).unwrap_or(0);
        Wrong::unless(was, va, read(va, entry))?;
        let vector = 0x10 + choice as u32 % 0xE0;
        write(va, entry, MASKED | vector);
        let by_the_other = read(self.plain, entry);
        write(va, entry, was);
        Wrong::unless(MASKED | vector, va, by_the_other)?;
        Wrong::unless(was, va, read(self.plain, entry))
    }
}
