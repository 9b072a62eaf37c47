//! Tries one thing that it must not do. Words: number of the attack. Whoever comes out alive, where that
//! is not the point, ends with status [`ALIVE`].
#![no_std]
#![no_main]

use core::arch::asm;
use core::hint::black_box;

use kernel_user as user;
use kernel_user::{Attack, Error, USTKTOP, UTZERO};

const ALIVE: u32 = 1;

const VMAP: u32 = 0xE000_0000;
const KMAP: u32 = 0xEF80_0000;
const VPT: u32 = 0xEFC0_0000;
const VPD: u32 = 0xEFFB_F000;
const MACH: u32 = 0xF001_8000;
const KERNEL: u32 = 0xF010_0000;
const PLATFORM: u32 = 0xFFE0_0000;

fn read(va: u32) {
    // SAFETY: none; that the kernel stops it is what is tried.
    let word: u32;
    unsafe { asm!("mov {0}, [{1}]", out(reg) word, in(reg) va) };
    black_box(word);
}

fn write(va: u32) {
    // SAFETY: none, as in `read`.
    unsafe { asm!("mov dword ptr [{0}], 0", in(reg) va) };
}

fn jump(va: u32) {
    // SAFETY: none, as in `read`.
    unsafe { asm!("call {0}", in(reg) va, clobber_abi("C")) };
}

fn load_segment(selector: u32) {
    // SAFETY: none, as in `read`.
    unsafe { asm!("mov fs, {0:e}", in(reg) selector) };
}

#[expect(unconditional_recursion, reason = "the stack is to overflow")]
fn deep(n: u32) -> u32 {
    let room = black_box([n; 64]);
    deep(n + 1) + room[n as usize % 64]
}

/// One instruction, or a few.
macro_rules! try_asm {
    ($($line:literal),+) => {{
        // SAFETY: none, as in `read`.
        unsafe { asm!($($line),+, clobber_abi("C")) }
    }};
}

#[unsafe(no_mangle)]
fn main(words: &[u32]) -> u32 {
    match Attack::numbered(words[0]).expect("an attack") {
        Attack::ReadNull => read(0),
        Attack::ReadKernel => read(KERNEL),
        Attack::WriteKernel => write(KERNEL),
        Attack::ReadVmap => read(VMAP),
        Attack::WriteVmap => write(VMAP),
        Attack::ReadKmap => read(KMAP),
        Attack::WriteKmap => write(KMAP),
        Attack::ReadVpt => read(VPT),
        Attack::WriteVpt => write(VPT),
        Attack::WriteVpd => write(VPD),
        Attack::WriteMach => write(MACH),
        Attack::WritePlatform => write(PLATFORM + 0xB0),
        Attack::ReadTop => read(0xFFFF_FFFC),
        Attack::ReadStraddling => read(USTKTOP - 2),
        Attack::WriteText => write(UTZERO),
        Attack::JumpNull => jump(0),
        Attack::JumpKernel => jump(KERNEL),
        Attack::JumpVpt => jump(VPT),
        Attack::DeepStack => _ = deep(0),
        Attack::KernelStack => try_asm!("mov esp, 0xF0200000", "push 1"),
        Attack::Hlt => try_asm!("hlt"),
        Attack::Cli => try_asm!("cli"),
        Attack::Sti => try_asm!("sti"),
        Attack::PopfCli => try_asm!("pushfd", "or dword ptr [esp], 0x3000", "popfd", "cli"),
        Attack::In => try_asm!("in al, 0x60"),
        Attack::Out => try_asm!("mov dx, 0xF4", "mov al, 0x10", "out dx, al"),
        Attack::ReadCr0 => try_asm!("mov eax, cr0"),
        Attack::LoadCr3 => try_asm!("xor eax, eax", "mov cr3, eax"),
        Attack::LoadDr7 => try_asm!("xor eax, eax", "mov dr7, eax"),
        Attack::Lgdt => try_asm!("lgdt [esp]"),
        Attack::Lidt => try_asm!("lidt [esp]"),
        Attack::Lldt => try_asm!("xor eax, eax", "lldt ax"),
        Attack::Ltr => try_asm!("mov eax, 0x28", "ltr ax"),
        Attack::Wrmsr => try_asm!("mov ecx, 0x277", "xor eax, eax", "xor edx, edx", "wrmsr"),
        Attack::Invlpg => try_asm!("invlpg [esp]"),
        Attack::Invd => try_asm!("invd"),
        Attack::KernelData => load_segment(0x08),
        Attack::KernelStackSegment => try_asm!("mov eax, 0x08", "mov ss, eax"),
        Attack::KernelCode => try_asm!(".byte 0x9A", ".long 0", ".word 0x10"),
        Attack::TaskSegment => load_segment(0x28),
        Attack::CallTask => try_asm!(".byte 0x9A", ".long 0", ".word 0x30"),
        Attack::LocalSegment => load_segment(0x07),
        Attack::ProcessSegment => load_segment(0x5B),
        Attack::FarSegment => load_segment(0xFFFB),
        Attack::NullStackSegment => try_asm!("xor eax, eax", "mov ss, eax"),
        Attack::KernelReturn => try_asm!("push 0x10", "push 0", "retf"),
        Attack::NestedTask => try_asm!("pushfd", "or dword ptr [esp], 0x4000", "popfd", "iretd"),
        Attack::IntTimer => try_asm!("int 0x50"),
        Attack::IntPageFault => try_asm!("int 0x0E"),
        Attack::IntDoubleFault => try_asm!("int 8"),
        Attack::IntBreakpoint => try_asm!("int3"),
        Attack::IntOther => try_asm!("int 0x80"),
        Attack::Divide => try_asm!("xor ecx, ecx", "div ecx"),
        Attack::TrapFlag => try_asm!("pushfd", "or dword ptr [esp], 0x100", "popfd", "nop"),
        Attack::Undefined => try_asm!("ud2"),
        Attack::Fpu => try_asm!(".byte 0xDB, 0xE3"),
        Attack::FpuWait => try_asm!(".byte 0x9B"),
        Attack::Sse => try_asm!(".byte 0x0F, 0x57, 0xC0"),
        Attack::BadCalls => return bad_calls(),
        Attack::BadPointers => return bad_pointers(),
        Attack::BadStack => return bad_stack(),
        Attack::ForkBomb => return fork_bomb(),
        Attack::Spin => loop {
            core::hint::spin_loop();
        },
    }
    ALIVE
}

fn bad_calls() -> u32 {
    for number in [12, 13, 255, 1000, 0x8000_0000, u32::MAX] {
        let result = Error::result(user::syscall(number, [u32::MAX; 4]));
        assert!(result == Err(Error::BadCall));
    }
    0
}

/// Numbers of the calls that take pointers.
const WRITE: u32 = 3;
const AWAIT: u32 = 5;
const EXEC: u32 = 6;

#[track_caller]
fn refused(number: u32, args: [u32; 4]) {
    assert!(Error::result(user::syscall(number, args)) == Err(Error::BadAddress));
}

/// None of these is the process's: outside of its segments, in the kernel, round the end of all
/// addresses, or with the last byte on the wrong side of a page's end.
fn bad_pointers() -> u32 {
    let stack = USTKTOP - user::USTKSIZE;
    for va in [0, UTZERO - 4, stack - 4, USTKTOP - 4, VMAP - 4, VMAP, KMAP, VPT, VPD, KERNEL, MACH]
    {
        refused(WRITE, [va, 8, 0, 0]);
        refused(AWAIT, [va.max(USTKTOP), 0, 0, 0]);
        refused(EXEC, [va, 8, 0, 0]);
    }
    for va in [0xFFFF_FFFF, 0xFFFF_FFF0, 0xFFFF_F000] {
        refused(WRITE, [va, 96, 0, 0]);
    }
    // What may be read may not be written.
    refused(AWAIT, [UTZERO, 0, 0, 0]);
    let name = b"calls";
    for va in [0, USTKTOP - 2, KERNEL, 0xFFFF_FFFC, 0xFFFF_FFFE] {
        refused(EXEC, [name.as_ptr() as u32, 5, va, 2]);
    }
    let long = Error::result(user::syscall(WRITE, [UTZERO, u32::MAX, 0, 0]));
    assert!(long == Err(Error::BadArgument));
    0
}

/// The arguments are where the stack pointer says: nowhere.
fn bad_stack() -> u32 {
    for esp in [0u32, 4, UTZERO - 8, USTKTOP - 16, VMAP, KERNEL, MACH, 0xFFFF_FFFC, 0xFFFF_FFF8] {
        let result: u32;
        // SAFETY: nothing uses the stack between the two exchanges.
        unsafe {
            asm!(
                "xchg esp, {esp}",
                "int 0x40",
                "xchg esp, {esp}",
                esp = inout(reg) esp => _,
                inout("eax") WRITE => result,
            );
        }
        assert!(Error::result(result) == Err(Error::BadAddress));
    }
    0
}

/// Until there is no room. Who was refused once is done.
fn fork_bomb() -> u32 {
    let mut forks = 0;
    loop {
        match user::fork() {
            Ok(_) => forks += 1,
            Err(Error::NoProcess) => return 0,
            Err(_) => return ALIVE,
        }
        if forks > 1000 {
            return ALIVE;
        }
    }
}
