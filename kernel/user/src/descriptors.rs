//! Segment descriptors of a process's own (Intel SDM vol. 3, 3.4.5), and the registers that hold them.

use core::arch::asm;

/// Descriptors of its own that a process has in the GDT, and in its local table.
pub const GLOBAL: u32 = 3;
/// As above.
pub const LOCAL: u32 = 4;

/// The selector of a process's own descriptor in the GDT.
pub const fn global(n: u32) -> u32 {
    (11 + n) << 3 | 3
}

/// The selector of a descriptor in the local table.
pub const fn local(n: u32) -> u32 {
    n << 3 | 7
}

const fn words(base: u32, limit: u32, kind: u32) -> (u32, u32) {
    let low = base << 16 | limit & 0xFFFF;
    (low, base & 0xFF00_0000 | base >> 16 & 0xFF | limit & 0xF_0000 | kind)
}

/// Data to be read and written, from `base` on, with `limit` bytes after the first.
pub const fn data(base: u32, limit: u32) -> (u32, u32) {
    words(base, limit, 0x0040_F200)
}

/// Data to be read and written, all addresses.
pub const fn flat_data(base: u32) -> (u32, u32) {
    words(base, 0xF_FFFF, 0x00C0_F200)
}

/// Code, all addresses.
pub const fn flat_code(base: u32) -> (u32, u32) {
    words(base, 0xF_FFFF, 0x00C0_FA00)
}

/// Whether a selector leads to what may be read; loads nothing.
pub fn readable(selector: u32) -> bool {
    let yes: u8;
    // SAFETY: changes flags alone.
    unsafe { asm!("verr {0:x}", "setz {1}", in(reg) selector, out(reg_byte) yes) };
    yes != 0
}

/// Loads GS. A selector that cannot be loaded is the end of the process.
pub fn load_gs(selector: u32) {
    // SAFETY: nothing but this program's own functions uses GS.
    unsafe { asm!("mov gs, {0:e}", in(reg) selector) };
}

/// Loads FS, as `load_gs`.
pub fn load_fs(selector: u32) {
    // SAFETY: as in `load_gs`.
    unsafe { asm!("mov fs, {0:e}", in(reg) selector) };
}

/// What GS holds.
pub fn gs() -> u32 {
    let selector: u32;
    // SAFETY: reads a register.
    unsafe { asm!("mov {0:e}, gs", out(reg) selector) };
    selector & 0xFFFF
}

/// The first word of the segment in GS.
pub fn read_gs() -> u32 {
    let word: u32;
    // SAFETY: what the process has there is its own memory, or the process is stopped.
    unsafe { asm!("mov {0}, dword ptr gs:[0]", out(reg) word) };
    word
}

/// The first word of the segment in FS.
pub fn read_fs() -> u32 {
    let word: u32;
    // SAFETY: as in `read_gs`.
    unsafe { asm!("mov {0}, dword ptr fs:[0]", out(reg) word) };
    word
}

/// Writes the first word of the segment in GS.
pub fn write_gs(word: u32) {
    // SAFETY: as in `read_gs`; callers read that word again with volatile reads alone.
    unsafe { asm!("mov dword ptr gs:[0], {0}", in(reg) word) };
}
