//! Whether the models notice when mmu386 is changed.
//!
//! The mutants come from `mmu386-teeth`, which finds them in the source and puts them all into one
//! build. Each is run on the models that come to its place, on Fixed, until one of each mode notices.
//! A run passes if every mutant is killed, or TEETH.md says why nothing could kill it.

mod build;
mod explanations;
mod finding;
mod hunt;
mod judge;
mod memory;
mod reach;
mod report;

pub use build::{Built, build};
pub use explanations::{Explanation, FILE, Judgement, parse};
pub use finding::{Fate, Finding, InMode, Outcome};
pub use hunt::{Limits, hunt};
pub use judge::{Teeth, judge};
pub use memory::Memory;
pub use reach::{Reach, reach};
pub use report::line;
