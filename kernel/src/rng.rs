//! Pseudo-random choices that follow from a seed.

/// Marsaglia's xorshift.
pub struct Rng(u32);

impl Rng {
    /// Numbers that follow from a seed.
    pub fn new(seed: u32) -> Rng {
        Rng(seed | 1)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 >> 8) as usize % n
    }
}
