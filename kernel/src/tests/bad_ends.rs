//! Ways to end badly, for the harness to prove that it notices. One more, `lostcpu`, is a CPU in
//! the list that is not there, and ends before there are processes.

use core::hint::black_box;

use x86::dtables::{DescriptorTablePointer, lidt};

use crate::layout::VMAP;
use crate::spl;

/// Does not return if the command line asked for one of them.
pub fn perhaps(name: &str) {
    match name {
        "hang" => hang(),
        "panic" => panic!("asked for by the command line"),
        "fault" => fault(),
        "overflow" => {
            overflow(0);
        }
        "triplefault" => triple_fault(),
        _ => {}
    }
}

/// This CPU hangs with interrupts off: the kernel says no more.
fn hang() {
    spl::splhi();
    loop {
        core::hint::spin_loop();
    }
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

/// Takes a trap with no IDT, then none for that, then none for the double fault.
fn triple_fault() {
    let none = DescriptorTablePointer::<u64>::default();
    // SAFETY: the machine resets, which is the aim.
    unsafe {
        lidt(&none);
        core::arch::asm!("int3");
    }
}
