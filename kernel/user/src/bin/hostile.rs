//! Tries one thing that it must not do. Words: number of the attack. Whoever comes out alive, where that
//! is not the point, ends with status [`ALIVE`].
#![no_std]
#![no_main]

use core::arch::asm;
use core::hint::black_box;

use kernel_user as user;
use kernel_user::{Attack, Code8086, Error, USTKTOP, UTZERO};

const ALIVE: u32 = 1;

const VMAP: u32 = 0xE000_0000;
const KMAP: u32 = 0xEF80_0000;
const VPT: u32 = 0xEFC0_0000;
const VPD: u32 = 0xEFFB_F000;
const MACH: u32 = 0xF001_8000;
const KERNEL: u32 = 0xF010_0000;
const PLATFORM: u32 = 0xFFE0_0000;

fn read(va: u32) {
    let word: u32;
    // SAFETY: none; that the kernel stops it is what is tried.
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
        Attack::BadDescriptors => return bad_descriptors(),
        Attack::CallGate => {
            let gate = user::descriptor(
                0x5B,
                (0x0010_0000 | KERNEL & 0xFFFF, KERNEL & 0xFFFF_0000 | 0xEC00),
            );
            assert!(gate == Err(Error::BadArgument));
            try_asm!(".byte 0x9A", ".long 0", ".word 0x5B");
        }
        Attack::KernelThroughSegment => {
            assert!(user::descriptor(0x5B, user::flat_data(KERNEL)) == Ok(0));
            user::load_gs(0x5B);
            black_box(user::read_gs());
        }
        Attack::BeyondLocalTable => {
            assert!(user::descriptor(user::local(0), user::flat_data(0)) == Ok(0));
            user::load_gs(user::local(0));
            user::load_gs(user::local(user::LOCAL));
        }
        Attack::DescriptorPulled => {
            assert!(user::descriptor(0x5B, user::flat_data(0)) == Ok(0));
            user::load_gs(0x5B);
            assert!(user::descriptor(0x5B, (0, 0)) == Ok(0));
            assert!(user::gs() == 0);
            user::load_gs(0x5B);
        }
        Attack::RunningOnIt => return running_on_it(),
        Attack::Fault8086 => user::enter_8086(Code8086::Fault, 0, 0),
        Attack::Fault8086Ring3 => user::enter_8086(Code8086::Fault, 3, 0),
        Attack::Fork8086 => user::enter_8086(Code8086::Call, 0, 0),
        Attack::Fork8086Ring3 => user::enter_8086(Code8086::Call, 3, 0),
        Attack::Spin8086 => user::enter_8086(Code8086::Spin, 3, 0),
        Attack::Cli8086 => user::enter_8086(Code8086::Cli, 0, user::IOPL),
        Attack::Deaf8086 => user::enter_8086(Code8086::Deaf, 3, user::IOPL),
        Attack::Privilege8086 => user::enter_8086(Code8086::Port, 3, user::IOPL),
        Attack::ForkNested => return fork_nested(),
        Attack::ForkBomb => return fork_bomb(),
        Attack::Spin => loop {
            core::hint::spin_loop();
        },
    }
    ALIVE
}

/// The child's flags are its own.
fn fork_nested() -> u32 {
    try_asm!("pushfd", "or dword ptr [esp], 0x4000", "popfd");
    let child = user::fork();
    let flags: u32;
    // SAFETY: reads the flags.
    unsafe { asm!("pushfd", "pop {0}", out(reg) flags) };
    match child {
        Ok(0) => user::exits(flags & user::NT),
        Ok(child) if user::await_child() == Ok((child, 0)) => 0,
        _ => ALIVE,
    }
}

fn bad_calls() -> u32 {
    for number in [13, 14, 255, 1000, 0x8000_0000, u32::MAX] {
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

/// Tables, gates, rings but 3, 16 bits, conforming code, code that ends early; then places that are
/// others'.
fn bad_descriptors() -> u32 {
    let (low, high) = user::flat_data(0);
    let (_, code) = user::flat_code(0);
    let mut bad = [0; 16 + 9];
    for kind in 0..16 {
        bad[kind as usize] = 0x00C0_E000 | kind << 8;
    }
    bad[16..].copy_from_slice(&[
        high & !0x6000,
        high & !0x6000 | 0x2000,
        high & !0x6000 | 0x4000,
        high & !0x8000,
        high & !0x0040_0000,
        high | 0x0020_0000,
        code | 0x400,
        code & !0x0080_0000,
        code & !0x000F_0000,
    ]);
    for word in bad {
        for selector in [user::global(0), user::local(0)] {
            assert!(user::descriptor(selector, (low, word)) == Err(Error::BadArgument));
        }
    }
    for selector in [
        0,
        3,
        4,
        8,
        0x0B,
        0x10,
        0x13,
        0x1B,
        0x23,
        0x28,
        0x2B,
        0x33,
        0x43,
        0x4B,
        0x50,
        0x53,
        0x58,
        0x59,
        0x5A,
        0x73,
        0x7B,
        0x27,
        0x2F,
        0x05,
        0x06,
        0xFFFB,
        0xFFFF,
        0x0001_005B,
        0x8000_0007,
        u32::MAX,
    ] {
        assert!(user::descriptor(selector, (low, high)) == Err(Error::BadArgument));
    }
    assert!((0..user::GLOBAL).all(|n| !user::readable(user::global(n))));
    assert!(!user::readable(user::local(0)));
    0
}

/// What it runs on stays, and only that.
fn running_on_it() -> u32 {
    let (stack, code) = (user::global(0), user::local(1));
    assert!(user::descriptor(stack, user::flat_data(0)) == Ok(0));
    assert!(user::descriptor(code, user::flat_code(0)) == Ok(0));
    // SAFETY: both segments are as flat as those in use.
    unsafe {
        asm!(
            "mov ss, {stack:e}",
            "push {code}",
            "lea {tmp}, [2f]",
            "push {tmp}",
            "retf",
            "2:",
            stack = in(reg) stack,
            code = in(reg) code,
            tmp = out(reg) _,
        );
    }
    for descriptor in [(0, 0), user::flat_data(0), user::flat_code(0)] {
        assert!(user::descriptor(stack, descriptor) == Err(Error::BadArgument));
        assert!(user::descriptor(code, descriptor) == Err(Error::BadArgument));
    }
    user::sleep(0);
    assert!(user::descriptor(user::local(0), user::flat_data(0)) == Ok(0));
    assert!(user::fork().is_ok());
    0
}

/// Until there is no room. Who was refused once is done, but makes room for others only when they had
/// time to be refused, too.
fn fork_bomb() -> u32 {
    let mut forks = 0;
    loop {
        match user::fork() {
            Ok(_) => forks += 1,
            Err(Error::NoProcess) => {
                user::sleep(10);
                return 0;
            }
            Err(_) => return ALIVE,
        }
        if forks > 1000 {
            return ALIVE;
        }
    }
}
