//! The two 8259s, which this kernel has no use for. Firmware leaves them at the vectors of exceptions, the
//! timer at that of a double fault: they are moved to vectors of their own, and masked.

use core::sync::atomic::{AtomicU32, Ordering};

/// First of 16 vectors.
pub const VECTORS: u8 = 0x20;
/// Lines of both.
pub const LINES: u8 = 16;

const COMMAND: [u16; 2] = [0x20, 0xA0];
const DATA: [u16; 2] = [0x21, 0xA1];
/// Start of the setup: three more words follow.
const SETUP: u8 = 0x11;
/// The line of the first where the second is, as each of them wants to hear it.
const CASCADE: [u8; 2] = [1 << 2, 2];
/// Vectors are for an 8086.
const MODE: u8 = 1;
/// The next read of the command port gives what is in service.
const IN_SERVICE: u8 = 0x0B;
const END: u8 = 0x20;

/// Interrupts of lines that are masked, which came all the same.
static SPURIOUS: AtomicU32 = AtomicU32::new(0);

fn out(port: u16, value: u8) {
    // SAFETY: the ports of the 8259s, which nobody else touches.
    unsafe { x86::io::outb(port, value) }
}

fn input(port: u16) -> u8 {
    // SAFETY: as in `out`.
    unsafe { x86::io::inb(port) }
}

/// Moves and masks them. CPU 0, before interrupts are ever on.
pub fn init() {
    for n in 0..2 {
        out(COMMAND[n], SETUP);
        out(DATA[n], VECTORS + 8 * n as u8);
        out(DATA[n], CASCADE[n]);
        out(DATA[n], MODE);
    }
    mask([0xFF; 2]);
}

/// Masks the lines whose bits are set.
pub fn mask(lines: [u8; 2]) {
    out(DATA[0], lines[0]);
    out(DATA[1], lines[1]);
}

/// The lines that are masked.
pub fn masked() -> [u8; 2] {
    DATA.map(input)
}

/// An interrupt of one of them: a line that went away again, or one that was masked too late. Interrupts
/// are off.
pub fn interrupt(vector: u8) {
    SPURIOUS.fetch_add(1, Ordering::Relaxed);
    let line = vector - VECTORS;
    let second = usize::from(line / 8);
    out(COMMAND[second], IN_SERVICE);
    // A line that went away is the lowest of its 8259, which has nothing in service then.
    if input(COMMAND[second]) & 1 << (line % 8) != 0 {
        out(COMMAND[second], END);
    }
    if second == 1 {
        out(COMMAND[0], END);
    }
}

/// Interrupts so far.
pub fn count() -> u32 {
    SPURIOUS.load(Ordering::Relaxed)
}
