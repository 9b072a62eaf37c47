//! How a CPU makes all CPUs drop what they have cached of the page tables.
//!
//! Three protocols: [`Flags`] is mmu.c's, [`ProcFlags`] is what it became, [`Generations`] is ours.
//! The calls of the kernel around the MMU code are the same for all: [`online`] when a CPU comes up,
//! [`offline`] when it goes, [`interrupt`] from every tick and every shootdown IPI, [`procflushmmu`] when a segment loses pages,
//! and the waiting that locks do ([`Lock`](crate::lock::Lock)).

mod flags;
mod generations;
mod procflags;

pub use flags::Flags;
pub use generations::Generations;
pub use procflags::ProcFlags;

use crate::arch::Arch;
use crate::event::Event;
use crate::function::Function;
use crate::state::Proc;
use crate::variant::Variant;

/// A shootdown protocol.
pub trait Handshake {
    /// Makes every CPU that is online flush, and returns when all have. The entries that they are
    /// to forget have been cleared.
    fn flush_everywhere<A: Arch>(arch: &A);

    /// Makes every process that matches drop its user mappings, and returns when no CPU can use one
    /// of those any more.
    fn flush_processes<A: Arch>(arch: &A, matches: impl Fn(&Proc<A>) -> bool);

    /// Flushes if somebody asked this CPU to. Called with interrupts off.
    fn interrupt<A: Arch>(arch: &A);

    /// Enters this CPU among those that [`flush_everywhere`](Self::flush_everywhere) waits for.
    fn online<A: Arch>(arch: &A);

    /// Takes this CPU out from among them.
    fn offline<A: Arch>(arch: &A);

    /// One turn of a loop that waits until one of the words is not as seen.
    fn wait_turn<A: Arch>(arch: &A, seen: &[(&A::Word, u32)]);
}

/// This CPU's part of a shootdown: flushes if one was asked for and says so.
///
/// Called with interrupts off, first thing in each clock tick and in the handler of the shootdown
/// IPI, whether or not this CPU runs a process.
#[doc(alias = "hzclock")]
pub fn interrupt<A: Arch>(arch: &A) {
    <A::Variant as Variant>::Handshake::interrupt(arch);
}

/// Makes every process that matches drop its user mappings, the calling one among them if it
/// matches. When it returns, no CPU can use a mapping that one of them had before. They come back by
/// faults, so what must not come back is out of its segment before this is called.
///
/// Called by a process with interrupts on and no lock held, as mmu.c's kernel gives the CPU away
/// while it waits (`port/segment.c`).
pub fn procflushmmu<A: Arch>(arch: &A, matches: impl Fn(&Proc<A>) -> bool) {
    arch.trace(Event::Call(Function::Procflushmmu));
    arch.trace(Event::Dropping);
    <A::Variant as Variant>::Handshake::flush_processes(arch, matches);
}

/// Makes this CPU take part in shootdowns, from now on.
///
/// Called on each CPU with interrupts off, as it comes up or back, before it uses an address in VMAP.
pub fn online<A: Arch>(arch: &A) {
    <A::Variant as Variant>::Handshake::online(arch);
}

/// This CPU takes no part in shootdowns any more, until [`online`]: nobody waits for it.
///
/// Called with interrupts off, which stay off, by a CPU that runs no process, holds no lock, and uses
/// no address in VMAP from here on.
#[doc(alias = "active")]
pub fn offline<A: Arch>(arch: &A) {
    <A::Variant as Variant>::Handshake::offline(arch);
}

/// One turn of any loop in which a CPU may spin with interrupts off: serves shootdowns, so that the
/// CPU which waits for this one can go on and set it free, and lets the machine rest until one of
/// the words is not as seen.
pub fn wait_turn<A: Arch>(arch: &A, seen: &[(&A::Word, u32)]) {
    <A::Variant as Variant>::Handshake::wait_turn(arch, seen);
}
