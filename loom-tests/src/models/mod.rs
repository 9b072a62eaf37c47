//! The models: what the CPUs do, which property is at stake, and what is expected of each variant.

mod arithmetic;
mod boot;
mod combining;
mod copies;
mod death;
mod flushes;
mod full;
mod handshake;
mod life;
mod locks;
mod marks;
mod pagerefs;
mod pages;
mod pool;
mod segments;
mod sizes;
mod turns;
mod vmap;

use clap::ValueEnum;
use mmu386::variant::Fixes;
use serde::Serialize;

use crate::engine::Mode;
use crate::machine::Fault;
use crate::oracle::Property;
use crate::verdict::name;

/// How the break that a model is expected to find shows: the property, and a part of the summary
/// that tells this hazard from others.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Break {
    /// Property that breaks.
    pub property: Property,
    /// Part of the counterexample's summary.
    pub sign: &'static str,
    /// Another way in which the same shows, depending on which execution comes first.
    pub or: Option<(Property, &'static str)>,
    /// The mode in which it must be found. The other one claims nothing.
    pub mode: Mode,
}

impl Break {
    /// One that an interleaving is enough for.
    pub const fn new(property: Property, sign: &'static str) -> Self {
        Self { property, sign, or: None, mode: Mode::Rmw }
    }

    /// The same, which may show otherwise.
    pub const fn or(self, property: Property, sign: &'static str) -> Self {
        Self { or: Some((property, sign)), ..self }
    }

    /// Whether a counterexample is it.
    pub fn is(&self, property: Option<Property>, summary: &str) -> bool {
        let ways = [Some((self.property, self.sign)), self.or];
        ways.into_iter().flatten().any(|(p, sign)| property == Some(p) && summary.contains(sign))
    }

    /// The same, which no mode of loom shows.
    pub const fn explored(self) -> Self {
        Self { mode: Mode::Sc, ..self }
    }

    /// The same, where a load has to overtake a store, in a way that only the explorer finds.
    pub const fn under_tso(self) -> Self {
        Self { mode: Mode::Tso, ..self }
    }

    /// The same, where a load has to overtake a store.
    pub const fn as_written(self) -> Self {
        Self { mode: Mode::AsWritten, ..self }
    }
}

/// A variant of the code, or a defect of the machine, that a model must not survive.
#[derive(Debug, Clone, Copy)]
pub enum Mutant {
    /// `Fixed` without one repair.
    Without(&'static str, Break),
    /// `Fixed` on a machine with a defect.
    On(Fault, Break),
}

/// One model.
pub struct Model {
    /// Its name.
    pub name: &'static str,
    /// Property at stake.
    pub property: Property,
    /// Hazard of the ledger that it shows on Seed, or "-".
    pub hazard: &'static str,
    /// CPUs.
    pub cpus: usize,
    /// What happens in it.
    pub about: &'static str,
    /// What Seed does: `None` if it holds.
    pub seed: Option<Break>,
    /// What Upstream does.
    pub upstream: Option<Break>,
    /// What must not survive.
    pub mutants: &'static [Mutant],
    /// Preemptions that are explored under [`Mode::Rmw`] and under
    /// [`Mode::AsWritten`]; `None` for all.
    pub bounds: [Option<usize>; 2],
    /// One execution of it, for a variant.
    pub body: fn(&str) -> Option<fn()>,
}

/// How far the explorer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Nowhere,
    /// So many preemptions.
    UpTo(usize),
    Everywhere,
}
use Extent::{Everywhere, Nowhere, UpTo};

/// Where it does not go everywhere every day: too many states. Every day, and in the full set. Under `tso` a
/// bound of preemptions leaves too many states, too: that a store reaches memory is none.
const TOO_MANY_STATES: &[(&str, Mode, Extent, Extent)] = &[
    ("shared-segment", Mode::Sc, UpTo(1), UpTo(2)),
    ("shared-segment", Mode::Tso, UpTo(0), UpTo(1)),
    ("device-entries-marked-at-any-time", Mode::Sc, UpTo(1), Everywhere),
    ("device-entries-marked-at-any-time", Mode::Tso, UpTo(0), UpTo(1)),
    ("two-frees-of-one-page", Mode::Sc, UpTo(1), UpTo(2)),
    ("two-frees-of-one-page", Mode::Tso, UpTo(0), UpTo(0)),
    ("three-cpus-two-unmappers", Mode::Tso, Nowhere, Everywhere),
    ("three-flushes-of-one-process", Mode::Sc, UpTo(0), UpTo(1)),
    ("three-flushes-of-one-process", Mode::Tso, Nowhere, UpTo(0)),
    ("three-unmappers", Mode::Sc, UpTo(1), UpTo(2)),
    ("three-unmappers", Mode::Tso, Nowhere, Nowhere),
    ("pool-migration", Mode::Sc, UpTo(0), UpTo(1)),
    ("pool-migration", Mode::Tso, Nowhere, UpTo(0)),
    ("process-life", Mode::Sc, UpTo(0), UpTo(1)),
    ("process-life", Mode::Tso, Nowhere, Nowhere),
    ("process-life-above-the-window", Mode::Sc, UpTo(0), UpTo(1)),
    ("process-life-above-the-window", Mode::Tso, Nowhere, Nowhere),
];
/// What loom cannot show: it does not know L2, and has no choices at a load.
const EXPLORER_ALONE: &[&str] =
    &["starvation", "device-entries-marked-at-any-time", "user-entries-marked-at-any-time"];

impl Model {
    /// Modes in which it is run, but for the full set.
    pub fn modes(&self) -> impl Iterator<Item = Mode> {
        let not_loom = EXPLORER_ALONE.contains(&self.name);
        let left_out = move |mode: Mode| {
            if mode.explorer() { self.explored(mode).0 == Nowhere } else { not_loom }
        };
        Mode::ALL.into_iter().filter(move |mode| !left_out(*mode))
    }

    /// How far the explorer goes in a mode, every day and in the full set.
    fn explored(&self, mode: Mode) -> (Extent, Extent) {
        TOO_MANY_STATES
            .iter()
            .find(|(name, of, ..)| *name == self.name && *of == mode)
            .map_or((Everywhere, Everywhere), |(_, _, daily, full)| (*daily, *full))
    }

    /// Preemptions that the explorer goes up to in the full set, if that is more than every day: `None`
    /// for all of them.
    pub fn explored_further(&self, mode: Mode) -> Option<Option<usize>> {
        match self.explored(mode) {
            (daily, full) if daily == full => None,
            (_, UpTo(most)) => Some(Some(most)),
            _ => Some(None),
        }
    }

    /// Preemptions that are explored in a mode; `None` for all.
    pub fn bound(&self, mode: Mode) -> Option<usize> {
        if mode.explorer() {
            let UpTo(most) = self.explored(mode).0 else { return None };
            return Some(most);
        }
        self.bounds[mode as usize]
    }
}

impl Mutant {
    /// The name under which it is run, such as `fixed-a4` or `fixed+splhi-ignored`.
    pub fn name(&self) -> String {
        match self {
            Self::Without(fix, _) => format!("fixed-{fix}"),
            Self::On(fault, _) => format!("fixed+{}", name(*fault)),
        }
    }

    /// How it must show.
    pub fn sign(&self) -> Break {
        match self {
            Self::Without(_, sign) | Self::On(_, sign) => *sign,
        }
    }
}

/// Names of all that models can be run on: seed, upstream, fixed, fixed without one repair, and fixed
/// on a machine with one defect.
pub fn variants() -> Vec<String> {
    let minus = Fixes::EACH.iter().map(|(fix, _)| format!("fixed-{fix}"));
    let defects = Fault::value_variants().iter().map(|fault| format!("fixed+{}", name(*fault)));
    ["seed", "upstream", "fixed"]
        .map(String::from)
        .into_iter()
        .chain(minus)
        .chain(defects)
        .collect()
}

/// Splits a name of [`variants`] into the variant of mmu386 and the defect of the machine.
pub fn parse(variant: &str) -> (&str, Option<Fault>) {
    match variant.split_once('+') {
        Some((code, fault)) => (code, Fault::from_str(fault, false).ok()),
        None => (variant, None),
    }
}

/// The place among [`Fixes::EACH`] of the repair that a variant such as `fixed-a4` lacks.
fn missing(variant: &str) -> Option<usize> {
    let fix = variant.strip_prefix("fixed-")?;
    Fixes::EACH.iter().position(|(name, _)| *name == fix)
}

/// The instance of a generic model for a variant's name, or `None` if there is no such variant.
macro_rules! for_variant {
    ($body:ident) => {
        for_variant!($body: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    ($body:ident: $($n:literal)*) => {
        |variant| {
            use mmu386::variant::{Fixed, Fixes, Minus, Seed, Upstream};
            // One instance per repair, in the order of the list.
            const MINUS: [fn(); Fixes::EACH.len()] =
                [$($body::<Minus<{ Fixes::EACH[$n].1.bits() }>>),*];
            Some(match variant {
                "seed" => $body::<Seed>,
                "upstream" => $body::<Upstream>,
                "fixed" => $body::<Fixed>,
                _ => MINUS[super::missing(variant)?],
            })
        }
    };
}
use for_variant;

/// Every model, in the order in which a newcomer would want to read them.
pub fn all() -> Vec<Model> {
    [
        handshake::models(),
        vmap::models(),
        copies::models(),
        sizes::models(),
        full::models(),
        combining::models(),
        segments::models(),
        pages::models(),
        pool::models(),
        life::models(),
        flushes::models(),
        death::models(),
        turns::models(),
        locks::models(),
        boot::models(),
        arithmetic::models(),
        pagerefs::models(),
        marks::models(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a model is expected to say of a variant.
pub fn expected(model: &Model, variant: &str) -> Expected {
    match variant {
        "fixed" => Expected::Holds,
        "seed" => model.seed.map_or(Expected::Holds, Expected::Broken),
        "upstream" => model.upstream.map_or(Expected::Holds, Expected::Broken),
        _ => model
            .mutants
            .iter()
            .find(|mutant| mutant.name() == variant)
            // Otherwise a repair or an instruction that this model does not need.
            .map_or(Expected::Either, |mutant| Expected::Broken(mutant.sign())),
    }
}

/// What is expected of a run.
#[derive(Debug, Clone, Copy)]
pub enum Expected {
    /// No execution breaks the property.
    Holds,
    /// Some execution breaks it, in this way.
    Broken(Break),
    /// Nothing is claimed.
    Either,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_kills_something() {
        for model in all() {
            // B3 has no repair of its own to take out, and no defect of the machine comes near it.
            let only_mmu_c = model.name == "starvation" && model.seed.is_some();
            assert!(only_mmu_c || !model.mutants.is_empty(), "{} cannot fail", model.name);
        }
    }

    #[test]
    fn every_repair_is_needed_by_some_model() {
        for (fix, _) in Fixes::EACH {
            let needed = all().iter().any(|model| {
                model.mutants.iter().any(|m| matches!(m, Mutant::Without(f, _) if *f == fix))
            });
            assert!(needed, "no model dies without {fix}");
        }
    }

    #[test]
    fn every_variant_can_be_run() {
        for model in all() {
            for variant in variants() {
                let (code, fault) = parse(&variant);
                assert!((model.body)(code).is_some(), "{} on {variant}", model.name);
                assert_eq!(fault.is_some(), variant.contains('+'));
            }
            assert!((model.body)("nonsense").is_none());
        }
    }

    #[test]
    fn the_full_set_goes_further_than_every_day_or_as_far() {
        let far = |extent: Extent| match extent {
            Nowhere => 0,
            UpTo(most) => 1 + most,
            Everywhere => usize::MAX,
        };
        for (name, mode, daily, full) in TOO_MANY_STATES {
            let model = all().into_iter().find(|model| model.name == *name);
            let model = model.unwrap_or_else(|| panic!("no model is called {name}"));
            assert!(mode.explorer() && far(*daily) <= far(*full), "{name}");
            assert_eq!(model.explored_further(*mode).is_some(), daily != full, "{name}");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = all().iter().map(|model| model.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
