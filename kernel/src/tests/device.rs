//! Device memory, shared out among the processes of a test.

use super::context::Context;
use crate::layout::BY2PG;
pub use crate::mapping::{Mapping, judged};

/// Pages of tagged memory for worker `who` of `of`: disjoint from everybody else's.
pub fn pages_for(context: &Context, who: usize, of: usize) -> Option<Pages> {
    let devices = &context.devices;
    let range = if who.is_multiple_of(2) { &devices.ivshmem } else { &devices.framebuffer };
    let range = range.as_ref().or(devices.ivshmem.as_ref()).or(devices.framebuffer.as_ref())?;
    let each = (range.end - range.start) / BY2PG / of;
    Some(Pages { first: range.start + who * each * BY2PG, count: each })
}

/// A run of pages.
#[derive(Clone, Copy)]
pub struct Pages {
    /// Physical address of the first.
    pub first: usize,
    /// How many.
    pub count: usize,
}

impl Pages {
    /// Physical address of page `n`, counted around.
    pub fn page(&self, n: usize) -> usize {
        self.first + n % self.count * BY2PG
    }
}
