//! The time of vunmap under Seed, which waits for clock ticks, against Fixed, which asks.

use serde::Serialize;

use crate::guest::Bench;
use crate::variants::{FIXED, SEED};

/// Fixed must be this many times faster than Seed where the host has a core for every CPU.
pub const BAR: f64 = 20.0;

/// A measurement, and the boot that it comes from.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Variant.
    pub variant: String,
    /// CPUs of the guest.
    pub smp: u32,
    /// What the kernel measured.
    #[serde(flatten)]
    pub bench: Bench,
}

/// Seed and Fixed side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What was measured.
    pub name: String,
    /// CPUs of the guest.
    pub smp: u32,
    /// Median on Seed, in nanoseconds.
    pub seed_ns: u64,
    /// Median on Fixed, in nanoseconds.
    pub fixed_ns: u64,
    /// Seed over Fixed.
    pub ratio: f64,
    /// Whether the bar applies: above the host's cores its scheduler dominates.
    pub barred: bool,
}

impl Comparison {
    /// Whether the bar is met, or there is none.
    pub fn good(&self) -> bool {
        !self.barred || self.ratio > BAR
    }
}

/// Pairs the measurements of both variants, by name and CPUs.
pub fn compare(measured: &[Measured], cores: u32) -> Vec<Comparison> {
    let of = |variant: &'static str| measured.iter().filter(move |one| one.variant == variant);
    let mut comparisons = Vec::new();
    for seed in of(SEED) {
        let twin =
            of(FIXED).find(|fixed| (fixed.smp, &fixed.bench.name) == (seed.smp, &seed.bench.name));
        let Some(fixed) = twin else { continue };
        comparisons.push(Comparison {
            name: seed.bench.name.clone(),
            smp: seed.smp,
            seed_ns: seed.bench.median_ns,
            fixed_ns: fixed.bench.median_ns,
            ratio: seed.bench.median_ns as f64 / fixed.bench.median_ns.max(1) as f64,
            barred: seed.smp <= cores,
        });
    }
    comparisons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(variant: &str, smp: u32, median_ns: u64) -> Measured {
        let bench =
            Bench { name: "vunmap".to_owned(), samples: 9, median_ns, min_ns: 1, max_ns: 2 };
        Measured { variant: variant.to_owned(), smp, bench }
    }

    #[test]
    fn the_bar_applies_only_within_the_hosts_cores() {
        let all = [
            measured(SEED, 2, 1000),
            measured(FIXED, 2, 100),
            measured(SEED, 4, 900),
            measured(FIXED, 4, 900),
        ];
        let compared = compare(&all, 2);
        assert_eq!(compared.len(), 2);
        assert!(!compared[0].good() && compared[0].barred);
        assert!(compared[1].good() && !compared[1].barred);
    }
}
