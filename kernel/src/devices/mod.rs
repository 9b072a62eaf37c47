//! Drivers. Each maps its device by vmap, uses it from a process that moves from CPU to CPU and from
//! interrupt handlers on all of them, stops the handlers, and unmaps. What it reads is compared with
//! what is known without mmu386.
//!
//! | module | what is in it |
//! |---|---|
//! | `ioapic`, `hpet` | devices of registers, and what they must show |
//! | `memory` | devices of memory: framebuffer and shared window |
//! | `handler` | interrupt handlers that use mappings |

mod handler;
mod hpet;
mod ioapic;
mod memory;

use core::ops::Range;
use core::sync::atomic::{AtomicPtr, Ordering};

use alloc::boxed::Box;

pub use handler::interrupt;
use handler::{Handler, Target};
use hpet::Hpet;
use ioapic::Ioapic;
use memory::Memory;

use crate::finding::{Finding, Judge};
use crate::layout::{BY2LARGE, BY2PG, PLATFORM, PLATFORM_PA};
use crate::mach::{machno, nmach};
use crate::oracle::Devices;
use crate::platform::Platform;
use crate::rng::Rng;
use crate::{mmu, sched};

/// A device that has a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The interrupt controller's registers.
    Ioapic,
    /// The timer's registers.
    Hpet,
    /// Video memory: 4 MB pages, write combining.
    Framebuffer,
    /// Memory that is shared with the host.
    Window,
}

impl Device {
    /// All of them.
    pub const ALL: [Device; 4] =
        [Device::Ioapic, Device::Hpet, Device::Framebuffer, Device::Window];
}

/// What is known of the devices before mmu386 maps anything of them.
struct Known {
    ioapic: Option<Ioapic>,
    hpet: Option<Hpet>,
    framebuffer: Option<Memory>,
    window: Option<Memory>,
}

static KNOWN: AtomicPtr<Known> = AtomicPtr::new(core::ptr::null_mut());

/// Takes note of what the devices show, and starts the HPET's counter. CPU 0, once, after
/// [`crate::oracle::prepare`] and before other CPUs start.
pub fn init(platform: &Platform, devices: &Devices) {
    let known = Known {
        ioapic: platform.ioapic.map(Ioapic::prepare),
        hpet: platform.hpet.map(Hpet::prepare),
        framebuffer: devices.framebuffer.clone().map(Memory::framebuffer),
        window: devices.ivshmem.clone().map(Memory::window),
    };
    KNOWN.store(Box::leak(Box::new(known)), Ordering::Release);
}

fn known() -> &'static Known {
    let known = KNOWN.load(Ordering::Acquire);
    assert!(!known.is_null(), "devices before init");
    // SAFETY: `init` leaked a box, which nobody changes.
    unsafe { &*known }
}

/// Where the kernel's own page of platform registers shows a register. mmu386 has no part in it.
fn plain(pa: usize) -> usize {
    let range: Range<usize> = PLATFORM_PA..PLATFORM_PA + BY2LARGE;
    assert!(range.contains(&pa), "registers at {pa:#x} are outside the platform page");
    PLATFORM + (pa - PLATFORM_PA)
}

/// A device showed something else than it had to.
#[derive(Clone, Copy, Debug)]
struct Wrong {
    cpu: usize,
    va: usize,
    expected: u32,
    /// `None` for a fault.
    seen: Option<u32>,
}

impl Wrong {
    /// What this CPU saw, if it is wrong.
    fn unless(expected: u32, va: usize, seen: Option<u32>) -> Result<(), Wrong> {
        if seen == Some(expected) {
            return Ok(());
        }
        Err(Wrong { cpu: machno(), va, expected, seen })
    }

    fn tell(&self, judge: &impl Judge, hazard: &str, why: &'static str) {
        let Wrong { cpu, va, expected, seen } = *self;
        let seen = seen.unwrap_or(0);
        judge.finding(&Finding { hazard, cpu, va, expected, seen, why });
    }
}

const WRONG: &str = "a driver reads something else than its device shows";
const HANDLER: &str = "an interrupt handler reads something else than its device shows";

/// One life of a driver, from mapping to unmapping.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// Whose.
    pub device: Device,
    /// Looks by the process at what the mapping shows.
    pub looks: u32,
    /// Looks by interrupt handlers.
    pub handled: u32,
}

/// Lets a driver live once: a random one, from what `rng` gives. What is wrong goes to `judge`.
///
/// Called by a process with interrupts on, on any CPU, by any number of them at once. May sleep.
/// `None` if the machine has not the device, or `may` nothing of its memory. While drivers live, what they
/// may use is theirs alone, and so is what the IOAPIC's window shows.
pub fn life(judge: &impl Judge, may: &Devices, rng: &mut Rng) -> Option<Life> {
    let device = Device::ALL[rng.below(Device::ALL.len())];
    life_of(device, judge, may, rng)
}

/// As [`life`], of a certain device.
pub fn life_of(device: Device, judge: &impl Judge, may: &Devices, rng: &mut Rng) -> Option<Life> {
    mmu::upallocpdb();
    let known = known();
    match device {
        Device::Ioapic => Some(registers(device, known.ioapic.as_ref()?.pa(), judge, rng)),
        Device::Hpet => Some(registers(device, known.hpet.as_ref()?.pa(), judge, rng)),
        Device::Framebuffer => {
            known.framebuffer.as_ref()?.life(device, judge, may.framebuffer.as_ref()?, rng)
        }
        Device::Window => known.window.as_ref()?.life(device, judge, may.ivshmem.as_ref()?, rng),
    }
}

/// Least steps of a life, and as many again at random.
const STEPS: usize = 12;

/// Takes some steps of a life, which tell whether what they saw was right. Between them a handler is
/// called, here or on another CPU, and the process may move. Returns how many steps, and how often
/// handlers had a look.
fn steps(
    judge: &impl Judge,
    rng: &mut Rng,
    target: Target,
    mut step: impl FnMut(&mut Rng) -> Result<(), Wrong>,
) -> (u32, u32) {
    let handler = Handler::start(target);
    let count = STEPS + rng.below(STEPS);
    for _ in 0..count {
        handler::call(rng.below(nmach()));
        if let Err(wrong) = step(rng) {
            wrong.tell(judge, target.hazard(), WRONG);
        }
        if rng.below(3) == 0 {
            sched::sched();
        }
    }
    (count as u32, handler.stop(|wrong| wrong.tell(judge, target.hazard(), HANDLER)))
}

/// Bytes of registers that are mapped.
const REGISTERS: usize = 0x400;

/// A life of a device of registers.
fn registers(device: Device, pa: usize, judge: &impl Judge, rng: &mut Rng) -> Life {
    let va = match mmu::vmap(pa, REGISTERS) {
        Ok(va) => va,
        Err(error) => panic!("{device:?}: {error}"),
    };
    let target = if device == Device::Hpet { Target::Hpet(va) } else { Target::Ioapic(va) };
    let (looks, handled) = steps(judge, rng, target, |rng| target.look(rng.below(1 << 16)));
    if let Err(error) = mmu::vunmap(va, REGISTERS) {
        panic!("{device:?}: {error}");
    }
    Life { device, looks, handled }
}

/// The control: looks that are led astray on purpose, through a page of the window. Returns how many of
/// them find nothing wrong, which should be none, and how many there were.
///
/// Called as [`life`], while no driver lives.
pub fn led_astray(judge: &impl Judge) -> (u32, u32) {
    let Some(window) = known().window.as_ref() else { return (0, 0) };
    let mapping = window.sample(judge);
    let (va, pa, size) = (mapping.va, mapping.pa + BY2PG, BY2PG);
    let targets = [Target::Ioapic(va), Target::Hpet(va), Target::Memory { va, pa, size }];
    let blind = targets.iter().filter(|target| target.look(0).is_ok()).count();
    mapping.unmap(judge);
    let blind = blind + usize::from(!window.astray(judge));
    (blind as u32, targets.len() as u32 + 1)
}
