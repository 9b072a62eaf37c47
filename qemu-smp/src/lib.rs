//! The harness behind `cargo smp`: it sets a machine up, builds the kernel, runs the models and the
//! guest under deadlines, judges what they said and writes the review.
//!
//! | module | what it knows |
//! |---|---|
//! | [`cli`] | the commands and their help |
//! | [`commands`] | what each command does, step by step |
//! | [`process`] | children: process groups, deadlines, interruption, no orphans |
//! | [`setup`] | what a machine needs, and how to install it |
//! | [`toolchain`], [`kernel`] | which compiler builds the kernel, and the build |
//! | [`iso`] | the kernel on a CD image, behind GRUB |
//! | [`guest`] | QEMU, the serial wire, and the report of a run that failed |
//! | [`soak`] | the kernel for long: counters, controls, disturbances, verdict |
//! | [`coverage`] | which lines of mmu386 its host tests reach, and why not the others |
//! | [`models`] | the loom models, as a program |
//! | [`teeth`] | whether the models notice when mmu386 is changed |
//! | [`files`], [`lock`] | files that appear whole, folders that go away, turns of runs at once |
//! | [`markdown`], [`parallel`] | tables that people write; work side by side |
//! | [`verdict`] | rows, expectations and the judgement over them |
//! | [`review`] | verdict.json and index.html |
//!
//! The harness links neither the kernel nor the models: it drives both as programs and shares with
//! them only the vocabulary of the serial wire. From mmu386 it takes the names of the repairs.
#![forbid(unsafe_code)]
// A reader may leave at any time: what is printed goes through `say`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod cli;
pub mod commands;
pub mod coverage;
pub mod files;
pub mod guest;
pub mod iso;
pub mod kernel;
pub mod lock;
pub mod markdown;
pub mod models;
pub mod parallel;
pub mod paths;
pub mod process;
pub mod progress;
pub mod review;
pub mod setup;
pub mod soak;
pub mod teeth;
pub mod toolchain;
pub mod variants;
pub mod verdict;
