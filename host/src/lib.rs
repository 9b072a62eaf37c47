//! A 386 multiprocessor for tests on the host, behind [`Arch`](mmu386::arch::Arch).
//!
//! It has the PC's address space, four CPUs or as many as are asked for, each with a TLB that forgets
//! nothing by itself, a page allocator with pages below and above the window, and devices without
//! content. [`Cpu`] is the handle: all of mmu386 can be called with one.
//!
//! A machine from [`Machine::boot`] runs in lockstep: a caller of the core with a [`Cpu`] drives all
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
//!
//! Each process on a thread of its own: [`Machine::boot_threads`] and [`Machine::in_parallel`].
//!
//! | file | what is in it |
//! |---|---|
//! | `config`, `machine`, `boot` | a machine: its size, its parts, how its CPUs come up |
//! | `memory`, `word`, `owned` | physical memory; shared words; values with one owner, which notice another |
//! | `tlb`, `walker` | what a CPU has cached, and how it translates |
//! | `cpu`, `arch_impl` | the handle, and what mmu386 asks of it |
//! | `drive`, `lockstep`, `threads` | which CPU runs when: from a seed, or as the host's threads come |
//! | `interrupts`, `schedule` | ticks, IPIs; processes that come and go |
//! | `programs`, `shared` | what programs do, with the ledger told; a segment that processes share |
//! | `audit_view`, `log`, `panics` | what the auditor sees; what happened last; panics as findings |
//! | [`steps`], [`variants`] | random steps and their judgement; variants by name |
#![forbid(unsafe_code)]
// A reader may leave at any time: what is printed goes through `say`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

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
