//! What was shown: rows, what they should have been, and the judgement over all of them.

mod agreement;
mod hazards;
mod judge;
mod row;
mod table;

pub use agreement::{Agreement, agreements};
pub use hazards::{LEDGER, REQUIRED, hazard_name, hazard_property, same_hazard};
pub use judge::{Planned, judge};
pub use row::{Counterexample, Expected, Row, Step, Verdict};
pub use table::table;
pub(crate) use table::{columns, groups, notices, on_main_variant};
