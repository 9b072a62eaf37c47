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

/// What the kernel looks after beyond mmu386's properties, by the names that its findings have, and what
/// each means.
pub const KERNEL: &[(&str, &str)] = &[
    ("G1", "descriptors: a CPU has those that it should"),
    ("W1", "write combining: the memory type is the one that was asked for"),
    ("heap", "the kernel's heap comes back"),
    ("isolation", "what one group of programs does ends no other"),
    ("out-of-memory", "programs live on when pages run out"),
    ("ring3", "programs end as they should"),
];

/// Properties that findings are filed under by their own name, where no hazard is named.
const PROPERTIES: &[&str] = &[
    "V1", "V2", "V3", "V4", "U1", "U2", "U3", "U4", "P1", "P2", "P3", "K1", "T1", "S1", "R1", "L1",
    "L2", "I1", "E1", "E2",
];

/// The name of a hazard, or of what only the kernel looks after.
pub fn hazard_name(number: &str) -> Option<&'static str> {
    let all = LEDGER.iter().chain(KERNEL);
    all.clone().find(|(known, _)| same_hazard(known, number)).map(|&(_, name)| name)
}

/// The property that a finding of this name breaks; of a property, itself. None for a name that nobody
/// knows: that is no finding of any property, and has to be told.
pub fn hazard_property(name: &str) -> Option<&'static str> {
    let own = PROPERTIES.iter().copied().chain(KERNEL.iter().map(|&(name, _)| name));
    if let Some(property) = own.clone().find(|known| same_hazard(known, name)) {
        return Some(property);
    }
    let property = match name.to_ascii_uppercase().as_str() {
        "A1" | "A2" | "A4" | "A6" | "A7" => "V1",
        "A3" => "V2",
        "A9" => "E1",
        "A10" => "V4",
        "B1" | "B2" => "L1",
        "B3" => "L2",
        "C1" | "C2" | "C4" => "U1",
        "C3" => "E2",
        "D1" => "R1",
        "D2" => "P3",
        _ => return None,
    };
    Some(property)
}

/// Whether two spellings mean the same entry: `a1` and `A1`.
pub fn same_hazard(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn a_finding_is_filed_under_the_property_that_it_breaks() {
        for (found, property) in [
            ("a10", "V4"),
            ("C1", "U1"),
            ("A1", "V1"),
            ("v3", "V3"),
            ("P2", "P2"),
            ("heap", "heap"),
            ("ring3", "ring3"),
            ("isolation", "isolation"),
            ("out-of-memory", "out-of-memory"),
        ] {
            assert_eq!(hazard_property(found), Some(property));
        }
        assert!(LEDGER.iter().all(|(number, _)| hazard_property(number).is_some()));
        for unknown in ["", "heaps", "A5", "V9", "stale"] {
            assert_eq!(hazard_property(unknown), None, "{unknown}");
        }
    }

    /// The names by which a source of the kernel files findings: the first text after one of these words,
    /// and every text that looks like an entry of the ledger.
    fn names(source: &str, found: &mut BTreeSet<String>) {
        const BEFORE: [&str; 3] = ["found(context, ", "hazard: ", "hazard = "];
        for before in BEFORE {
            for (_, rest) in source.match_indices(before).map(|(at, _)| source.split_at(at)) {
                let rest = rest[before.len()..].trim_start();
                found.extend(
                    rest.strip_prefix('"')
                        .and_then(|rest| rest.split('"').next())
                        .map(str::to_owned),
                );
            }
        }
        let entry = |text: &&str| {
            let mut chars = text.chars();
            chars.next().is_some_and(|c| c.is_ascii_uppercase())
                && (2..=3).contains(&text.len())
                && chars.all(|c| c.is_ascii_digit())
        };
        found.extend(source.split('"').filter(entry).map(str::to_owned));
    }

    #[test]
    fn every_name_that_the_kernel_files_findings_under_is_known() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut folders = vec![root.join("kernel/src")];
        let mut found = BTreeSet::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match entry.path() {
                    path if path.is_dir() => folders.push(path),
                    path => names(&fs::read_to_string(path).unwrap(), &mut found),
                }
            }
        }
        let auditor = fs::read_to_string(root.join("auditor/src/property.rs")).unwrap();
        names(&auditor, &mut found);
        for name in &found {
            assert!(hazard_property(name).is_some(), "the kernel files findings under `{name}`");
        }
        for (name, _) in KERNEL {
            assert!(found.contains(*name), "nothing is filed under `{name}` any more");
        }
        assert!(found.len() > 20, "{found:?}");
    }
}
