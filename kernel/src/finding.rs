//! What must not be seen, and whom it is told.

/// Something that an address must not have shown.
pub struct Finding<'a> {
    /// Ledger entry.
    pub hazard: &'a str,
    /// CPU that read.
    pub cpu: usize,
    /// Where.
    pub va: usize,
    /// The tag that belongs there; 0 for a fault.
    pub expected: u32,
    /// What was read; 0 for a fault.
    pub seen: u32,
    /// What this means.
    pub why: &'static str,
}

/// Whoever takes findings.
pub trait Judge {
    /// Takes one. Called by a process with interrupts on.
    fn finding(&self, finding: &Finding<'_>);
}
