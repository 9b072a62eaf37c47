//! Variants by name: what is compiled in, chosen when the program runs.

use mmu386::variant::{Fixed, Fixes, Minus, Seed, Upstream, Variant};

/// What is to be done with a variant.
pub trait Job {
    /// What comes of it.
    type Output;
    /// Does it.
    fn run<V: Variant>(self) -> Self::Output;
}

/// The names of all variants: `seed`, `upstream`, `fixed`, and `fixed-<hazard>` for each repair.
pub fn names() -> Vec<String> {
    let whole = ["seed", "upstream", "fixed"].into_iter().map(String::from);
    whole.chain(Fixes::EACH.iter().map(|(hazard, _)| format!("fixed-{hazard}"))).collect()
}

/// Does the job with the variant of a name; `None` if there is none of that name.
pub fn with_variant<J: Job>(name: &str, job: J) -> Option<J::Output> {
    match name {
        "seed" => return Some(job.run::<Seed>()),
        "upstream" => return Some(job.run::<Upstream>()),
        "fixed" => return Some(job.run::<Fixed>()),
        _ => {}
    }
    let hazard = name.strip_prefix("fixed-")?;
    let index = Fixes::EACH.iter().position(|(each, _)| *each == hazard)?;
    macro_rules! without {
        ($($n:literal)*) => {{
            const { assert!([$($n),*].len() == Fixes::EACH.len(), "one arm per repair") };
            match index {
                $($n => Some(job.run::<Minus<{ Fixes::EACH[$n].1.bits() }>>()),)*
                _ => None,
            }
        }};
    }
    without!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Which;

    impl Job for Which {
        type Output = Fixes;
        fn run<V: Variant>(self) -> Fixes {
            V::FIXES
        }
    }

    #[test]
    fn every_name_is_its_variant() {
        for name in names() {
            let fixes = with_variant(&name, Which).expect("it was listed");
            let wanted = match name.strip_prefix("fixed") {
                None => Fixes::NONE,
                Some("") => Fixes::ALL,
                Some(hazard) => {
                    let each = Fixes::EACH.iter().find(|(each, _)| hazard[1..] == **each);
                    Fixes::ALL.without(each.expect("it was listed").1)
                }
            };
            assert_eq!(fixes, wanted, "{name}");
        }
        assert!(with_variant("fixed-zz", Which).is_none());
    }
}
