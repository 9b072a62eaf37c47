//! Words that mean something to the kernel or to the processor, and what every shape is made with.

use super::bytes::Program;
use super::{CODE, DATA, Rng, STACK, WITNESS};
use crate::{BY2PG, USTKSIZE, USTKTOP, UTZERO, VECTOR_SYSCALL};

pub(super) const TF: u32 = 1 << 8;
pub(super) const IF: u32 = 1 << 9;
pub(super) const IOPL: u32 = 3 << 12;
pub(super) const NT: u32 = 1 << 14;
pub(super) const VM: u32 = 1 << 17;
pub(super) const AC: u32 = 1 << 18;
pub(super) const IRETD: u8 = 0xCF;

/// The ring-3 selectors that every process has.
pub(super) const CODE_SELECTOR: u32 = 0x23;
pub(super) const DATA_SELECTOR: u32 = 0x1B;

/// Where segments of the process begin and end, what the kernel has, and the ends of all addresses.
pub(super) fn address(rng: &mut Rng) -> u32 {
    let place = rng.of(&[
        0,
        UTZERO,
        CODE,
        DATA,
        STACK,
        WITNESS,
        USTKTOP - USTKSIZE,
        USTKTOP,
        0x1_0000,
        0x4000_0000,
        0xE000_0000,
        0xE040_0000,
        0xEF80_0000,
        0xEFBF_B000,
        0xEFC0_0000,
        0xEFFB_F000,
        0xF000_0000,
        0xF000_8000,
        0xF001_8000,
        0xF010_0000,
        0xF100_0000,
        0xFF00_0000,
        0xFF40_0000,
        0xFFC0_0000,
        0x8000_0000,
        0xFFFF_F000,
    ]);
    place.wrapping_add(rng.of(&[
        0,
        0,
        1,
        4,
        8,
        0xFFC,
        0xFFF,
        0x1000,
        -1_i32 as u32,
        -2_i32 as u32,
        -4_i32 as u32,
        -8_i32 as u32,
        -0x1000_i32 as u32,
    ]))
}

/// An address in the process's own scratch memory.
pub(super) fn own(rng: &mut Rng) -> u32 {
    DATA + rng.below(BY2PG / 4 - 16) * 4
}

/// A word that may mean something, or not.
pub(super) fn word(rng: &mut Rng) -> u32 {
    match rng.below(6) {
        0 => rng.below(16),
        1 => rng.of(&[u32::MAX, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF, 0x1_0000, 96, 97, 64 << 12]),
        2 => selector(rng),
        3 => rng.word(),
        _ => address(rng),
    }
}

/// A selector: of the kernel's tables, of the process's own descriptors, of none.
pub(super) fn selector(rng: &mut Rng) -> u32 {
    match rng.below(4) {
        0 => {
            rng.of(&[0, 3, 0x08, 0x10, DATA_SELECTOR, CODE_SELECTOR, 0x28, 0x2B, 0x30, 0x50, 0x53])
        }
        1 => (11 + rng.below(3)) << 3 | 3,
        2 => rng.below(5) << 3 | 7,
        _ => rng.below(0x1_0000),
    }
}

/// Flags, whatever they mean; never virtual-8086 mode.
pub(super) fn flag_word(rng: &mut Rng) -> u32 {
    let some = [0, IF, TF, IOPL, NT, AC, 1 << 10, 1 << 21, 0xFFFF_FFFF];
    (rng.of(&some) | rng.of(&some) | rng.word() & 0x8D5) & !VM
}

pub(super) fn push(program: &mut Program, word: u32) {
    program.put_with(&[0x68], word);
}

/// A system call with these arguments; the stack is as before.
pub(super) fn call(program: &mut Program, number: u32, args: [u32; 4]) {
    args.iter().rev().for_each(|arg| push(program, *arg));
    program.put(&[0x50]);
    program.put_with(&[0xB8], number);
    program.put(&[0xCD, VECTOR_SYSCALL, 0x83, 0xC4, 20]);
}

/// Names of programs, each in 16 bytes of [`DATA`].
pub(super) const NAMES: [&[u8]; 5] = [b"calls", b"life", b"registers", b"segments", b"hostile"];

/// The words that the program finds at [`DATA`]: the names, then anything but flags of virtual-8086 mode.
pub fn data(rng: &mut Rng, index: u32) -> u32 {
    let (name, from) = (index as usize / 4, index as usize % 4 * 4);
    match NAMES.get(name) {
        Some(name) => {
            let byte = |n: usize| name.get(from + n).copied().unwrap_or(0);
            u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)])
        }
        None => word(rng) & !VM,
    }
}
