//! Our protocol: one counter of requests, and per CPU the newest request that it has answered.
//!
//! A request is an increment of `flushgen`. A CPU serves by reading `flushgen`, flushing, and
//! publishing what it had read as its `flushed`: a request that came too late for the flush is not
//! in what is published, so it cannot be lost, and no CPU writes another's word. The caller waits
//! until every CPU has published its generation or a later one. CPUs are told by IPI; their tick
//! looks, too.

use super::Handshake;
use crate::arch::Arch;
use crate::event::Event;
use crate::slots;
use crate::state::{DEAD, Proc};
use crate::switch::mmuswitch;
use crate::variant::{Fixes, Variant};

/// The protocol of requests and answers by generation.
#[derive(Debug, Clone, Copy)]
pub struct Generations;

impl Handshake for Generations {
    fn flush_everywhere<A: Arch>(arch: &A) {
        let fixes = A::Variant::FIXES;
        if !fixes.has(Fixes::A7) && arch.up().is_none() {
            arch.putcr3(arch.master());
            return;
        }
        ask(arch, ALL);
    }

    fn flush_processes<A: Arch>(arch: &A, matches: impl Fn(&Proc<A>) -> bool) {
        let running = mark(arch, matches);
        if running != 0 {
            ask(arch, running);
        }
    }

    fn interrupt<A: Arch>(arch: &A) {
        serve(arch);
    }

    fn online<A: Arch>(arch: &A) {
        let m = arch.m();
        // What it answered before it went may be so old that, with counters that wrap, it looks like
        // an answer to what is asked from here on.
        let generation = arch.load(&arch.system().flushgen);
        arch.store(&m.flushed, generation);
        arch.store(&m.online, 1);
        // Partner of the LOCKed add in `request`: either the caller sees this CPU online and waits
        // for it, or this CPU sees the entries cleared.
        arch.fence();
        let generation = arch.load(&arch.system().flushgen);
        flush_loaded(arch);
        arch.store(&m.flushed, generation);
    }

    fn offline<A: Arch>(arch: &A) {
        // Behind every access that this CPU has made: x86 keeps a store behind earlier loads and
        // stores. Its TLB and its page directory may go stale from here on; `online` mends both.
        arch.store(&arch.m().online, 0);
    }

    fn wait_turn<A: Arch>(arch: &A, seen: &[(&A::Word, u32)]) {
        // With interrupts on, the IPI serves. Without B1 the caller waits for its own interrupt, as
        // the seed does, and must not be rescued here.
        if arch.islo() || !A::Variant::FIXES.has(Fixes::B1) || !A::Variant::FIXES.has(Fixes::B2) {
            arch.relax(seen);
            return;
        }
        // Somebody else's request is a reason to go on, too.
        let request = (&arch.system().flushgen, serve(arch));
        let mut all = [request; MOST_WORDS + 1];
        all[..seen.len()].copy_from_slice(seen);
        arch.relax(&all[..=seen.len()]);
    }
}

/// Most words that a waiter watches.
const MOST_WORDS: usize = 2;
/// Every CPU, a bit each.
const ALL: u32 = u32::MAX;

/// Asks these CPUs to flush, and waits until each that is online has. This CPU flushes at once.
fn ask<A: Arch>(arch: &A, cpus: u32) {
    let generation = request(arch, cpus);
    // By number, not by CPU: the caller may go on elsewhere meanwhile, and its own CPU of a moment
    // ago has answered already.
    for n in each(arch, cpus) {
        wait_for(arch, n, generation);
    }
}

fn each<A: Arch>(arch: &A, cpus: u32) -> impl Iterator<Item = usize> {
    (0..arch.nmach()).filter(move |n| cpus & 1 << n != 0)
}

/// Asks each process that matches to drop its user mappings. Returns the CPUs that run one: nobody
/// else can use them before mmuswitch has dropped them.
fn mark<A: Arch>(arch: &A, matches: impl Fn(&Proc<A>) -> bool) -> u32 {
    let fixes = A::Variant::FIXES;
    let mut running = 0;
    for n in 0..arch.nproc() {
        let proc = arch.proc(n);
        if arch.load(&proc.state) == DEAD || !matches(proc) {
            continue;
        }
        if fixes.has(Fixes::C1) {
            // Before the request: who still sees the old count answers after it has mapped.
            arch.fetch_add(&proc.flushes, 1);
        }
        if fixes.has(Fixes::C2) {
            // LOCKed, partner of the exchange in mmuenter.
            arch.swap(&proc.newtlb, 1);
        } else {
            arch.store(&proc.newtlb, 1);
        }
        for cpu in 0..arch.nmach() {
            if arch.load(&arch.mach(cpu).proc) == n as u32 + 1 {
                running |= 1 << cpu;
            }
        }
    }
    running
}

/// Asks these CPUs to flush, and flushes this one. Returns the generation to wait for. CPUs that are
/// not among them answer with their next tick, and nobody waits for them.
fn request<A: Arch>(arch: &A, cpus: u32) -> u32 {
    // Interrupts are off so that the CPU which is not kicked is the one that serves itself.
    let level = arch.splhi();
    // LOCKed: the cleared entries are visible before the request is, and before `online` is read.
    let generation = arch.fetch_add(&arch.system().flushgen, 1).wrapping_add(1);
    if A::Variant::FIXES.has(Fixes::B1) {
        serve(arch);
    }
    let me = arch.machno();
    for n in each(arch, cpus) {
        if n != me && arch.load(&arch.mach(n).online) != 0 {
            arch.kick(n);
        }
    }
    arch.splx(level);
    generation
}

/// Waits until CPU `n` has answered `generation`, or is offline.
fn wait_for<A: Arch>(arch: &A, n: usize, generation: u32) {
    let mach = arch.mach(n);
    loop {
        let flushed = arch.load(&mach.flushed);
        if reached(flushed, generation) || arch.load(&mach.online) == 0 {
            return;
        }
        Generations::wait_turn(arch, &[(&mach.flushed, flushed), (&mach.online, 1)]);
    }
}

/// Answers all requests made so far, if any is open. Returns the newest generation that this CPU
/// has answered. Called with interrupts off.
fn serve<A: Arch>(arch: &A) -> u32 {
    let m = arch.m();
    let seen = arch.load(&arch.system().flushgen);
    if seen == arch.load(&m.flushed) {
        return seen;
    }
    arch.trace(Event::Serving);
    flush_loaded(arch);
    // CR3 was loaded, which drains and serializes: no later load of this CPU can use what it drops.
    let published =
        if A::Variant::FIXES.has(Fixes::A4) { seen } else { arch.load(&arch.system().flushgen) };
    arch.store(&m.flushed, published);
    arch.trace(Event::Acknowledging);
    published
}

/// Makes this CPU forget what it cached, process or not (fix A2), the loaded page directory what the
/// master forgot (fix A1), and the process the user mappings that it was asked to drop.
fn flush_loaded<A: Arch>(arch: &A) {
    let up = arch.up();
    if !A::Variant::FIXES.has(Fixes::A2) && up.is_none() {
        return;
    }
    match up {
        Some(up) if arch.load(&up.newtlb) != 0 => mmuswitch(arch, up),
        _ => {
            slots::sweep_loaded(arch);
            arch.putcr3(arch.getcr3());
        }
    }
}

/// Whether `flushed` is at or past `generation`. Counters wrap; no CPU that is online is ever 2^31
/// requests behind, because each request waits for it, and one that comes back starts from now.
fn reached(flushed: u32, generation: u32) -> bool {
    flushed.wrapping_sub(generation) as i32 >= 0
}

#[cfg(test)]
mod tests {
    use super::reached;

    #[test]
    fn generations_wrap() {
        assert!(reached(5, 5));
        assert!(reached(6, 5));
        assert!(!reached(4, 5));
        assert!(reached(0, u32::MAX));
        assert!(!reached(u32::MAX, 0));
    }
}
