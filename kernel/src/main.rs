//! A small SMP kernel for the 386 that runs Plan 9's MMU code (mmu386) and judges it.
//!
//! It boots by Multiboot, starts every CPU of the MADT, schedules kernel processes that sleep,
//! wake and migrate, and maps real device memory with the code under test. What each address must
//! show is known beforehand: [`oracle`] wrote a tag into every page of device memory through
//! mappings that mmu386 has no part in.
//!
//! | module | what is in it |
//! |---|---|
//! | [`boot`], [`multiboot`], [`cmdline`] | from the loader to [`boot_main`] |
//! | [`layout`], [`paging`], [`frames`], [`pages`], [`heap`] | memory |
//! | [`cpu`], [`mach`], [`smp`], [`segment`], [`apic`], [`pic`], [`clock`], [`platform`] | CPUs |
//! | [`trap`], [`ureg`], [`spl`], [`lock`], [`probe`], [`watch`], [`mod@panic`] | interrupts and faults |
//! | [`proc`], [`sched`] | processes |
//! | [`user`] | processes in ring 3: address spaces, faults, system calls, programs |
//! | [`arch_impl`], [`mmu`], [`ran`], [`variant`] | mmu386 on this machine |
//! | [`serial`], [`report`], [`events`] | what people and the harness read |
//! | [`pci`], [`oracle`], [`mapping`], [`devices`] | devices: their memory, what it must show, drivers |
//! | [`tests`], [`finding`], [`rng`] | what is tried, and what is told of it |
//! | [`soak`], [`chaos`] | all of it at once, for long, and disturbed |
//! | [`book`], [`still`], [`audit`] | the truth, and audits with the world stopped |
//!
//! # Command line
//!
//! Options come after a word `--`; what a loader puts before it is not looked at, and a word after it that
//! is not understood ends the boot. The first line to the harness repeats them.
//!
//! `tests=all` runs every test that the variant can end, a prefix those whose names begin so, `none`
//! none; `bench=1` measures afterwards. `rounds=`, `seed=` and `samples=` are numbers. Test names
//! begin with the hazard that they are about, where they are about one. `hang`, `panic`, `deaf`, `fault`,
//! `overflow`, `leap`, `unpaged`, `triplefault` and `lostcpu` end badly on purpose. `soak` is everything at
//! once, for `ms` milliseconds, or `rounds` rounds of every process, with `chaos=1` disturbed, with `fuzz=1`
//! beside random programs from number `from` on. `planted` plants a defect for each oracle of a soak.
//!
//! # Addresses
//!
//! [`layout`] is Plan 9's, with three additions above the one-to-one window, which ends at 240 MB:
//! kernel stacks with holes between them, a window for CPU 0 at boot, and the platform's registers.
#![no_std]
#![no_main]

extern crate alloc;

pub mod apic;
pub mod arch_impl;
pub mod audit;
pub mod book;
pub mod boot;
pub mod chaos;
pub mod clock;
pub mod cmdline;
pub mod cpu;
pub mod devices;
pub mod events;
pub mod finding;
pub mod frames;
pub mod heap;
pub mod layout;
pub mod lock;
pub mod mach;
pub mod mapping;
pub mod mmu;
pub mod multiboot;
pub mod oracle;
pub mod pages;
pub mod paging;
pub mod panic;
pub mod pci;
pub mod pic;
pub mod platform;
pub mod probe;
pub mod proc;
pub mod ran;
pub mod report;
pub mod rng;
pub mod sched;
pub mod segment;
pub mod serial;
pub mod smp;
pub mod soak;
pub mod spl;
pub mod still;
pub mod tests;
pub mod trap;
pub mod ureg;
pub mod user;
pub mod watch;

/// The variant of mmu386 that was chosen at build time.
pub mod variant {
    include!(concat!(env!("OUT_DIR"), "/variant.rs"));
}

use core::sync::atomic::Ordering;

use mmu386_wire::Line;

use crate::layout::{BY2PG, KADDR_SIZE};
use crate::mach::{m, machp};
use crate::mmu::kaddr;

/// CPU 0's first Rust code: on the boot stack and the boot directory, interrupts off.
#[unsafe(no_mangle)]
extern "C" fn boot_main(magic: u32, info: u32) -> ! {
    let first_clock = clock::tsc();
    serial::init();
    if magic != boot::MULTIBOOT_MAGIC {
        println!("not a Multiboot loader: {magic:#x}");
        spl::stop();
    }
    // SAFETY: the loader passed `info`, and nothing has been written to memory yet.
    let info = unsafe { multiboot::Info::at(info) };
    info.note_memory();
    pic::init();
    let ram = info.ram(paging::kernel_end()..KADDR_SIZE);
    let above = info.ram(KADDR_SIZE..usize::MAX);
    // Kept on this stack: the loader put it where the heap will be.
    let line = cmdline::Kept::of(info.cmdline());
    let heap = ram.start.next_multiple_of(BY2PG);
    // SAFETY: the region is RAM behind the kernel that nothing else uses.
    unsafe { heap::init(kaddr(heap)) };
    frames::init(heap + heap::HEAPSIZE..ram.end);

    tests::before_paging(&line);
    let pdb = paging::build(0);
    // SAFETY: the directory maps the kernel as the boot directory did, and MACHADDR.
    unsafe { paging::putcr3(pdb) };
    mach::ready();
    cpu::identify();
    cpu::enable_features();
    segment::build(machp(0), trap::double_fault);
    trap::init();
    mmu::init();
    mmu::init_cpu();
    let options = line.options();
    proc::init();

    let mut platform = platform::discover();
    let (variant, cpus) = (variant::NAME.into(), platform.cpus.len() as u32);
    report::send(&Line::Boot { variant, cpus, options: options.clone() });
    if options.tests.as_str() == "lostcpu" {
        platform.add(platform::NO_SUCH_CPU);
    }
    pages::init(platform.cpus.len(), above);
    apic::init(platform.lapic);
    apic::enable();
    m().apicid.store(u32::from(apic::id()), Ordering::Relaxed);
    clock::calibrate(platform.pm_port);
    let devices = oracle::prepare(&platform);
    devices::init(&platform, &devices);
    paging::close_boot_view();

    smp::go_online();
    smp::start_all(&platform.cpus);
    let cpus = platform.cpus.len() as u32;
    report::send(&Line::CpusOnline { cpus, us: clock::since(first_clock) });
    let early = tests::early(&devices);
    tests::start(options, devices, early);
    smp::schedule_on(mmu::scheduler_stack(0));
}
