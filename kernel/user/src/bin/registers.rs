//! Spins with known values in all registers, while ticks come and the process moves from CPU to CPU.
//! Words: seed, rounds. Status: rounds in which a register was not as it had to be.
#![no_std]
#![no_main]

use core::arch::asm;

use kernel_user as _;

/// One round: fills the registers, counts down for a while, compares.
fn round(seed: u32) -> bool {
    let wrong: u32;
    // SAFETY: all registers are saved, or said to be changed.
    unsafe {
        asm!(
            "push ebx",
            "push esi",
            "push edi",
            "push ebp",
            "mov ecx, 20000",
            "lea ebx, [eax + 1]",
            "lea edx, [eax + 2]",
            "lea esi, [eax + 3]",
            "lea edi, [eax + 4]",
            "lea ebp, [eax + 5]",
            "2:",
            "dec ecx",
            "jnz 2b",
            "sub ebx, eax",
            "sub edx, eax",
            "sub esi, eax",
            "sub edi, eax",
            "sub ebp, eax",
            "xor ebx, 1",
            "xor edx, 2",
            "xor esi, 3",
            "xor edi, 4",
            "xor ebp, 5",
            "or ebx, edx",
            "or ebx, esi",
            "or ebx, edi",
            "or ebx, ebp",
            "mov eax, ebx",
            "pop ebp",
            "pop edi",
            "pop esi",
            "pop ebx",
            inout("eax") seed => wrong,
            out("ecx") _,
            out("edx") _,
        );
    }
    wrong != 0
}

#[unsafe(no_mangle)]
fn main(words: &[u32]) -> u32 {
    let (seed, rounds) = (words[0], words[1]);
    (0..rounds).filter(|n| round(seed.wrapping_mul(n | 1))).count() as u32
}
