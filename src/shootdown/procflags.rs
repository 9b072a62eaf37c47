//! What mmu.c's protocol became later: vunmap asks processes instead of CPUs.
//!
//! A CPU that runs no process is not asked at all (A2), the tick flushes for a process alone, and all
//! rests on what `m->proc` shows (C2).

use super::{Flags, Handshake};
use crate::arch::Arch;
use crate::event::Event;
use crate::state::Proc;
use crate::switch::flushmmu;

/// The protocol of the vunmap that came later.
#[derive(Debug, Clone, Copy)]
pub struct ProcFlags;

impl Handshake for ProcFlags {
    fn flush_everywhere<A: Arch>(arch: &A) {
        let Some(up) = arch.up() else {
            arch.putcr3(arch.master());
            return;
        };
        let me = up.index;
        Flags::flush_processes(arch, |proc| proc.index != me);
        flushmmu(arch);
    }

    fn flush_processes<A: Arch>(arch: &A, matches: impl Fn(&Proc<A>) -> bool) {
        Flags::flush_processes(arch, matches);
    }

    fn interrupt<A: Arch>(arch: &A) {
        let m = arch.m();
        if arch.load(&m.flushmmu) != 0 {
            arch.trace(Event::Serving);
            if let Some(up) = arch.up()
                && arch.load(&up.newtlb) != 0
            {
                flushmmu(arch);
            }
            arch.store(&m.flushmmu, 0);
            arch.trace(Event::Acknowledging);
        }
    }

    fn online<A: Arch>(arch: &A) {
        Flags::online(arch);
    }

    fn offline<A: Arch>(arch: &A) {
        Flags::offline(arch);
    }

    fn wait_turn<A: Arch>(arch: &A, seen: &[(&A::Word, u32)]) {
        arch.relax(seen);
    }
}
