//! A 386 multiprocessor for tests on the host, behind [`Arch`](mmu386::arch::Arch).
//!
//! It has the PC's address space, four CPUs or as many as are asked for, each with a TLB that forgets
//! nothing by itself, a page allocator with pages below and above the window, and devices without
//! content. [`Cpu`] is the handle: all of mmu386 can be called with one.
//!
//! A machine from [`Machine::boot`] runs in lockstep: whoever calls the core with a [`Cpu`] drives all
//! CPUs, and all that happens by chance follows from the machine's seed.
//!
//! ```
//! use host::{Config, Machine, Mode};
//! use mmu386::variant::Fixed;
//! use mmu386::vmap;
//!
//! let machine = Machine::<Fixed>::boot(Config::default(), 1);
//! let cpu = machine.cpu(0);
//! let va = vmap::vmap(&cpu, 0x4000_0000, 4096).unwrap();
//! assert_eq!(cpu.access(va, false, Mode::Kernel), Ok(0x4000_0000));
//! vmap::vunmap(&cpu, va, 4096).unwrap();
//! assert!(cpu.access(va, false, Mode::Kernel).is_err());
//! ```
#![forbid(unsafe_code)]

mod arch_impl;
mod audit_view;
mod boot;
mod config;
mod cpu;
mod drive;
mod interrupts;
mod lockstep;
mod log;
mod machine;
mod memory;
mod owned;
mod panics;
mod programs;
mod schedule;
mod shared;
pub mod steps;
mod threads;
mod tlb;
pub mod variants;
mod walker;
mod word;

pub use auditor::{Property, Violation};
pub use config::{Chances, Config, Features};
pub use cpu::Cpu;
pub use log::Happening;
pub use machine::{Machine, Registers};
pub use memory::DEVICES;
pub use owned::OwnedCell;
pub use shared::Shared;
pub use threads::Body;
pub use tlb::{Tlb, Translation};
pub use walker::{ACCESSED, DIRTY, Fault, Mode};
pub use word::Word;
