//! The review: what `cargo smp verify` leaves in `target/review`.
//!
//! Both files are written from the start and again after every answer, so that an interrupted or
//! killed run leaves what it knew, with `cut` in every row that did not get its turn.

mod bench;
mod files;
mod html;
mod limits;
mod timeline;

pub use bench::{BAR, Comparison, Measured, compare};
pub use files::Review;
