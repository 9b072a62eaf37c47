//! The end of a run that went wrong: stop the others, say what happened and where every CPU was, leave.

use core::arch::asm;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use heapless::String;
use mmu386_wire::events::NO_PROCESS;
use mmu386_wire::{Line, NAME, REGISTERS, exit};

use crate::layout::{MAXMACH, REPORT_STACK};
use crate::mach::{is_ready, m, machno, machp, nmach, up};
use crate::paging::{getcr3, is_kernel_data};
use crate::spl::Spin;
use crate::{apic, clock, events, report, segment, serial, spl};

/// Machine state where it went wrong.
pub struct Regs {
    /// Program counter.
    pub eip: u32,
    /// Stack pointer.
    pub esp: u32,
    /// Frame pointer, where the backtrace starts.
    pub ebp: u32,
    /// Flags.
    pub eflags: u32,
    /// EAX, EBX, ECX, EDX, ESI and EDI.
    pub general: [u32; 6],
    /// Code segment.
    pub cs: u32,
    /// Address of the fault, 0 for others.
    pub cr2: u32,
}

impl Regs {
    /// In the wire's order, with this CPU's control registers.
    fn all(&self) -> [u32; REGISTERS.len()] {
        let [eax, ebx, ecx, edx, esi, edi] = self.general;
        // SAFETY: ring 0.
        let (cr0, cr4) = unsafe { (x86::controlregs::cr0(), x86::controlregs::cr4()) };
        let (cr0, cr4) = (cr0.bits() as u32, cr4.bits() as u32);
        let Regs { eip, esp, ebp, eflags, cs, cr2, .. } = *self;
        [eip, esp, ebp, eflags, eax, ebx, ecx, edx, esi, edi, cs, cr0, cr2, getcr3(), cr4]
    }
}

/// Where a CPU was stopped. Written by that CPU, before `here`.
struct Stopped {
    here: AtomicBool,
    regs: [AtomicU32; REGISTERS.len()],
    backtrace: [AtomicU32; FRAMES],
}

/// Return addresses of a backtrace.
const FRAMES: usize = 16;
/// How long the others may take to stop; the host may have more vCPUs than cores.
const PATIENCE_US: u64 = 2_000_000;

/// The CPU that panics, plus one; 0 while all is well.
static PANICKING: AtomicU32 = AtomicU32::new(0);
static STOPPED: [Stopped; MAXMACH] = [const {
    Stopped {
        here: AtomicBool::new(false),
        regs: [const { AtomicU32::new(0) }; REGISTERS.len()],
        backtrace: [const { AtomicU32::new(0) }; FRAMES],
    }
}; MAXMACH];

/// Notes where this CPU is. The first time counts: a CPU that dies of its own while another one
/// panics gets the NMI in `stop`.
fn stopped(regs: &Regs) {
    let slot = &STOPPED[machno()];
    if slot.here.load(Ordering::Relaxed) {
        return;
    }
    for (word, value) in slot.regs.iter().zip(regs.all()) {
        word.store(value, Ordering::Relaxed);
    }
    for (word, value) in slot.backtrace.iter().zip(backtrace(regs.ebp)) {
        word.store(value, Ordering::Relaxed);
    }
    slot.here.store(true, Ordering::Release);
}

/// Stops this CPU if another one panicked; other NMIs mean nothing here.
pub fn nmi(regs: &Regs) {
    if PANICKING.load(Ordering::SeqCst) != 0 {
        stopped(regs);
        spl::stop();
    }
}

/// Panics with the registers of a trap.
pub fn die(regs: &Regs, what: fmt::Arguments<'_>) -> ! {
    spl::splhi();
    if !is_ready() {
        die_early(regs, what);
    }
    let me = machno() as u32;
    match PANICKING.compare_exchange(0, me + 1, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(_) => {}
        // A second fault while telling about the first: what was told must do.
        Err(cpu) if cpu == me + 1 => report::leave(exit::PANIC),
        Err(_) => {
            stopped(regs);
            spl::stop()
        }
    }
    apic::nmi_others();
    serial::break_lock();
    stopped(regs);

    let mut message = String::<256>::new();
    // What does not fit is cut; the registers follow anyway.
    let _ = message.write_fmt(what);
    let name = up().map_or("no process", |p| p.name());
    crate::println!("\npanic: cpu{me} ({name}): {what}");
    crate::println!(
        "eip {:#010x} esp {:#010x} ebp {:#010x} cr2 {:#010x} cr3 {:#010x} m->pdb {:#010x}",
        regs.eip,
        regs.esp,
        regs.ebp,
        regs.cr2,
        getcr3(),
        m().pdb.load(Ordering::Relaxed)
    );
    let backtrace = backtrace(regs.ebp);
    for pc in backtrace.iter().take_while(|pc| **pc != 0) {
        crate::println!("  from {pc:#010x}");
    }
    report::send(&Line::Panic {
        cpu: me,
        message: message.as_str().into(),
        regs: [regs.eip, regs.esp, regs.cr2, getcr3()],
        backtrace,
    });
    crate::soak::fuzz::tell();
    wait_for_others();
    tell(me as usize);
    (0..nmach()).filter(|cpu| *cpu != me as usize).for_each(tell);
    if let Some(used) = segment::report_stack_used() {
        crate::println!("report: {used} of {REPORT_STACK} bytes of stack");
    }
    report::leave(exit::PANIC);
}

/// Panics before there is more than one CPU, and before that one knows its number.
fn die_early(regs: &Regs, what: fmt::Arguments<'_>) -> ! {
    if PANICKING.swap(1, Ordering::SeqCst) != 0 {
        report::leave(exit::PANIC);
    }
    serial::break_lock();
    let mut message = String::<256>::new();
    // What does not fit is cut.
    let _ = message.write_fmt(what);
    crate::println!("\npanic: before there are CPUs: {what}");
    report::send(&Line::Panic {
        cpu: 0,
        message: message.as_str().into(),
        regs: [regs.eip, regs.esp, regs.cr2, getcr3()],
        backtrace: backtrace(regs.ebp),
    });
    report::leave(exit::PANIC);
}

/// Waits until every other CPU has stopped, or was given time enough.
fn wait_for_others() {
    // CPU 0 runs from the first, and is called online late.
    let runs = |n: usize| n == 0 || machp(n).online.load(Ordering::SeqCst);
    let missing = || (0..nmach()).any(|n| runs(n) && !STOPPED[n].here.load(Ordering::Acquire));
    let start = clock::tsc();
    let mut spin = Spin::default();
    while missing() && clock::since(start) < PATIENCE_US {
        spin.turn();
    }
}

/// Tells where a CPU was and what it did last.
fn tell(cpu: usize) {
    let slot = &STOPPED[cpu];
    if slot.here.load(Ordering::Acquire) {
        let up = machp(cpu).running();
        let name = up.map_or("", |p| p.name());
        report::send(&Line::Cpu {
            cpu: cpu as u32,
            process: up.map_or(NO_PROCESS, |p| p.index() as u32),
            name: name.get(..name.len().min(NAME)).unwrap_or("").into(),
            regs: slot.regs.each_ref().map(|word| word.load(Ordering::Relaxed)),
            backtrace: slot.backtrace.each_ref().map(|word| word.load(Ordering::Relaxed)),
        });
    }
    events::tell(cpu);
}

fn backtrace(mut ebp: u32) -> [u32; FRAMES] {
    let mut list = [0; FRAMES];
    for slot in &mut list {
        if !ebp.is_multiple_of(4)
            || !is_kernel_data(ebp as usize)
            || !is_kernel_data(ebp as usize + 4)
        {
            break;
        }
        // SAFETY: the address is aligned and in memory that every directory maps.
        let [next, pc] = unsafe { (ebp as *const [u32; 2]).read() };
        if pc == 0 {
            break;
        }
        *slot = pc;
        // Frames of one stack go up; anything else is not a frame.
        if next <= ebp {
            break;
        }
        ebp = next;
    }
    list
}

#[panic_handler]
fn rust_panic(info: &PanicInfo<'_>) -> ! {
    let (ebp, esp, eip, eflags, cs): (u32, u32, u32, u32, u32);
    // SAFETY: reads registers and the address of an instruction of this very function.
    unsafe {
        asm!("mov {0}, ebp", "mov {1}, esp", "pushfd", "pop {2}", "call 2f", "2: pop {3}", "mov {4}, cs",
            out(reg) ebp, out(reg) esp, out(reg) eflags, out(reg) eip, out(reg) cs);
    }
    // The others were used since: a panic in Rust says in words what they would.
    let regs = Regs { eip, esp, ebp, eflags, general: [0; 6], cs, cr2: 0 };
    match info.location() {
        Some(at) => die(&regs, format_args!("{}:{}: {}", at.file(), at.line(), info.message())),
        None => die(&regs, format_args!("{}", info.message())),
    }
}
