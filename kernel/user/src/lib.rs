//! What every program in ring 3 is linked with: where it starts, system calls, a panic.
#![no_std]

mod calls;
mod descriptors;
mod virtual_8086;

pub use calls::*;
pub use descriptors::*;
pub use kernel_abi::{Attack, BY2PG, Error, MOST_WORDS, USTKSIZE, USTKTOP, UTZERO, fuzz};
pub use virtual_8086::*;

use core::arch::global_asm;
use core::panic::PanicInfo;

// The kernel leaves a count and that many words where ESP points.
global_asm!(
    r#"
    .section .text.start, "ax", @progbits
    .global _start
_start:
    mov eax, esp
    xor ebp, ebp
    push eax
    push ebp
    jmp start
"#
);

unsafe extern "Rust" {
    /// The program: gets the words that it was started with, and gives its status.
    safe fn main(words: &[u32]) -> u32;
}

#[unsafe(no_mangle)]
extern "C" fn start(stack: *const u32) -> ! {
    // SAFETY: the kernel put a count and that many words there.
    let words = unsafe { core::slice::from_raw_parts(stack.add(1), *stack as usize) };
    exits(main(words))
}

/// Status of a program that panicked: the line, above all that a program gives by itself.
pub const PANICKED: u32 = 0x5000_0000;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let line = info.location().map_or(0, |at| at.line());
    let message = info.message().as_str().unwrap_or("panic");
    // Nobody is left to be told that the console refuses.
    let _ = write(message.as_bytes());
    exits(PANICKED | line)
}

/// Marsaglia's xorshift.
pub struct Rng(u32);

impl Rng {
    /// Numbers that follow from a seed.
    pub fn new(seed: u32) -> Rng {
        Rng(seed.wrapping_mul(0x9E37_79B9) | 1)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 >> 8) % n
    }
}
