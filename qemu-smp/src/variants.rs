//! The names of the variants that mmu386 can be compiled as.

use anyhow::{Result, bail};
use mmu386::variant::Fixes;

use crate::models::Model;

/// mmu.c as found.
pub const SEED: &str = "seed";
/// The vunmap of December 2019, through procflushmmu over all other processes; the tick flushes only
/// when up and up->newtlb.
pub const UPSTREAM: &str = "upstream";
/// Every repair in.
pub const FIXED: &str = "fixed";

/// The variants that are judged for their own sake, and their names in headings. All others show
/// what one repair is good for.
pub const MAIN: [(&str, &str); 3] = [(SEED, "Seed"), (UPSTREAM, "Upstream"), (FIXED, "Fixed")];

/// All known names: the main ones, and `fixed-<hazard>` without one of mmu386's repairs.
pub fn all() -> Vec<String> {
    let main = MAIN.map(|(name, _)| name.to_owned());
    let without = Fixes::EACH.iter().map(|(repair, _)| format!("{FIXED}-{repair}"));
    main.into_iter().chain(without).collect()
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
    fn there_is_a_variant_for_each_repair_of_the_code_and_nothing_else() {
        let names = all();
        for main in ["seed", "upstream", "fixed"] {
            assert!(names.iter().any(|name| name == main), "{main}");
        }
        let without: Vec<&str> =
            names.iter().filter_map(|name| name.strip_prefix("fixed-")).collect();
        let repairs: Vec<&str> = Fixes::EACH.iter().map(|(name, _)| *name).collect();
        assert_eq!(without, repairs);
        assert_eq!(names.len(), repairs.len() + 3);
    }

    #[test]
    fn an_unknown_variant_is_answered_with_the_list() {
        let error = check("fxied").unwrap_err().to_string();
        assert!(error.contains("`fxied`") && error.contains("fixed-a1"), "{error}");
        assert!(error.contains("upstream"), "{error}");
        assert!(check("fixed-a4").is_ok() && check("seed").is_ok() && check("upstream").is_ok());
    }
}
