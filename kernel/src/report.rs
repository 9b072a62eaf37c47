//! What the harness is told: one JSON line per event, then how to leave the machine.

use mmu386_wire::{Line, PREFIX, exit};

use crate::serial;
use crate::spl;

/// Longest line; a Panic with a full backtrace fits.
const LINE: usize = 1024;

/// Sends a line. It is built on the stack: whoever panics cannot allocate.
pub fn send(line: &Line<'_>) {
    let mut buffer = [0; LINE];
    match serde_json_core::to_slice(line, &mut buffer) {
        Ok(length) => serial::with(|console| {
            console.put(PREFIX.as_bytes());
            console.put(&buffer[..length]);
            console.put(b"\n");
        }),
        Err(_) => crate::println!("report: a line is longer than {LINE} bytes"),
    }
}

/// Leaves QEMU with `value`; halts where there is no isa-debug-exit.
pub fn leave(value: u8) -> ! {
    // SAFETY: the port belongs to isa-debug-exit or to nothing.
    unsafe { x86::io::outb(exit::PORT, value) };
    spl::stop();
}
