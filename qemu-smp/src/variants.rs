//! The names of the variants that mmu386 can be compiled as.

use anyhow::{Result, bail};

use crate::models::Model;

/// The repairs that can be taken out of `fixed` alone, in the order of the hazard ledger. A test
/// compares them with mmu386's own list.
pub const REPAIRS: &[&str] = &["a1", "a2", "a3", "a4", "a6", "a7", "a9", "b1", "b2"];

/// mmu.c as found.
pub const SEED: &str = "seed";
/// Every repair in.
pub const FIXED: &str = "fixed";

/// All known names: `seed`, `fixed`, and `fixed-<hazard>` without one repair.
pub fn all() -> Vec<String> {
    let mut names = vec![SEED.to_owned(), FIXED.to_owned()];
    names.extend(REPAIRS.iter().map(|repair| format!("{FIXED}-{repair}")));
    names
}

/// Accepts a known name, and says which are known otherwise.
pub fn check(name: &str) -> Result<String> {
    let known = all();
    if known.iter().any(|known| known == name) {
        return Ok(name.to_owned());
    }
    bail!("there is no variant `{name}`; known variants: {}", known.join(", "))
}

/// Accepts a name that some model can be run on, which may name a defect of the model machine, too.
pub fn check_for_models(name: &str, models: &[Model]) -> Result<String> {
    if models.iter().any(|model| model.variants.iter().any(|known| known == name)) {
        return Ok(name.to_owned());
    }
    let mut known: Vec<&str> =
        models.iter().flat_map(|model| &model.variants).map(String::as_str).collect();
    known.sort_unstable();
    known.dedup();
    bail!("there is no variant `{name}`; known variants: {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_the_one_of_the_code() {
        let repairs: Vec<&str> =
            mmu386::variant::Fixes::EACH.iter().map(|(name, _)| *name).collect();
        assert_eq!(REPAIRS, repairs);
    }

    #[test]
    fn an_unknown_variant_is_answered_with_the_list() {
        let error = check("fxied").unwrap_err().to_string();
        assert!(error.contains("`fxied`") && error.contains("fixed-a1"), "{error}");
        assert!(check("fixed-a4").is_ok() && check("seed").is_ok());
    }
}
