//! Stands in for parts of the host's C library in a QEMU that counts instructions, so that a run comes back.
//!
//! Compiled by build.rs into a library of its own, which the harness puts before QEMU's others.

mod c;
mod clock;
mod main_loop;
mod proof;
