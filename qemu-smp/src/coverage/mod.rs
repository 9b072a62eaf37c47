//! Which lines of mmu386 its host tests reach, and whether the others are accounted for.
//!
//! The tests of the root package are run by cargo-llvm-cov. Lines of `src/` count, test modules do
//! not. A run passes if at least [`BAR`] percent were reached and COVERAGE.md says of every other
//! line why no host test reaches it, and of no line that is reached.

mod explanations;
mod judge;
mod lcov;
mod report;
mod run;
mod source;

pub use explanations::{Explanation, FILE, parse};
pub use judge::{BAR, Coverage, FileLines, Uncovered, judge};
pub use lcov::{Counts, counts};
pub use run::{forget, measure};
pub use source::Source;
