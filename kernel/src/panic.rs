//! The end of a run that went wrong: stop the others, say what happened, leave.

use core::arch::asm;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU32, Ordering};

use heapless::String;
use mmu386_wire::{Line, exit};

use crate::mach::{m, machno, up};
use crate::paging::{getcr3, is_kernel_data};
use crate::{apic, report, serial, spl};

/// Machine state where it went wrong.
pub struct Regs {
    /// Program counter.
    pub eip: u32,
    /// Stack pointer.
    pub esp: u32,
    /// Address of the fault, 0 for others.
    pub cr2: u32,
    /// Frame pointer, where the backtrace starts.
    pub ebp: u32,
}

/// The CPU that panics, plus one; 0 while all is well.
static PANICKING: AtomicU32 = AtomicU32::new(0);

/// Stops this CPU if another one panicked; other NMIs mean nothing here.
pub fn nmi() {
    if PANICKING.load(Ordering::SeqCst) != 0 {
        spl::stop();
    }
}

/// Panics with the registers of a trap.
pub fn die(regs: &Regs, what: fmt::Arguments<'_>) -> ! {
    spl::splhi();
    let me = machno() as u32;
    match PANICKING.compare_exchange(0, me + 1, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(_) => {}
        // A second fault while telling about the first: what was told must do.
        Err(cpu) if cpu == me + 1 => report::leave(exit::PANIC),
        Err(_) => spl::stop(),
    }
    apic::nmi_others();
    serial::break_lock();

    let mut message = String::<256>::new();
    // What does not fit is cut; the registers follow anyway.
    let _ = message.write_fmt(what);
    let backtrace = backtrace(regs.ebp);
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
    for pc in backtrace.iter().take_while(|pc| **pc != 0) {
        crate::println!("  from {pc:#010x}");
    }
    report::send(&Line::Panic {
        cpu: me,
        message: message.as_str().into(),
        regs: [regs.eip, regs.esp, regs.cr2, getcr3()],
        backtrace,
    });
    report::leave(exit::PANIC);
}

fn backtrace(mut ebp: u32) -> [u32; 16] {
    let mut list = [0; 16];
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
    let (ebp, esp, eip): (u32, u32, u32);
    // SAFETY: reads registers and the return address of this very function's frame.
    unsafe {
        asm!("mov {0}, ebp", "mov {1}, esp", "call 2f", "2: pop {2}",
            out(reg) ebp, out(reg) esp, out(reg) eip);
    }
    let regs = Regs { eip, esp, cr2: 0, ebp };
    match info.location() {
        Some(at) => die(&regs, format_args!("{}:{}: {}", at.file(), at.line(), info.message())),
        None => die(&regs, format_args!("{}", info.message())),
    }
}
