//! Which functions of mmu.c this kernel has run since boot.

use core::sync::atomic::{AtomicU32, Ordering};

use mmu386::function::Function;

const WORDS: usize = Function::ALL.len().div_ceil(32);

/// A bit per function, in the order of `Function`.
static RAN: [AtomicU32; WORDS] = [const { AtomicU32::new(0) }; WORDS];

/// Notes that a function was called. Looks first: nearly always it was.
pub fn mark(function: Function) {
    let (word, bit) = (&RAN[function as usize / 32], 1 << (function as usize % 32));
    if word.load(Ordering::Relaxed) & bit == 0 {
        word.fetch_or(bit, Ordering::Relaxed);
    }
}

/// Whether a function was called.
pub fn has(function: Function) -> bool {
    RAN[function as usize / 32].load(Ordering::Relaxed) & 1 << (function as usize % 32) != 0
}
