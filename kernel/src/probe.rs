//! Reads that may fault: the way to ask whether an address is mapped.

use core::arch::global_asm;

global_asm!(
    r#"
    .text
    .global probe_load
    .global probe_fault
probe_load:
    mov edx, [esp + 4]
    mov ecx, [esp + 8]
probe_access:
    mov eax, [edx]
    mov [ecx], eax
    mov eax, 1
    ret
probe_fault:
    xor eax, eax
    ret
    .global probe_access
"#
);

unsafe extern "C" {
    fn probe_load(va: usize, value: *mut u32) -> u32;
    static probe_access: u8;
    static probe_fault: u8;
}

/// Reads the word at `va`; `None` when the access faults.
pub fn read(va: usize) -> Option<u32> {
    let mut value = 0;
    // SAFETY: one load, whose fault the handler sends to `probe_fault`; device registers that the
    // tests read this way have no read side effects.
    (unsafe { probe_load(va, &mut value) } != 0).then_some(value)
}

/// Where to go on when the access of a probe faults at `eip`.
pub fn landing(eip: u32) -> Option<u32> {
    (eip == &raw const probe_access as u32).then_some(&raw const probe_fault as u32)
}
