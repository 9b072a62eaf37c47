//! An adversarial 386 multiprocessor under loom, and the models that drive mmu386 on it.
//!
//! | room | what is in it |
//! |---|---|
//! | [`engine`] | words, owned values and choices, on loom |
//! | [`machine`] | CPUs, memory, TLBs, walker, interrupts, a scheduler: [`mmu386::arch::Arch`] |
//! | [`oracle`] | which process may see which frame through which address |
//! | [`counterexample`] | the steps of an execution that broke a property, as data |
//! | [`models`] | what the CPUs do, and what is expected of each variant |
//! | [`run`] | exploring one model until there is a verdict |
//! | [`verdict`] | what came of it, and whether that is as expected |
//!
//! MODEL.md gives the rules of the machine by number.
#![forbid(unsafe_code)]
// A reader may leave at any time: what is printed goes through `say`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod counterexample;
pub mod engine;
pub mod machine;
pub mod models;
pub mod oracle;
pub mod run;
pub mod verdict;
