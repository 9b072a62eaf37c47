//! Starting the other CPUs, one after the other.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use mmu386_wire::Line;

use crate::layout::APBOOTSTRAP;
use crate::mach::{machno, machp};
use crate::mmu::kaddr;
use crate::{apic, clock, cpu, mmu, paging, report, sched, segment, trap};

/// How long a CPU of the MADT may take to come up.
const DEADLINE_US: u64 = 2_000_000;

/// Handed to the CPU that is being started: its page directory, and its stack.
#[unsafe(no_mangle)]
static AP_PDB: AtomicU32 = AtomicU32::new(0);
#[unsafe(no_mangle)]
static AP_STACK: AtomicUsize = AtomicUsize::new(0);

global_asm!(
    r#"
    .section .rodata
    .balign 16
    .global ap_code
    .global ap_code_end
ap_code:
    .code16
    cli
    cld
    mov ax, cs
    mov ds, ax
    .byte 0x66, 0x0F, 0x01, 0x16
    .word ap_gdtr - ap_code
    mov eax, cr0
    or al, 1
    mov cr0, eax
    .byte 0x66, 0xEA
    .long {base} + ap_code32 - ap_code
    .word 0x10
    .balign 8
ap_gdt:
    .quad 0
    .quad 0x00CF92000000FFFF
    .quad 0x00CF9A000000FFFF
ap_gdtr:
    .word 23
    .long {base} + ap_gdt - ap_code
    .code32
ap_code32:
    mov eax, 0x08
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov ecx, offset BOOT_PDB - {kzero}
    mov cr3, ecx
    mov ecx, cr4
    or ecx, 0x10
    mov cr4, ecx
    mov ecx, cr0
    or ecx, 0x80010000
    and ecx, 0x9FFFFFFF
    mov cr0, ecx
    mov ecx, offset ap_high
    jmp ecx
ap_code_end:

    .text
ap_high:
    mov ecx, [AP_PDB]
    mov cr3, ecx
    mov esp, [AP_STACK]
    xor ebp, ebp
    push 0
    jmp ap_main
"#,
    base = const APBOOTSTRAP,
    kzero = const crate::layout::KZERO,
);

unsafe extern "C" {
    static ap_code: u8;
    static ap_code_end: u8;
}

/// Starts every CPU of `apicids` but this one, which is number 0. All directories are built before
/// the first starts, so that none is copied from one in use.
pub fn start_all(apicids: &[u8]) {
    let me = apic::id();
    let mut others = heapless::Vec::<u8, { crate::layout::MAXMACH }>::new();
    for id in apicids.iter().filter(|id| **id != me) {
        others.push(*id).expect("more CPUs than MAXMACH");
    }
    for (index, id) in others.iter().enumerate() {
        paging::build(index + 1);
        let mach = machp(index + 1);
        mach.apicid.store(u32::from(*id), Ordering::Relaxed);
        segment::build(mach, trap::double_fault);
    }
    let start = &raw const ap_code;
    let length = &raw const ap_code_end as usize - start as usize;
    // SAFETY: the page at APBOOTSTRAP is conventional memory that nothing else uses.
    unsafe { core::ptr::copy_nonoverlapping(start, kaddr(APBOOTSTRAP) as *mut u8, length) };
    for (index, id) in others.iter().enumerate() {
        start_one(index + 1, *id);
    }
}

fn start_one(n: usize, apicid: u8) {
    let mach = machp(n);
    AP_PDB.store(mach.pdb.load(Ordering::Relaxed), Ordering::SeqCst);
    AP_STACK.store(mmu::scheduler_stack(n), Ordering::SeqCst);
    apic::ipi_init(apicid);
    clock::delay(10_000);
    let begin = clock::tsc();
    for _ in 0..2 {
        apic::ipi_startup(apicid, (APBOOTSTRAP >> 12) as u8);
        let sent = clock::tsc();
        // The second message is for CPUs that missed the first, and would restart none.
        while clock::since(sent) < 10_000 {
            if mach.online.load(Ordering::SeqCst) {
                return;
            }
            core::hint::spin_loop();
        }
    }
    while !mach.online.load(Ordering::SeqCst) {
        assert!(
            clock::since(begin) < DEADLINE_US,
            "cpu{n} (LAPIC {apicid}) is in the MADT but did not come up"
        );
        core::hint::spin_loop();
    }
}

/// The CPU that calls takes part in shootdowns, and says that it is there. Interrupts are off.
pub fn go_online() {
    mmu::online();
    report::send(&Line::CpuOnline { cpu: machno() as u32 });
}

/// The first Rust code of another CPU, on its scheduler's stack, in its own directory.
#[unsafe(no_mangle)]
extern "C" fn ap_main() -> ! {
    cpu::enable_features();
    mmu::init_cpu();
    apic::enable();
    go_online();
    schedule()
}

extern "C" fn schedule() -> ! {
    apic::timer_start();
    sched::schedinit()
}

/// CPU 0 leaves the boot stack for its scheduler's, and schedules.
pub fn schedule_on(stack: usize) -> ! {
    // SAFETY: the stack is CPU 0's own and unused; nothing on the old one is needed any more.
    unsafe {
        core::arch::asm!(
            "mov esp, {stack}",
            "xor ebp, ebp",
            "push 0",
            "jmp {main}",
            stack = in(reg) stack,
            main = sym schedule,
            options(noreturn),
        );
    }
}
