//! From reset to CPUs that idle, with interrupts on, on their own page directories.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mmu386::arch::{Arch, Spl};
use mmu386::entry::{Entry, PTEFLAGS, PTESIZE, PTEVALID, PTEWRITE};
use mmu386::init::mmuinit;
use mmu386::layout::{BY2PG, Frame, PC386};
use mmu386::shootdown;
use mmu386::variant::Variant;

use crate::config::Config;
use crate::cpu::Cpu;
use crate::drive::Drive;
use crate::lockstep::Lockstep;
use crate::machine::Machine;
use crate::memory::{mach_page, mach_pdb, private_table, window_table};

impl<V: Variant> Machine<V> {
    /// A machine in which no CPU has begun to run: interrupts are off, mmuinit has not been called, no
    /// CPU is online. CPU 0's page directory shows the window, the others' are empty until
    /// [`Cpu::start`]. Nothing happens by chance before [`set_chances`](Self::set_chances).
    pub fn cold(config: Config, seed: u64) -> Arc<Self> {
        Self::cold_with(config, Drive::Lockstep(Lockstep::new(&config, seed)))
    }

    fn cold_with(config: Config, drive: Drive) -> Arc<Self> {
        let machine = Self::new(config, drive);
        let (pdb, private) = (mach_pdb(0), private_table(0));
        for index in 0..PC386.entries() {
            machine.put(private, index, (index as u32 * BY2PG) | PTEWRITE | PTEVALID);
        }
        machine.put(private, PC386.ptx(PC386.machaddr()), mach_page(0).pa() | PTEWRITE | PTEVALID);
        machine.put(pdb, PC386.kzero, private.pa() | PTEWRITE | PTEVALID);
        for index in PC386.kzero + 1..PC386.entries() {
            let pa = PC386.base(index) - PC386.kzero_base();
            let entry = if config.features.pse { pa | PTESIZE } else { machine.window(index, pa) };
            machine.put(pdb, index, entry | PTEWRITE | PTEVALID);
        }
        machine
    }

    /// A machine whose CPUs are all online and idle, where things happen by chance.
    pub fn boot(config: Config, seed: u64) -> Arc<Self> {
        Self::boot_with(config, Drive::Lockstep(Lockstep::new(&config, seed)))
    }

    pub(crate) fn boot_with(config: Config, drive: Drive) -> Arc<Self> {
        let machine = Self::cold_with(config, drive);
        for n in 0..config.cpus {
            machine.cpu(n).start();
        }
        machine.set_chances(config.chances);
        machine
    }

    /// The page table of a directory entry of the window, filled in.
    fn window(&self, index: usize, pa: u32) -> u32 {
        let table = window_table(index);
        for at in 0..PC386.entries() {
            self.put(table, at, (pa + at as u32 * BY2PG) | PTEWRITE | PTEVALID);
        }
        table.pa()
    }

    pub(crate) fn put(&self, table: Frame, index: usize, value: u32) {
        self.memory.entry(table, index).value.store(value, Ordering::Release);
    }
}

impl<V: Variant> Cpu<V> {
    /// Top of the stack on which this CPU runs when it runs no process.
    pub fn idle_stack(&self) -> u32 {
        PC386.kzero_base() + mach_page(self.id()).pa() + BY2PG
    }

    /// Brings the CPU up: a page directory like CPU 0's with its own private page table, mmuinit,
    /// online, interrupts on. CPU 0 comes first.
    pub fn start(&self) {
        let n = self.id();
        if n > 0 {
            self.copy_boot_directory();
        }
        self.set_level(Spl::Hi);
        mmuinit(self, self.idle_stack());
        shootdown::online(self);
        self.spllo();
    }

    fn copy_boot_directory(&self) {
        let (machine, n) = (self.machine(), self.id());
        let value = |table, index| machine.peek(table, index).expect("a table of the kernel");
        let copy = |from, to, at, frame: Frame| {
            for index in 0..PC386.entries() {
                machine.put(to, index, value(from, index));
            }
            machine.put(to, at, value(from, at) & PTEFLAGS | frame.pa());
        };
        let mach = PC386.ptx(PC386.machaddr());
        copy(private_table(0), private_table(n), mach, mach_page(n));
        copy(mach_pdb(0), mach_pdb(n), PC386.kzero, private_table(n));
        debug_assert!(Entry(value(mach_pdb(n), PC386.kzero)).table());
    }
}
