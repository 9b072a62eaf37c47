//! From the Multiboot loader to Rust: paging on, a stack, `boot_main`.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::layout::{BY2LARGE, KZERO, PTESIZE, PTEVALID, PTEWRITE, STACKS, pdx};

/// What a Multiboot 1 loader leaves in EAX.
pub const MULTIBOOT_MAGIC: u32 = 0x2BAD_B002;

/// A page directory or table. Processors write to its words, too: they note what was used.
#[repr(C, align(4096))]
pub struct Table([AtomicU32; 1024]);

impl Table {
    /// An entry.
    pub fn get(&self, index: usize) -> u32 {
        self.0[index].load(Ordering::Relaxed)
    }

    /// Changes an entry.
    pub fn set(&self, index: usize, entry: u32) {
        self.0[index].store(entry, Ordering::Relaxed);
    }

    /// Makes all entries those of another table.
    pub fn copy(&self, from: &Table) {
        (0..self.0.len()).for_each(|index| self.set(index, from.get(index)));
    }
}

/// The first directory: low memory at 0 and physical memory at KZERO, in large pages. Every CPU
/// passes through it on its way to its own.
#[unsafe(no_mangle)]
static BOOT_PDB: Table = boot_pdb();

const fn boot_pdb() -> Table {
    let mut table = [const { AtomicU32::new(0) }; 1024];
    table[0] = AtomicU32::new(PTESIZE | PTEWRITE | PTEVALID);
    let mut slot = pdx(KZERO);
    while slot < pdx(STACKS) {
        let pa = ((slot - pdx(KZERO)) * BY2LARGE) as u32;
        table[slot] = AtomicU32::new(pa | PTESIZE | PTEWRITE | PTEVALID);
        slot += 1;
    }
    Table(table)
}

/// Bytes of the stack that CPU 0 boots on.
const BOOT_STACK: usize = 32 << 10;

global_asm!(
    r#"
    .section .multiboot, "a", @progbits
    .balign 4
    .long 0x1BADB002
    .long 0x00000003
    .long -(0x1BADB002 + 0x00000003)

    .section .text.boot, "ax", @progbits
    .code32
    .global start
start:
    cli
    cld
    mov edi, eax
    mov ecx, offset BOOT_PDB - {kzero}
    mov cr3, ecx
    mov ecx, cr4
    or ecx, 0x10
    mov cr4, ecx
    mov ecx, cr0
    or ecx, 0x80010000
    mov cr0, ecx
    mov ecx, offset boot_high
    jmp ecx
boot_high:
    mov esp, offset boot_stack + {stack}
    xor ebp, ebp
    push ebx
    push edi
    push 0
    jmp boot_main

    .section .bss
    .balign 16
boot_stack:
    .skip {stack}
"#,
    kzero = const KZERO,
    stack = const BOOT_STACK,
);
