//! Mutants of mmu386: small changes of its source that some model has to notice.
//!
//! They come from the code, not from a list: each [`Operator`] is looked for everywhere in it. All
//! of them are put into one copy of the source ([`Merged`]), where each place that a mutant changes
//! asks at run time whether this process is that mutant. So one build holds them all, and a process
//! that is no mutant behaves as the original.
//!
//! | room | what is in it |
//! |---|---|
//! | [`mutant`] | what a mutant is, and the edits that it is made of |
//! | [`find`](mod@find) | the operators: which mutants there are |
//! | [`fixed`] | which code Fixed does not contain |
//! | [`merged`] | the copy of a source that holds all mutants, and whose fault it is if it does not compile |
//! | [`workspace`] | the copy of the packages that the models are built from |
#![forbid(unsafe_code)]

pub mod find;
pub mod fixed;
pub mod merged;
pub mod mutant;
mod syntax;
pub mod workspace;

pub use find::{Source, find};
pub use merged::Merged;
pub use mutant::{Mutant, Operator};
