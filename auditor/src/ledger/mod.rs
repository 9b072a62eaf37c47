//! The truth: which process may reach which memory through which address.
//!
//! Written by the harness around its calls, never by the code that is judged. Each part is a plain
//! map, so that any step of a long run can afford to look.

mod kmaps;
mod mappings;
mod runs;
mod user;

pub use mappings::{Overlap, Unmapping};
pub use user::Access;

use kmaps::Kmaps;
use runs::Mappings;
use user::UserPages;

/// What the harness knows: mappings in VMAP, user pages and kmaps.
#[derive(Debug, Default, Hash)]
pub struct Ledger {
    mappings: Mappings,
    user: UserPages,
    kmaps: Kmaps,
}

impl Ledger {
    /// An empty ledger.
    pub const fn new() -> Self {
        Self { mappings: Mappings::new(), user: UserPages::new(), kmaps: Kmaps::new() }
    }

    /// The process has died, and what it could reach with it: its user pages and its kmaps.
    ///
    /// To be called before its pages are given to others.
    pub fn exited(&mut self, process: usize) {
        self.user.exited(process);
        self.kmaps.exited(process);
    }
}

/// Number of the page of an address.
fn number(address: u32) -> u32 {
    address / crate::view::PAGE
}

/// Address of a page by number.
fn address(number: u32) -> u32 {
    number.wrapping_mul(crate::view::PAGE)
}
