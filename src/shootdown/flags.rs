//! mmu.c's protocol: a flag per CPU, set by vunmap, cleared by the tick.
//!
//! As found. The flag counts nothing, so a request that comes between the tick's flush and its
//! clearing of the flag is lost (A4); an idle CPU clears it without a flush (A2); the caller sets
//! and waits for its own, because `nm != m` compares two names of the same page (B1).

use super::Handshake;
use crate::arch::Arch;
use crate::event::Event;
use crate::state::{DEAD, Proc};
use crate::switch::flushmmu;

/// The protocol of mmu.c.
#[derive(Debug, Clone, Copy)]
pub struct Flags;

impl Handshake for Flags {
    fn flush_everywhere<A: Arch>(arch: &A) {
        let Some(up) = arch.up() else {
            // Early boot, says mmu.c. The other CPUs run by then (A7).
            arch.putcr3(arch.master());
            return;
        };
        for n in 0..arch.nproc() {
            let proc = arch.proc(n);
            if arch.load(&proc.state) != DEAD && n != up.index {
                arch.store(&proc.newtlb, 1);
            }
        }
        for n in 0..arch.nmach() {
            arch.store(&arch.mach(n).flushmmu, 1);
        }
        flushmmu(arch);
        for n in 0..arch.nmach() {
            let mach = arch.mach(n);
            while arch.load(&mach.online) != 0 && arch.load(&mach.flushmmu) != 0 {
                arch.relax(&[(&mach.online, 1), (&mach.flushmmu, 1)]);
            }
        }
    }

    fn flush_processes<A: Arch>(arch: &A, matches: impl Fn(&Proc<A>) -> bool) {
        wait_for_cpus(arch, flag_processes(arch, matches));
    }

    fn interrupt<A: Arch>(arch: &A) {
        let m = arch.m();
        if arch.load(&m.flushmmu) != 0 {
            arch.trace(Event::Serving);
            if arch.up().is_some() {
                flushmmu(arch);
            }
            arch.store(&m.flushmmu, 0);
            arch.trace(Event::Acknowledging);
        }
    }

    fn online<A: Arch>(arch: &A) {
        arch.store(&arch.m().online, 1);
    }

    fn offline<A: Arch>(arch: &A) {
        // The kernel's `active.machs[n] = 0`; mmu.c has no part in it.
        arch.store(&arch.m().online, 0);
    }

    fn wait_turn<A: Arch>(arch: &A, seen: &[(&A::Word, u32)]) {
        arch.relax(seen);
    }
}

/// Sets the flag of each process that matches and of each CPU that it runs on. Returns those CPUs, a
/// bit each.
fn flag_processes<A: Arch>(arch: &A, matches: impl Fn(&Proc<A>) -> bool) -> u32 {
    let mut flagged = 0;
    for n in 0..arch.nproc() {
        let proc = arch.proc(n);
        if arch.load(&proc.state) == DEAD || !matches(proc) {
            continue;
        }
        arch.store(&proc.newtlb, 1);
        // Nothing orders this load behind that store (C2).
        for cpu in 0..arch.nmach() {
            let mach = arch.mach(cpu);
            if arch.load(&mach.proc) == n as u32 + 1 {
                arch.store(&mach.flushmmu, 1);
                flagged |= 1 << cpu;
            }
        }
    }
    flagged
}

/// Gives the CPU away until each of `cpus` has cleared its flag.
fn wait_for_cpus<A: Arch>(arch: &A, cpus: u32) {
    for cpu in (0..arch.nmach()).filter(|cpu| cpus & 1 << cpu != 0) {
        let mach = arch.mach(cpu);
        while arch.load(&mach.flushmmu) != 0 {
            arch.sched(&[(&mach.flushmmu, 1)]);
        }
    }
}
