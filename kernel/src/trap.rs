//! One IDT for all CPUs, the entry from assembly, and what each vector means.

use core::arch::global_asm;
use core::cell::UnsafeCell;
use core::sync::atomic::Ordering;

use kernel_abi::VECTOR_SYSCALL;
use mmu386::arch::Owned;
use mmu386::gdt::Selector;
use x86::dtables::{DescriptorTablePointer, lidt};

use crate::events::{self, Kind};
use crate::mach::m;
use crate::panic::{self, Regs};
use crate::segment::DFSEL;
use crate::ureg::{IF, Interrupted};
pub use crate::ureg::{Ureg, UserUreg};
use crate::{apic, chaos, devices, mmu, pic, probe, sched, segment, still, tests, user, watch};

const NMI: u32 = 2;
const DOUBLE_FAULT: usize = 8;
const SEGMENT_NOT_PRESENT: u32 = 11;
const PROTECTION: u32 = 13;
const PAGE_FAULT: u32 = 14;
const MACHINE_CHECK: u32 = 18;
/// Of a page fault's error code: the access was a write.
const WRITE: u32 = 2;
const EXCEPTIONS: u32 = 32;
const SYSCALL: u32 = VECTOR_SYSCALL as u32;
/// The tick of HZ.
pub const VECTOR_TIMER: u8 = 0x50;
/// Another CPU asks for a flush.
pub const VECTOR_SHOOTDOWN: u8 = 0x51;
/// There is something to run.
pub const VECTOR_WAKE: u8 = 0x52;
/// A test asks what this CPU sees at an address.
pub const VECTOR_PROBE: u8 = 0x54;
/// A device wants to be looked at.
pub const VECTOR_DEVICE: u8 = 0x55;
/// The LAPIC met an error.
pub const VECTOR_ERROR: u8 = 0x53;
/// The LAPIC changed its mind.
pub const VECTOR_SPURIOUS: u8 = 0xFF;

global_asm!(
    r#"
    .text
    .global vectors
    .balign 16
vectors:
    .set vector, 0
    .rept 256
    .balign 16
    .if (vector != 8) && (vector < 10 || vector > 14) && (vector != 17)
    push 0
    .endif
    push vector
    jmp alltraps
    .set vector, vector + 1
    .endr

"#
);

// FS and GS may hold what the process that was interrupted has in descriptors of its own; in the next
// process they mean something else, or nothing.
// What was interrupted is a frame of its own, so that backtraces go through it.
// AT&T syntax, because the other one takes a push of a segment register for 16 bits.
global_asm!(
    r#"
    .text
    .global alltraps
    .global trapret
alltraps:
    pushal
    pushl %ds
    pushl %es
    pushl %fs
    pushl %gs
    movl ${kdsel}, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    cld
    movl %esp, %eax
    pushl {eip}(%eax)
    pushl %ebp
    movl %esp, %ebp
    pushl %eax
    call trap
    addl $12, %esp
trapret:
    popl %gs
    popl %fs
    popl %es
    popl %ds
    popal
    addl $8, %esp
    iretl
"#,
    kdsel = const Selector::KD.0,
    eip = const core::mem::offset_of!(Ureg, eip),
    options(att_syntax)
);

global_asm!(
    r#"
    .text
    .global enter_user
enter_user:
    mov esp, [esp + 4]
    jmp trapret
"#
);

unsafe extern "C" {
    fn enter_user(frame: *const UserUreg) -> !;
    static vectors: [[u8; 16]; 256];
}

struct Idt(UnsafeCell<[u64; 256]>);

// SAFETY: written once by CPU 0 in `init`, before any other CPU runs; read by the hardware alone.
unsafe impl Sync for Idt {}

static IDT: Idt = Idt(UnsafeCell::new([0; 256]));

const GATE_INTERRUPT: u64 = 0x8E00;
const GATE_TASK: u64 = 0x8500;
/// The gate may be used by ring 3.
const GATE_USER: u64 = 0x6000;

/// Fills the IDT. CPU 0, once.
pub fn init() {
    let gate = |vector: usize| {
        if vector == DOUBLE_FAULT {
            return u64::from(DFSEL.0) << 16 | GATE_TASK << 32;
        }
        // SAFETY: the entry code above has 256 entries of 16 bytes.
        let handler = unsafe { &raw const vectors[vector] } as u64;
        handler & 0xFFFF
            | u64::from(Selector::KE.0) << 16
            | (GATE_INTERRUPT | if vector == SYSCALL as usize { GATE_USER } else { 0 }) << 32
            | (handler >> 16) << 48
    };
    // SAFETY: no other CPU runs yet, and this one's interrupts are off.
    unsafe { *IDT.0.get() = core::array::from_fn(gate) };
}

/// Loads the IDT on the CPU that calls; mmu386 knows its limit.
pub fn load(limit: u16) {
    assert!(usize::from(limit) < size_of::<Idt>(), "IDT: limit {limit:#x}");
    let pointer = DescriptorTablePointer::<u64> { limit, base: IDT.0.get() as *const u64 };
    // SAFETY: the table is static and filled; its selectors are in every CPU's GDT.
    unsafe { lidt(&pointer) };
}

fn cr2() -> usize {
    // SAFETY: ring 0.
    unsafe { x86::controlregs::cr2() }
}

/// Starts the process that calls in ring 3. Nothing of its kernel stack is needed any more.
pub fn go_to_ring_3(frame: &UserUreg) -> ! {
    crate::spl::splhi();
    let Ureg { cs, eflags, .. } = frame.ureg;
    assert!(frame.starts(), "to ring 3 with cs={cs:#x} ss={:#x} eflags={eflags:#x}", frame.ss);
    // SAFETY: the frame is complete, and lies on this process's kernel stack.
    unsafe { enter_user(frame) }
}

/// Every trap and interrupt, interrupts off on entry and return.
#[unsafe(no_mangle)]
extern "C" fn trap(frame: *mut Ureg) {
    // SAFETY: this is the entry code's call.
    match unsafe { Interrupted::at(frame) } {
        Interrupted::Ring3(frame) => user_trap(frame),
        Interrupted::Kernel(ureg) => kernel_trap(ureg),
    }
}

fn kernel_trap(ureg: &mut Ureg) {
    match ureg.trap {
        NMI => panic::nmi(&regs(ureg, cr2())),
        PAGE_FAULT => page_fault(ureg),
        SEGMENT_NOT_PRESENT | PROTECTION => match probe::landing(ureg.eip) {
            Some(landing) => ureg.eip = landing,
            None => die(ureg, 0, EXCEPTION_NAMES[ureg.trap as usize]),
        },
        trap if trap < EXCEPTIONS => die(ureg, 0, EXCEPTION_NAMES[trap as usize]),
        trap => interrupt(trap as u8, ureg),
    }
}

/// Whatever a process in ring 3 did is its own affair; what the machine does to it is not.
fn user_trap(frame: &mut UserUreg) {
    let ureg = &frame.ureg;
    let unlawful = frame.unlawful();
    match ureg.trap {
        NMI => panic::nmi(&regs(ureg, cr2())),
        MACHINE_CHECK => die(ureg, 0, EXCEPTION_NAMES[MACHINE_CHECK as usize]),
        // Nothing is done for it, but what the machine asks for meanwhile.
        trap if unlawful.is_some() && (trap < EXCEPTIONS || trap == SYSCALL) => {}
        PAGE_FAULT => {
            let (va, write) = (cr2(), ureg.ecode & WRITE != 0);
            events::record(Kind::Fault, va as u32, ureg.eip);
            user::faulted(frame, va, write);
        }
        SYSCALL => user::syscall(frame),
        trap if trap < EXCEPTIONS => user::exception(frame, EXCEPTION_NAMES[trap as usize]),
        trap => interrupt(trap as u8, ureg),
    }
    if let Some(name) = unlawful {
        events::record(Kind::Exception, frame.ureg.trap, frame.ureg.eip);
        user::exception(frame, name);
    }
    user::leaving();
}

fn page_fault(ureg: &mut Ureg) {
    // Read before anything else can fault.
    let va = cr2();
    events::record(Kind::Fault, va as u32, ureg.eip);
    const PRESENT: u32 = 1;
    if ureg.ecode & PRESENT == 0 && mmu::vmapsync(va) {
        return;
    }
    // The kernel reaches for a process's memory on its behalf, with interrupts on as they were.
    if user::copying(ureg.eip) && user::resolve(va, ureg.ecode & WRITE != 0) {
        return;
    }
    if let Some(landing) = probe::landing(ureg.eip).or_else(|| user::landing(ureg.eip)) {
        ureg.eip = landing;
        return;
    }
    die(ureg, va, "page fault");
}

fn interrupt(vector: u8, ureg: &Ureg) {
    if vector != VECTOR_TIMER {
        events::record(Kind::Interrupt, u32::from(vector), ureg.eip);
    }
    match vector {
        VECTOR_TIMER => {
            mmu::clock_tick();
            devices::interrupt();
            m().ticks.fetch_add(1, Ordering::Relaxed);
            apic::eoi();
            watch::tick();
            tests::watchdog();
            user::killbig();
            chaos::tick();
            // Interrupts were on: no ilock is held, and the stack is a process's if there is one.
            if ureg.eflags & IF != 0 && mmu::may_preempt() {
                sched::sched();
            }
        }
        VECTOR_SHOOTDOWN => {
            mmu::shootdown();
            apic::eoi();
        }
        VECTOR_WAKE => apic::eoi(),
        VECTOR_PROBE => {
            apic::eoi();
            probe::interrupt();
            still::interrupt();
        }
        VECTOR_DEVICE => {
            devices::interrupt();
            apic::eoi();
        }
        VECTOR_ERROR => {
            let status = apic::error_status();
            apic::eoi();
            crate::println!("cpu{}: LAPIC error {status:#x}", crate::mach::machno());
        }
        VECTOR_SPURIOUS => {}
        _ if (pic::VECTORS..pic::VECTORS + pic::LINES).contains(&vector) => pic::interrupt(vector),
        _ => die(ureg, 0, "unexpected interrupt"),
    }
}

/// What the trap interrupted; in the kernel it pushed no stack pointer.
fn regs(ureg: &Ureg, cr2: usize) -> Regs {
    Regs {
        eip: ureg.eip,
        esp: &raw const *ureg as u32 + size_of::<Ureg>() as u32,
        ebp: ureg.ebp,
        eflags: ureg.eflags,
        general: [ureg.eax, ureg.ebx, ureg.ecx, ureg.edx, ureg.esi, ureg.edi],
        cs: ureg.cs,
        cr2: cr2 as u32,
    }
}

fn die(ureg: &Ureg, va: usize, what: &str) -> ! {
    if ureg.trap != PAGE_FAULT {
        events::record(Kind::Exception, ureg.trap, ureg.eip);
    }
    let what = format_args!("{what}: trap {} error {:#x}", ureg.trap, ureg.ecode);
    panic::die(&regs(ureg, va), what)
}

/// The double fault's task: on its own stack, with the CPU's own directory.
pub extern "C" fn double_fault() -> ! {
    // The task switch saved the faulting state in this CPU's segment (Intel SDM vol. 3, figure 7-2).
    const EIP: usize = 8;
    let tss = &segment::descriptors().tss;
    let saved: [u32; 12] = core::array::from_fn(|word| tss[EIP + word].get());
    let [eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi, _es, cs] = saved;
    let general = [eax, ebx, ecx, edx, esi, edi];
    let regs = Regs { eip, esp, ebp, eflags, general, cs, cr2: cr2() as u32 };
    let why =
        if crate::paging::is_stack_guard(cr2()) { "kernel stack overflow" } else { "double fault" };
    panic::die(&regs, format_args!("{why}"))
}

const EXCEPTION_NAMES: [&str; EXCEPTIONS as usize] = {
    let mut names = ["reserved exception"; EXCEPTIONS as usize];
    names[0] = "divide error";
    names[1] = "debug exception";
    names[3] = "breakpoint";
    names[4] = "overflow";
    names[5] = "bounds check";
    names[6] = "invalid opcode";
    names[7] = "coprocessor not available";
    names[10] = "invalid TSS";
    names[11] = "segment not present";
    names[12] = "stack exception";
    names[13] = "general protection violation";
    names[16] = "coprocessor error";
    names[17] = "alignment check";
    names[18] = "machine check";
    names
};
