//! Children: each in a process group of its own, under a deadline, and never left behind.
//!
//! Three things take a child down with its whole group: its deadline, an interruption of `smp`
//! (Ctrl-C, SIGTERM, SIGHUP), and the death of `smp` itself, which the [`reaper`] watches for. What
//! installs packages is the exception: cut in the middle, it leaves a system that nobody else repairs.

mod child;
pub mod cores;
mod environment;
mod interrupt;
mod output;
pub mod reaper;

pub use child::{Ended, Running};
pub use environment::{clean_cargo, command};
pub use interrupt::{failure_status, install as install_signals, interrupted};
pub use output::{Captured, Lines, QUEUE, capture, capture_whole, read_lines, tail};
