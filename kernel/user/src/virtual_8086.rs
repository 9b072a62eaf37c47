//! Virtual 8086 mode, into which no process has a way on a processor that keeps to its manual.

use core::arch::{asm, global_asm};

/// What is done there.
#[derive(Clone, Copy, Debug)]
pub enum Code8086 {
    /// Reads at 0.
    Fault,
    /// Calls the system.
    Call,
    /// Spins.
    Spin,
    /// Turns interrupts off, and calls the system.
    Cli,
    /// Turns interrupts off, and spins.
    Deaf,
    /// Writes to a port.
    Port,
}

// Code of the 8086: a read at 0, a system call, a loop, a call without interrupts, a port.
global_asm!(
    r#"
    .text
    .global fault_8086, call_8086, spin_8086, cli_8086, deaf_8086, port_8086
fault_8086:
    .byte 0xA0, 0x00, 0x00, 0xEB, 0xFE
call_8086:
    .byte 0xCD, 0x40, 0xEB, 0xFE
spin_8086:
    .byte 0xEB, 0xFE
cli_8086:
    .byte 0xFA, 0xCD, 0x40, 0xEB, 0xFE
deaf_8086:
    .byte 0xFA, 0xEB, 0xFE
port_8086:
    .byte 0xE6, 0xF4, 0xEB, 0xFE
"#
);

unsafe extern "C" {
    static fault_8086: u8;
    static call_8086: u8;
    static spin_8086: u8;
    static cli_8086: u8;
    static deaf_8086: u8;
    static port_8086: u8;
}

const VM: u32 = 1 << 17;
/// Of the flags: every ring may use I/O and turn interrupts off.
pub const IOPL: u32 = 3 << 12;
/// Of the flags: a task was called by another.
pub const NT: u32 = 1 << 14;

/// Returns to `code` as if from the kernel to virtual 8086 mode, with the number of a fork in EAX. `ring` is
/// in the low bits of the code segment. A processor that keeps to its manual takes that for a selector, and
/// refuses it.
pub fn enter_8086(code: Code8086, ring: u32, flags: u32) {
    let code = match code {
        Code8086::Fault => &raw const fault_8086,
        Code8086::Call => &raw const call_8086,
        Code8086::Spin => &raw const spin_8086,
        Code8086::Cli => &raw const cli_8086,
        Code8086::Deaf => &raw const deaf_8086,
        Code8086::Port => &raw const port_8086,
    };
    let cs = (((code as u32 >> 4) - 4) & !3) | ring;
    let ip = code as u32 - (cs << 4);
    // SAFETY: none; that the process ends there is what is tried.
    unsafe {
        asm!(
            "push 0",
            "push 0",
            "push 0",
            "push 0",
            "push 0x100",
            "push 0x1000",
            "push {flags}",
            "push {cs}",
            "push {ip}",
            "mov eax, 4",
            "iretd",
            flags = in(reg) VM | flags | 0x202,
            cs = in(reg) cs,
            ip = in(reg) ip,
            out("eax") _,
        );
    }
}
