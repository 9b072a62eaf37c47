//! A soak: the kernel runs everything at once for long, while the harness counts, watches the memory
//! that it shares with the guest, disturbs it if asked to, and runs the controls that show that what
//! was looked for would have been found.
//!
//! | module | what it knows |
//! |---|---|
//! | `plan` | what is to be run |
//! | `watch` | a run while it lasts: progress, history, what showed when |
//! | `window` | what the host sees of every mapping of shared memory |
//! | `stalls` | CPUs that the host takes away |
//! | `control` | the same on the code as found, where it has to break |
//! | `fuzz` | random programs in ring 3: what they have to show, and which of them ran at the end |
//! | `verdict` | pass, fail, or inconclusive |
//! | `report` | all of it, for people and for programs |

mod control;
mod fuzz;
mod plan;
mod report;
mod stalls;
mod verdict;
mod watch;
mod window;

pub use control::{Control, Step, controls, planted};
pub use plan::{AtLeast, Length, Plan};
pub use report::Soak;
pub use verdict::Verdict;
pub use watch::Watch;
pub use window::Way;
