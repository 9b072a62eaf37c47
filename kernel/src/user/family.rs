//! A process and its children: how many live, and what became of those that do not.

use alloc::vec::Vec;

/// Most children whose end a process can still ask about. Of those that end beyond that nothing is kept,
/// as on 9front: whoever has children and never asks about them must not fill the kernel's memory.
pub const RECORDS: usize = 128;

/// A process and its children.
#[derive(Default)]
pub struct Family {
    /// The process's number; 0 for a process of the kernel.
    pub pid: u32,
    /// Children that live.
    pub children: u32,
    /// Children that do not: their numbers and statuses.
    gone: Vec<(u32, u32)>,
}

impl Family {
    /// A child has ended.
    pub fn lose(&mut self, pid: u32, status: u32) {
        self.children -= 1;
        if self.gone.len() < RECORDS {
            self.gone.push((pid, status));
        }
    }

    /// Whether asking about a child has an answer now.
    pub fn can_tell(&self) -> bool {
        self.children == 0 || !self.gone.is_empty()
    }

    /// A child that has ended, its number and status, if there is one that nobody asked about.
    pub fn tell(&mut self) -> Option<(u32, u32)> {
        self.gone.pop()
    }
}
