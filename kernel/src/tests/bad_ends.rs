//! Ways to end badly, for the harness to prove that it notices. One more, `lostcpu`, is a CPU in
//! the list that is not there, and ends before there are processes.

use core::hint::black_box;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};

use x86::dtables::{DescriptorTablePointer, lidt};

use crate::cmdline::Kept;
use crate::layout::{BY2PG, MACHADDR, VMAP};
use crate::mach::nmach;
use crate::proc::kproc;
use crate::{sched, spl};

/// Does not return if the command line asked for one of them.
pub fn perhaps(name: &str) {
    match name {
        "hang" => hang(),
        "panic" => panic!("asked for by the command line"),
        "deaf" => beside_a_deaf_cpu(),
        "fault" => fault(),
        "overflow" => {
            overflow(0);
        }
        "leap" => {
            leap();
        }
        "triplefault" => triple_fault(),
        _ => {}
    }
}

/// Panics before there are processes, CPUs and page directories, if the command line asked for that.
pub fn before_paging(line: &Kept) {
    if line.words().split(u8::is_ascii_whitespace).any(|word| word == b"tests=unpaged") {
        // What a CPU takes for its own page is whatever firmware left in memory there.
        // SAFETY: conventional memory that nobody has yet, in the boot directory's window.
        unsafe { core::ptr::write_bytes(MACHADDR as *mut u8, 0xA5, BY2PG) };
        panic!("asked for before paging");
    }
}

/// This CPU hangs with interrupts off: the kernel says no more.
fn hang() {
    spl::splhi();
    loop {
        core::hint::spin_loop();
    }
}

/// A panic while another CPU spins with interrupts off, which only an NMI can stop.
fn beside_a_deaf_cpu() {
    static DEAF: AtomicBool = AtomicBool::new(false);
    assert!(nmach() > 1, "deaf: takes two CPUs");
    kproc(&"deaf", None, || {
        spl::splhi();
        DEAF.store(true, Ordering::SeqCst);
        hang();
    });
    while !DEAF.load(Ordering::SeqCst) {
        sched::relax();
    }
    panic!("beside a CPU that is deaf");
}

fn fault() {
    let nowhere = black_box(VMAP) as *const u32;
    // SAFETY: the address is not mapped, so the load faults and the kernel panics; that is the aim.
    unsafe { nowhere.read_volatile() };
}

/// Runs down the kernel stack into the hole below it.
#[allow(unconditional_recursion)]
fn overflow(depth: usize) -> usize {
    let ballast = black_box([depth; 64]);
    overflow(depth + 1) + ballast[depth % 64]
}

/// As `overflow`, by frames that are larger than the hole, of which only the far ends are written: they
/// would land beyond it.
#[allow(unconditional_recursion)]
fn leap() -> usize {
    let mut room = MaybeUninit::<[usize; 5 * BY2PG / 4]>::uninit();
    black_box(&mut room);
    leap() + black_box(&room).as_ptr() as usize
}

/// Takes a trap with no IDT, then none for that, then none for the double fault.
fn triple_fault() {
    let none = DescriptorTablePointer::<u64>::default();
    // SAFETY: the machine resets, which is the aim.
    unsafe {
        lidt(&none);
        core::arch::asm!("int3");
    }
}
