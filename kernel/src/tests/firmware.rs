//! What firmware leaves behind is not believed: interrupt lines, base addresses of devices.

use core::sync::atomic::{AtomicBool, Ordering};

use alloc::sync::Arc;
use pci_types::CommandRegister;

use super::context::{Context, Outcome};
use crate::clock::Stopped;
use crate::pci::{self, IVSHMEM, Refusal};
use crate::proc::kproc;
use crate::{apic, clock, pic, sched, spl};

/// Longest wait for the timer, which ticks 100 times a second.
const PATIENCE_US: u64 = 2_000_000;

/// Lets the first line of the 8259s through to the CPU that calls, until it has interrupted. The vector is
/// not that of an exception, or this would not come back.
fn let_the_timer_through() {
    const MODE: u16 = 0x43;
    const COUNT: u16 = 0x40;
    const RATE: u8 = 0x34;
    const DIVISOR: u16 = 11932;
    let [low, high] = DIVISOR.to_le_bytes();
    // SAFETY: the timer's own ports; nobody uses it.
    unsafe {
        x86::io::outb(MODE, RATE);
        x86::io::outb(COUNT, low);
        x86::io::outb(COUNT, high);
    }
    let (start, before) = (clock::tsc(), pic::count());
    apic::external(true);
    pic::mask([0xFE, 0xFF]);
    while pic::count() == before && clock::since(start) < PATIENCE_US {
        spl::rest();
    }
    pic::mask([0xFF; 2]);
    apic::external(false);
}

/// All lines are masked; one that comes all the same does no harm.
pub fn lines(_: &Context) -> Outcome {
    let mut wrong = u32::from(pic::masked() != [0xFF; 2]);
    let (before, done) = (pic::count(), Arc::new(AtomicBool::new(false)));
    let over = done.clone();
    kproc(&"timer", Some(0), move || {
        let_the_timer_through();
        over.store(true, Ordering::SeqCst);
    });
    while !done.load(Ordering::SeqCst) {
        sched::relax();
    }
    let came = pic::count() - before;
    // Those that went away before the CPU asked, one for each 8259.
    // SAFETY: interrupts that the kernel handles.
    unsafe { core::arch::asm!("int 0x27", "int 0x2F") };
    wrong += u32::from(came == 0 || pic::count() - before != came + 2);
    Outcome::new(
        wrong,
        format_args!("{came} interrupts of a line that was let through; {wrong} wrong"),
    )
}

/// A clock that stands still is noticed, and a LAPIC that is not where the kernel asks for it; a TSC that is
/// ahead of this CPU's is no panic.
pub fn clocks(_: &Context) -> Outcome {
    let mut wrong = 0;
    let mut expect = |right: bool| wrong += u32::from(!right);
    expect(clock::measure(|| 7, 1 << 24) == Err(Stopped::PmTimer));
    let back = clock::backwards();
    expect(clock::span(clock::tsc() + (1 << 40)) == 0 && clock::backwards() == back + 1);
    expect(apic::mode(0xFEE0_0900) == Ok(()));
    expect(apic::mode(0xFEE0_0D00).is_err() && apic::mode(0xFEE0_0100).is_err());
    Outcome::new(wrong, format_args!("{wrong} wrong"))
}

/// A device whose memory cannot be where its base address says is refused, and why.
pub fn base_addresses(_: &Context) -> Outcome {
    let look = || pci::memory_bar(IVSHMEM, 2);
    let Ok(Some(range)) = look() else {
        return Outcome::new(1, format_args!("no shared memory to try it with"));
    };
    let Some(device) = pci::find(IVSHMEM) else {
        return Outcome::new(1, format_args!("the device is gone"));
    };
    let mut wrong = 0;
    let mut expect = |right: bool| wrong += u32::from(!right);
    pci::command(device, |command| command & !CommandRegister::MEMORY_ENABLE);
    expect(look() == Err(Refusal::Off));
    pci::command(device, |command| command | CommandRegister::MEMORY_ENABLE);
    expect(look() == Ok(Some(range.clone())));
    let good = pci::Place { decoded: true, start: range.start as u64, size: range.len() as u64 };
    let at = |start: u64| pci::Place { start, ..good };
    expect(good.check() == Ok(range));
    expect(at(0).check() == Err(Refusal::NoAddress));
    expect(at(0x1000).check() == Err(Refusal::Memory));
    expect(at(16 << 20).check() == Err(Refusal::Memory));
    // Begins below memory that ends higher up, or ends in it.
    expect(at((512 << 20) - 0x1000).check() == Err(Refusal::Memory));
    expect(at(0xFEC0_0000).check() == Err(Refusal::Platform));
    expect(at(0xFE80_0000).check() == Err(Refusal::Platform));
    expect(at(0xFF80_0000).check() == Err(Refusal::TooHigh));
    expect(at(1 << 32).check() == Err(Refusal::TooHigh));
    expect(at(u64::MAX - 1).check() == Err(Refusal::TooHigh));
    expect(pci::Place { decoded: false, ..good }.check() == Err(Refusal::Off));
    expect(pci::Place { size: 0, ..good }.check() == Err(Refusal::NoAddress));
    Outcome::new(wrong, format_args!("{wrong} wrong"))
}
