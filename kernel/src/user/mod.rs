//! Processes in ring 3.
//!
//! | module | what is in it |
//! |---|---|
//! | `page` | pages that segments hold: references, contents |
//! | `seg`, `space` | segments, and the address space that a process makes of them |
//! | `fault` | from a fault to putmmu |
//! | `copy` | checked accesses to a process's memory |
//! | `exec` | programs |
//! | `descriptors` | segment descriptors of a process's own |
//! | `slot` | what the process table keeps of a process |
//! | `family` | a process and its children |
//! | `life` | birth, fork, death, waiting for children |
//! | `killbig` | who goes when there is no memory |
//! | `group` | processes that come from one start, and what became of them |
//! | `syscall` | system calls |
//!
//! The floating point unit is off (`cpu`): a program that uses it gets an exception, and is killed.

mod copy;
mod descriptors;
mod exec;
mod family;
mod fault;
mod group;
mod killbig;
mod life;
mod page;
mod seg;
mod slot;
mod space;
mod syscall;

use core::sync::atomic::{AtomicU32, Ordering};

pub use copy::{copying, landing};
pub use exec::Text;
pub use family::RECORDS;
pub use group::{Cause, Group};
pub use killbig::killbig;
use life::own;
pub use life::{begin, note_size, spawn};
pub use slot::Slot;
pub use syscall::syscall;

use crate::spl::{splhi, spllo};
use crate::trap::UserUreg;

/// Faults at user addresses.
pub static FAULTS: AtomicU32 = AtomicU32::new(0);
/// Faults that putmmu refused, as somebody asked for a flush meanwhile.
pub static REFUSED: AtomicU32 = AtomicU32::new(0);
/// Faults that ended on a page above the one-to-one window.
pub static HIGH: AtomicU32 = AtomicU32::new(0);
/// Pages copied because they were written to.
pub static COPIES: AtomicU32 = AtomicU32::new(0);
/// Processes ended to make room for others.
pub static STARVED: AtomicU32 = AtomicU32::new(0);
/// Pages of text read in.
pub static TEXTS: AtomicU32 = AtomicU32::new(0);
/// System calls.
pub static CALLS: AtomicU32 = AtomicU32::new(0);
/// Exceptions that ended processes, by vector.
pub static EXCEPTIONS: [AtomicU32; 32] = [const { AtomicU32::new(0) }; 32];
/// Processes that there were.
pub static LIVES: AtomicU32 = AtomicU32::new(0);
/// Forks.
pub static FORKS: AtomicU32 = AtomicU32::new(0);
/// Programs started.
pub static EXECS: AtomicU32 = AtomicU32::new(0);

fn count(counter: &AtomicU32) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn count_exception(frame: &UserUreg) {
    if let Some(counter) = EXCEPTIONS.get(frame.ureg.trap as usize) {
        count(counter);
    }
}

/// Whether somebody has ended the process that calls.
pub fn ended() -> bool {
    life::doom().is_some()
}

/// A process in ring 3 faulted at `va`: goes on, or ends. Interrupts are off.
pub fn faulted(frame: &UserUreg, va: usize, write: bool) {
    spllo();
    if let Err(cause) = fault::fix(va, write) {
        if matches!(cause, Cause::BadAccess { .. }) {
            count_exception(frame);
        }
        life::die(cause);
    }
    splhi();
}

/// The kernel faulted at `va` on behalf of the process that runs; whether that is mended. Interrupts are
/// off, and were on before.
pub fn resolve(va: usize, write: bool) -> bool {
    spllo();
    let mended = fault::fix(va, write).is_ok();
    splhi();
    mended
}

/// A process in ring 3 did what it must not. Interrupts are off.
pub fn exception(frame: &UserUreg, name: &'static str) -> ! {
    spllo();
    count_exception(frame);
    life::die(Cause::Exception(name))
}

/// The process goes back to ring 3, unless somebody ended it. Interrupts are off.
pub fn leaving() {
    if let Some(cause) = life::doom() {
        spllo();
        life::die(cause);
    }
}
