//! The ledger of hazards, as far as the verdict needs it: names, and which must be found.

/// Every hazard of the ledger: number and name.
pub const LEDGER: &[(&str, &str)] = &[
    ("A1", "stale large page"),
    ("A2", "idle acknowledges"),
    ("A3", "early reuse"),
    ("A4", "lost request"),
    ("A6", "late sync"),
    ("A7", "early boot"),
    ("A9", "arithmetic"),
    ("A10", "late attributes"),
    ("B1", "waits for itself"),
    ("B2", "deadlock"),
    ("B3", "starvation"),
    ("C1", "install after free"),
    ("C2", "flag against switch"),
    ("C3", "check against flush"),
    ("C4", "walkable leftovers"),
    ("D1", "writable code"),
    ("D2", "half a list"),
];

/// What must be found on Seed before anything counts: engine, mode and hazard. A suite that finds
/// less than this has lost its teeth, whatever it says about Fixed.
pub const REQUIRED: &[(&str, &str, &str)] = &[
    ("loom", "rmw", "A1"),
    ("loom", "rmw", "A2"),
    ("loom", "rmw", "A3"),
    ("loom", "rmw", "A4"),
    ("loom", "rmw", "A10"),
    ("loom", "rmw", "B1"),
    ("loom", "rmw", "C1"),
    ("loom", "as-written", "C2"),
    ("loom", "rmw", "C3"),
    ("loom", "rmw", "C4"),
    ("loom", "rmw", "D1"),
    ("loom", "rmw", "D2"),
    ("explorer", "tso", "A1"),
    ("explorer", "tso", "A2"),
    ("explorer", "tso", "A3"),
    ("explorer", "tso", "A4"),
    ("explorer", "tso", "A10"),
    ("explorer", "tso", "B1"),
    ("explorer", "tso", "B3"),
    ("explorer", "tso", "C1"),
    ("explorer", "tso", "C2"),
    ("explorer", "tso", "C3"),
    ("explorer", "tso", "C4"),
    ("explorer", "tso", "D1"),
    ("explorer", "tso", "D2"),
    ("qemu", "tcg", "A1"),
];

/// The name of a hazard.
pub fn hazard_name(number: &str) -> Option<&'static str> {
    LEDGER.iter().find(|(known, _)| same_hazard(known, number)).map(|&(_, name)| name)
}

/// Properties that the kernel's audits report by their own name, where no hazard is named.
const PROPERTIES: &[&str] =
    &["V1", "V2", "V3", "U1", "U2", "U3", "P1", "P2", "K1", "T1", "G1", "W1"];

/// The property that a hazard breaks; of a property, itself.
pub fn hazard_property(number: &str) -> &'static str {
    let number = number.to_ascii_uppercase();
    if let Some(property) = PROPERTIES.iter().find(|known| **known == number) {
        return property;
    }
    match number.as_str() {
        "A3" => "V2",
        "A9" => "E1",
        "A10" => "V4",
        "B1" | "B2" | "B3" => "L1",
        "C1" | "C2" | "C4" => "U1",
        "C3" => "E2",
        "D1" => "R1",
        "D2" => "P3",
        _ => "V1",
    }
}

/// Whether two spellings mean the same entry: `a1` and `A1`.
pub fn same_hazard(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_filed_under_the_property_that_it_breaks() {
        for (found, property) in
            [("a10", "V4"), ("C1", "U1"), ("A1", "V1"), ("v3", "V3"), ("P2", "P2")]
        {
            assert_eq!(hazard_property(found), property);
        }
    }
}
