//! How a CPU translates: TLB first, then the tables from CR3 on (Intel SDM vol. 3, 4.3 and 4.8).

use std::fmt;
use std::sync::atomic::Ordering;

use mmu386::entry::{Entry, PTEVALID};
use mmu386::layout::{Frame, PC386};
use mmu386::variant::Variant;

use crate::cpu::Cpu;
use crate::log::Happening;
use crate::machine::Machine;
use crate::memory::mach_of;
use crate::tlb::Translation;
use crate::word::Word;

/// The accessed bit: the walker has used the entry.
pub const ACCESSED: u32 = 1 << 5;
/// The dirty bit: the page has been written.
pub const DIRTY: u32 = 1 << 6;

/// Why an access is a page fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An entry is not valid.
    NotPresent,
    /// The page may not be written.
    ReadOnly,
    /// User mode may not use the page.
    NotUser,
    /// A directory entry names a page table where there is no memory.
    NoTable(u32),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPresent => f.write_str("not present"),
            Self::ReadOnly => f.write_str("read-only"),
            Self::NotUser => f.write_str("not for user mode"),
            Self::NoTable(pa) => write!(f, "no memory for a page table at {pa:#010x}"),
        }
    }
}

impl std::error::Error for Fault {}

/// What an access is to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// By the kernel.
    Kernel,
    /// By a program in user mode.
    User,
}

fn check(entry: &Translation, write: bool, mode: Mode) -> Result<(), Fault> {
    if mode == Mode::User && !entry.user {
        return Err(Fault::NotUser);
    }
    // CR0.WP is set: the kernel may not, either.
    if write && !entry.write { Err(Fault::ReadOnly) } else { Ok(()) }
}

/// Sets bits of an entry that must not have changed since `seen`. Returns whether it had not.
fn mark(word: &Word, seen: Entry, bits: u32) -> bool {
    seen.0 & bits == bits
        || word
            .value
            .compare_exchange(seen.0, seen.0 | bits, Ordering::SeqCst, Ordering::Acquire)
            .is_ok()
}

impl<V: Variant> Machine<V> {
    /// Walks to `va` through a page directory as CPUs do, setting accessed bits, and the dirty bit if
    /// it is to be `written`.
    pub(crate) fn walk(&self, pdb: Frame, va: u32, written: bool) -> Result<Translation, Fault> {
        let features = &self.config.features;
        loop {
            let (pde_word, pde) = self.look(pdb, PC386.pdx(va))?;
            if features.pse && pde.large() {
                let mut found = Translation::large(va, pde, features.pge);
                found.dirty = written && found.write;
                let bits = if found.dirty { ACCESSED | DIRTY } else { ACCESSED };
                if mark(pde_word, pde, bits) {
                    return Ok(found);
                }
                continue;
            }
            let (pte_word, pte) = self.look(pde.frame(), PC386.ptx(va))?;
            let mut found = Translation::small(va, pde, pte, features.pge);
            found.dirty = written && found.write;
            let bits = if found.dirty { ACCESSED | DIRTY } else { ACCESSED };
            if mark(pde_word, pde, ACCESSED) && mark(pte_word, pte, bits) {
                return Ok(found);
            }
        }
    }

    fn look(&self, table: Frame, index: usize) -> Result<(&Word, Entry), Fault> {
        let words = self.memory.words(table).ok_or(Fault::NoTable(table.pa()))?;
        let word = &words[index];
        let entry = Entry(word.value.load(Ordering::Acquire));
        if entry.0 & PTEVALID == 0 { Err(Fault::NotPresent) } else { Ok((word, entry)) }
    }

    /// The CPU whose `Mach` a page directory shows at MACHADDR.
    pub(crate) fn mach_shown_by(&self, pdb: Frame) -> Option<usize> {
        let (_, pde) = self.look(pdb, PC386.pdx(PC386.machaddr())).ok()?;
        let (_, pte) = self.look(pde.frame(), PC386.ptx(PC386.machaddr())).ok()?;
        mach_of(pte.frame())
    }

    /// CPU `n` walks to `va` for no reason, if it can, and caches what it finds.
    pub(crate) fn speculate(&self, n: usize, va: u32) {
        let cpu = &self.cpus[n];
        // Under the lock of the TLB, so that a flush comes before the walk or drops what it found.
        let mut tlb = cpu.tlb.lock();
        if let Ok(found) = self.walk(cpu.cr3(), va, false)
            && tlb.fill(found)
        {
            drop(tlb);
            self.log.push(n, Happening::Speculated(found.va, found.pa));
        }
    }
}

impl<V: Variant> Cpu<V> {
    /// Accesses `va` as this CPU does, in whatever process it runs, without handling a fault. Returns
    /// the physical address that it led to.
    ///
    /// # Errors
    /// A page fault.
    pub fn access(&self, va: u32, write: bool, mode: Mode) -> Result<u32, Fault> {
        let machine = self.machine();
        let cpu = &machine.cpus[self.id()];
        let mut tlb = cpu.tlb.lock();
        if let Some(cached) = tlb.lookup(va)
            && check(&cached, write, mode).is_ok()
        {
            if write && !cached.dirty {
                // The processor sets the bit where it finds the entry now; what it has cached it uses.
                let _ = machine.walk(cpu.cr3(), va, true);
                tlb.written(cached);
            }
            return Ok(cached.translate(va));
        }
        // A fault drops what is cached of the page (Intel SDM vol. 3, 4.10.4.1); so does another try.
        tlb.invlpg(va);
        let found = machine.walk(cpu.cr3(), va, write)?;
        check(&found, write, mode)?;
        tlb.fill(found);
        Ok(found.translate(va))
    }
}
