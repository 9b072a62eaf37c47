//! What mostly ends a process.
//!
//! The translator lets IRET from ring 3 enter virtual-8086 mode, and choose I/O privilege and the interrupt
//! flag there. With one CPU nothing could end `cli` and an endless loop then; with more it takes the others a
//! second. So frames that ask for it keep interrupts on, and IRET is nowhere else.

use super::bytes::Program;
use super::words::{
    CODE_SELECTOR, IF, IOPL, IRETD, NT, VM, address, flag_word, own, push, selector,
};
use super::{CODE, Rng};
use crate::VECTOR_SYSCALL;

/// Loads or stores a segment register.
pub(super) fn segment_register(program: &mut Program, rng: &mut Rng) {
    let register = rng.of(&[0, 2, 3, 4, 5, 0, 4, 5, 1]);
    program.put_with(&[0xB8], selector(rng));
    match rng.below(4) {
        0 => program.put(&[0x8C, 0xC0 | register << 3]),
        1 => program.put(&[0x50, rng.of(&[0x07, 0x17, 0x1F])]),
        2 => program.put(&[0x50, 0x0F, rng.of(&[0xA1, 0xA9])]),
        _ => program.put(&[0x8E, 0xC0 | register << 3]),
    }
}

/// LDS, LES, LSS, LFS, LGS.
pub(super) fn far_pointer(program: &mut Program, rng: &mut Rng) {
    let from = if rng.once_in(3) { address(rng) } else { own(rng) };
    // What lies there.
    program.put_with(&[0x66, 0xC7, 0x05], own(rng));
    program.put(&(selector(rng) as u16).to_le_bytes());
    match rng.below(5) {
        0 => program.put_with(&[0xC5, 0x05], from),
        1 => program.put_with(&[0xC4, 0x05], from),
        n => program.put_with(&[0x0F, [0xB2, 0xB4, 0xB5][n as usize - 2], 0x05], from),
    }
}

/// IRET with a frame of any kind, to virtual-8086 mode at times.
pub(super) fn return_frame(program: &mut Program, rng: &mut Rng) {
    let virtual_mode = rng.once_in(3);
    if virtual_mode {
        for _ in 0..5 {
            push(program, rng.word() & 0xFFFF);
        }
        push(program, rng.word() & 0xFFFF);
        push(program, flag_word(rng) & !(IOPL | NT) | VM | IF);
        push(program, if rng.once_in(2) { rng.word() & 0xFFFF } else { 0x100 + rng.below(4) });
        push(program, rng.below(64));
    } else {
        push(program, selector(rng));
        push(program, address(rng));
        push(program, flag_word(rng));
        push(program, if rng.once_in(2) { CODE_SELECTOR } else { selector(rng) });
        push(program, if rng.once_in(2) { CODE + rng.below(64) } else { address(rng) });
    }
    program.put(&[IRETD]);
}

/// RETF, a far call, a far jump; through a pointer in memory or not.
pub(super) fn far_transfer(program: &mut Program, rng: &mut Rng) {
    let (to, code) = (address(rng), selector(rng));
    match rng.below(4) {
        0 => {
            push(program, code);
            push(program, to);
            program.put(&[0xCB]);
        }
        1 => {
            push(program, code);
            push(program, to);
            program.put(&[0xCA, rng.below(256) as u8, 0]);
        }
        2 => program.put_with(&[0xFF, rng.of(&[0x1D, 0x2D])], own(rng)),
        _ => {
            let [a, b, c, d] = to.to_le_bytes();
            let [e, f, ..] = code.to_le_bytes();
            program.put(&[rng.of(&[0x9A, 0xEA]), a, b, c, d, e, f]);
        }
    }
}

/// IN, OUT, INS, OUTS.
pub(super) fn ports(program: &mut Program, rng: &mut Rng) {
    let port = rng.of(&[0xF4, 0x60, 0x64, 0x70, 0x3F8, 0xCF8, 0xCFC, 0xCF9, 0x92, 0x20, 0xFFFF]);
    program.put_with(&[0xBA], port);
    let opcode = rng.of(&[0xEC, 0xED, 0xEE, 0xEF, 0x6C, 0x6D, 0x6E, 0x6F]);
    match rng.below(3) {
        0 => program.put(&[0xF3, opcode]),
        1 => program.put(&[0x66, opcode]),
        _ => program.put(&[opcode]),
    }
}

/// What ring 0 alone may, or nobody.
pub(super) fn privileged(program: &mut Program, rng: &mut Rng) {
    const ALL: &[&[u8]] = &[
        &[0xF4],
        &[0xFA],
        &[0xFB],
        &[0x0F, 0x06],
        &[0x0F, 0x32],
        &[0x0F, 0x30],
        &[0x0F, 0x08],
        &[0x0F, 0x09],
        &[0x0F, 0x01, 0x38],
        &[0x0F, 0x20, 0xC0],
        &[0x0F, 0x22, 0xC0],
        &[0x0F, 0x22, 0xD8],
        &[0x0F, 0x22, 0xE0],
        &[0x0F, 0x21, 0xF8],
        &[0x0F, 0x23, 0xF8],
        &[0x0F, 0x34],
        &[0x0F, 0x35],
        &[0x0F, 0x05],
        &[0x0F, 0x07],
        &[0x0F, 0xAA],
        &[0x0F, 0x01, 0xC8],
        &[0x0F, 0x01, 0xC9],
        &[0x0F, 0x01, 0xD0],
        &[0x0F, 0x01, 0xD1],
        &[0x0F, 0x01, 0xF8],
        &[0x0F, 0x01, 0xD8],
        &[0x0F, 0x01, 0x10],
        &[0x0F, 0x01, 0x18],
        &[0x0F, 0x00, 0xD0],
        &[0x0F, 0x00, 0xD8],
        &[0x0F, 0x01, 0xF0],
        &[0x0F, 0x33],
        &[0x0F, 0xA2],
        &[0x0F, 0x31],
        &[0x0F, 0x0B],
        &[0x0F, 0xFF],
        &[0x0F, 0x37],
    ];
    program.put_with(&[0xB9], rng.of(&[0x10, 0x1B, 0x174, 0x175, 0x176, 0x277, 0xC000_0080, 0x79]));
    program.put(rng.of(ALL));
}

/// Prefixes and bytes that mean anything.
pub(super) fn noise(program: &mut Program, rng: &mut Rng) {
    const PREFIXES: &[u8] =
        &[0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x0F];
    for _ in 0..rng.below(4) {
        program.put(&[rng.of(PREFIXES)]);
    }
    for _ in 0..1 + rng.below(12) {
        let byte = rng.word() as u8;
        program.put(&[if byte == IRETD { 0x90 } else { byte }]);
    }
}

/// Reads, writes or changes memory anywhere.
pub(super) fn touch(program: &mut Program, rng: &mut Rng) {
    let to = address(rng);
    match rng.below(7) {
        0 => program.put_with(&[0xA1], to),
        1 => program.put_with(&[0xA3], to),
        2 => program.put_with(&[0xF0, 0x01, 0x05], to),
        3 => program.put_with(&[0x87, 0x05], to),
        4 => program.put_with(&[0xF0, 0x0F, 0xC7, 0x0D], to),
        5 => program.put_with(&[rng.of(&[0x26, 0x36, 0x64, 0x65]), 0x8B, 0x05], to),
        _ => program.put_with(&[0xFF, rng.of(&[0x35, 0x15, 0x25])], to),
    }
}

/// A stack pointer into nowhere, then something that needs a stack.
pub(super) fn stack_nowhere(program: &mut Program, rng: &mut Rng) {
    program.put_with(&[0xBC], address(rng));
    let then: &[u8] = rng.of(&[
        &[0xCD, VECTOR_SYSCALL],
        &[0x60],
        &[0x9C],
        &[0x61],
        &[0xC8, 0xFF, 0xFF, 31],
        &[0xC9],
        &[0xC3],
        &[0xE8, 0, 0, 0, 0],
    ]);
    program.put_with(&[0xB8], rng.below(14));
    program.put(then);
}

/// INT of any number, INT3, INTO, ICEBP, BOUND.
pub(super) fn interrupt(program: &mut Program, rng: &mut Rng) {
    match rng.below(6) {
        0 => program.put(&[rng.of(&[0xCC, 0xCE, 0xF1])]),
        1 => program.put_with(&[0x62, 0x05], own(rng)),
        2 => program.put(&[0x33, 0xC9, 0xF7, 0xF1]),
        _ => program.put(&[0xCD, rng.word() as u8]),
    }
}

/// The floating point unit, MMX and SSE, which are off.
pub(super) fn floating(program: &mut Program, rng: &mut Rng) {
    let modrm = 0xC0 | rng.below(64) as u8;
    match rng.below(5) {
        0 => program.put(&[0x9B]),
        1 => program.put(&[0x0F, 0x58, modrm]),
        2 => program.put(&[0x0F, 0x6F, modrm]),
        3 => program.put_with(&[0x0F, 0xAE, rng.of(&[0x05, 0x0D, 0x15, 0x1D, 0x25])], own(rng)),
        _ => program.put(&[0xD8 | rng.below(8) as u8, modrm]),
    }
}

/// String instructions that run into whatever lies behind.
pub(super) fn strings(program: &mut Program, rng: &mut Rng) {
    program.put_with(&[0xBF], address(rng));
    program.put_with(&[0xBE], if rng.once_in(2) { address(rng) } else { own(rng) });
    program.put_with(&[0xB9], rng.of(&[1, 16, 0x1001, 0x2_0000, u32::MAX]));
    if rng.once_in(4) {
        program.put(&[0xFD]);
    }
    program.put(&[rng.of(&[0xF3, 0xF2]), rng.of(&[0xA4, 0xA5, 0xA6, 0xAA, 0xAB, 0xAC, 0xAE])]);
}

/// A jump or a call to anywhere.
pub(super) fn jump(program: &mut Program, rng: &mut Rng) {
    // Back into itself seldom: that mostly has no end.
    let to = match rng.below(8) {
        0 => CODE + rng.below(program.length() as u32 + 1),
        1..4 => CODE + program.length() as u32 + 7 + rng.below(16),
        _ => address(rng),
    };
    program.put_with(&[0xB8], to);
    program.put(&[0xFF, rng.of(&[0xE0, 0xD0])]);
}
