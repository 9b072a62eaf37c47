//! What a process survives as a rule, and by which it changes what comes after.

use super::bytes::Program;
use super::words::{
    CODE_SELECTOR, IF, IRETD, NAMES, NT, TF, call, flag_word, own, push, selector, word,
};
use super::{CODE, DATA, Rng};
use crate::{BY2PG, Call};

pub(super) fn wild_call(program: &mut Program, rng: &mut Rng) {
    let number = if rng.once_in(4) { word(rng) } else { rng.below(Call::ALL.len() as u32 + 2) };
    let args = core::array::from_fn(|_| word(rng));
    call(program, number, args);
}

pub(super) fn plausible_call(program: &mut Program, rng: &mut Rng) {
    let shared = 0x4000_0000 + rng.below(3) * 0x10_0000;
    let pages = |rng: &mut Rng, most| rng.below(most) * BY2PG;
    let some = rng.word();
    let (call_, args) = match rng.below(24) {
        0..3 => (Call::Fork, [0; 4]),
        3 => (Call::Await, [own(rng), 0, 0, 0]),
        // Seldom: most programs live on for long.
        4 if rng.once_in(4) => {
            let name = rng.below(NAMES.len() as u32);
            let length = NAMES[name as usize].len() as u32;
            (Call::Exec, [DATA + 16 * name, length, own(rng), rng.below(9)])
        }
        5..8 => (Call::Brk, [rng.below(0x40) * 0x800, 0, 0, 0]),
        8..12 => (Call::Segattach, [rng.below(3), shared, pages(rng, 66), 0]),
        12..14 => (Call::Segdetach, [shared, 0, 0, 0]),
        14..17 => (Call::Segfree, [shared + pages(rng, 8), pages(rng, 9), 0, 0]),
        17..20 => (Call::Sleep, [rng.below(3), 0, 0, 0]),
        20 => (Call::Write, [own(rng), 97 + rng.below(9), 0, 0]),
        21 => (Call::Report, [some, some, some, 0]),
        _ => (Call::Getpid, [0; 4]),
    };
    call(program, call_ as u32, args);
    if matches!(call_, Call::Segattach | Call::Brk) && rng.once_in(2) {
        // What came is used.
        program.put_with(&[0xC7, 0x05], shared + pages(rng, 3));
        program.put(&some.to_le_bytes());
    }
}

/// A descriptor of its own: one that it may have, or nearly so.
pub(super) fn descriptor(program: &mut Program, rng: &mut Rng) {
    let kind =
        rng.of(&[0x00C0_F200, 0x0040_F200, 0x00C0_FA00, 0x0040_F600, 0x00C0_F000, 0x00C0_EC00]);
    let spoil = if rng.once_in(3) { 1 << rng.below(32) } else { 0 };
    let (low, high) = (word(rng), kind | rng.word() & 0xFF0F_00FF);
    call(program, Call::Descriptor as u32, [selector(rng), low, high ^ spoil, 0]);
}

/// Loads a data segment register with one of its own descriptors, and uses it.
pub(super) fn own_segment(program: &mut Program, rng: &mut Rng) {
    let selector =
        if rng.once_in(2) { (11 + rng.below(3)) << 3 | 3 } else { rng.below(4) << 3 | 7 };
    // FS or GS, and its prefix.
    let (register, prefix) = rng.of(&[(4, 0x64), (5, 0x65)]);
    // Only if it is readable: mov ax, selector; verr ax; jnz over the load and the access.
    program.put_with(&[0xB8], selector);
    program.put(&[0x0F, 0x00, 0xE0, 0x75, 5, 0x8E, 0xC0 | register << 3, prefix, 0x8B, 0x00]);
}

/// POPF and what the flags do to the next instruction.
pub(super) fn flags(program: &mut Program, rng: &mut Rng) {
    push(program, flag_word(rng) & if rng.once_in(3) { u32::MAX } else { !TF });
    program.put(&[0x9D, 0x9C, 0x58]);
}

/// IRET to the next instruction, with other flags.
pub(super) fn frame_that_returns(program: &mut Program, rng: &mut Rng) {
    push(program, flag_word(rng) & !(TF | NT) | IF);
    push(program, CODE_SELECTOR);
    push(program, CODE + program.length() as u32 + 6);
    program.put(&[IRETD]);
}

/// SGDT, SIDT, SLDT, STR, SMSW, VERR, VERW, LAR, LSL: ring 3 may.
pub(super) fn tables(program: &mut Program, rng: &mut Rng) {
    program.put_with(&[0xB8], selector(rng));
    match rng.below(3) {
        0 => program.put_with(&[0x0F, 0x01, rng.of(&[0x05, 0x0D, 0x25])], own(rng)),
        1 => program.put(&[0x0F, 0x00, rng.of(&[0xC2, 0xCA, 0xE0, 0xE8])]),
        _ => program.put(&[0x0F, rng.of(&[0x02, 0x03]), 0xD0]),
    }
}

/// Writes its own memory.
pub(super) fn touch_own(program: &mut Program, rng: &mut Rng) {
    program.put_with(&[0xC7, 0x05], own(rng));
    let word = word(rng);
    program.put(&word.to_le_bytes());
}

/// Changes a byte of its own code, before or behind.
pub(super) fn store_into_itself(program: &mut Program, rng: &mut Rng) {
    let at = CODE + rng.below(program.length() as u32 + 40);
    program.put_with(&[0xC6, 0x05], at);
    let byte = rng.word() as u8;
    program.put(&[if byte == IRETD { 0x90 } else { byte }]);
}

/// A loop that ends.
pub(super) fn count_down(program: &mut Program, rng: &mut Rng) {
    program.put_with(&[0xB9], 1 << rng.below(16));
    program.put(&[0x49, 0x75, 0xFD]);
}
