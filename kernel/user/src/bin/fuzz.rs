//! Makes a program of the fuzzer and runs it, in a child as a rule. Words: seed, number, and whether to
//! damage its own memory, which is the control. Status: 0 if its memory was as before when the child was
//! gone, else what was not.
#![no_std]
#![no_main]

use core::arch::asm;

use kernel_user as user;
use kernel_user::BY2PG;
use kernel_user::fuzz::{self, CODE, DATA, Program, Rng, STACK, WITNESS, damage};

const WORDS: u32 = BY2PG / 4;

fn load(va: u32) -> u32 {
    // SAFETY: the page is of this process's stack segment or of its text.
    unsafe { (va as *const u32).read_volatile() }
}

fn store(va: u32, word: u32) {
    // SAFETY: the page is of this process's stack segment, below all that the compiler's stack reaches.
    unsafe { (va as *mut u32).write_volatile(word) };
}

/// The word of a program's page at an index.
fn code(program: &Program, index: u32) -> u32 {
    let byte = |n: usize| program.bytes().get(4 * index as usize + n).copied().unwrap_or(0);
    u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)])
}

/// The word of the witness's page at an index.
fn witness(seed: u32, index: u32) -> u32 {
    seed ^ index.wrapping_mul(0x9E37_79B9)
}

/// A digest of this program's first page of text, which all processes share that run it.
fn text() -> u32 {
    (0..WORDS).fold(0, |sum, n| sum.rotate_left(5) ^ load(user::UTZERO + 4 * n))
}

/// Leaves everything to the program.
fn run(program: &Program) -> ! {
    let frame = STACK - 32;
    for (n, register) in (0..).zip(program.registers) {
        store(frame + 4 * n, register);
    }
    store(frame + 28, CODE);
    // SAFETY: none; that the kernel and the other processes stand it is what is tried.
    unsafe {
        asm!(
            "mov esp, {frame}",
            "pop edi",
            "pop esi",
            "pop ebp",
            "pop ebx",
            "pop edx",
            "pop ecx",
            "pop eax",
            "ret",
            frame = in(reg) frame,
            options(noreturn)
        )
    }
}

#[unsafe(no_mangle)]
fn main(words: &[u32]) -> u32 {
    let (seed, number, spoil) = (words[0], words[1], words[2] != 0);
    let program = fuzz::program(seed, number);
    for n in 0..WORDS {
        store(CODE + 4 * n, code(&program, n));
        store(WITNESS + 4 * n, witness(seed, n));
    }
    let mut rng = Rng::new(seed ^ 0xDA7A, number);
    for n in 0..WORDS {
        store(DATA + 4 * n, fuzz::data(&mut rng, n));
    }
    let text_before = text();
    if fuzz::alone(number) && !spoil {
        run(&program);
    }
    match user::fork() {
        Ok(0) => run(&program),
        Ok(_) => {}
        Err(_) => return damage::NO_CHILD,
    }
    if spoil {
        store(WITNESS, !witness(seed, 0));
    }
    if user::await_child().is_err() {
        return damage::NO_CHILD;
    }
    if (0..WORDS).any(|n| load(WITNESS + 4 * n) != witness(seed, n)) {
        return damage::WITNESS;
    }
    if (0..WORDS).any(|n| load(CODE + 4 * n) != code(&program, n)) {
        return damage::CODE;
    }
    if text() != text_before {
        return damage::TEXT;
    }
    0
}
