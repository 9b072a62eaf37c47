//! The operators on mmu386 itself: no place is overlooked, and the copy is whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use teeth::Operator;
use teeth::workspace::Workspace;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(folder: &Path) -> Workspace {
    Workspace::read(root(), folder).unwrap()
}

/// How often a text stands in the code of mmu386, without comments and test modules.
fn occurrences(text: &str) -> usize {
    fn of(folder: &Path, text: &str) -> usize {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| {
                if path.is_dir() {
                    return of(&path, text);
                }
                let source = fs::read_to_string(path).unwrap();
                let code = source.split("#[cfg(test)]").next().unwrap();
                let lines = code.lines().map(|line| line.split("//").next().unwrap());
                lines.map(|line| line.matches(text).count()).sum()
            })
            .sum()
    }
    of(&root().join("src"), text)
}

#[test]
fn each_place_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let mutants = read(folder.path()).mutants;
    let count = |operator: Operator, text: &str| {
        let of =
            |before: &str| before.starts_with(text) || before.starts_with(&format!("self.{text}"));
        mutants.iter().filter(|it| it.operator == operator && of(&it.before)).count()
    };
    for (operator, text) in [
        (Operator::Fence, "arch.fence("),
        (Operator::Unlocked, "arch.swap("),
        (Operator::Unlocked, "arch.fetch_add("),
        (Operator::Counter, "arch.fetch_add("),
        (Operator::Flush, "arch.putcr3("),
        (Operator::Flush, "arch.invlpg("),
        (Operator::Level, "arch.splhi("),
        (Operator::Level, "arch.spllo("),
        (Operator::Level, "arch.splx("),
        (Operator::Store, "arch.store("),
    ] {
        let there = occurrences(text);
        assert!(there > 0, "`{text}` is nowhere");
        assert_eq!(count(operator, text), there, "{operator}: `{text}`");
    }
    for operator in Operator::ALL {
        assert!(mutants.iter().any(|it| it.operator == operator), "{operator} is nowhere");
    }
}

#[test]
fn the_copy_is_whole_and_holds_every_mutant() {
    let folder = tempfile::tempdir().unwrap();
    let mut workspace = read(folder.path());
    workspace.write(&BTreeSet::new()).unwrap();
    let mut asked = BTreeSet::new();
    let mut folders = vec![folder.path().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let calls = text.split("crate::mutant::on(").skip(1);
            asked.extend(
                calls.map(|call| call.split(')').next().unwrap().parse::<usize>().unwrap()),
            );
        }
    }
    let all: BTreeSet<usize> = workspace.mutants.iter().map(|mutant| mutant.id).collect();
    assert_eq!(asked, all);
    let manifest = fs::read_to_string(folder.path().join("Cargo.toml")).unwrap();
    for member in ["\".\"", "\"auditor\"", "\"loom-tests\""] {
        assert!(manifest.contains(member), "{manifest}");
    }
    for other in ["host", "kernel\"", "dev-dependencies", "qemu-smp"] {
        assert!(!manifest.contains(other), "{other}: {manifest}");
    }
    assert!(folder.path().join("loom-tests/src/bin/models.rs").is_file());

    // What is left out is nowhere in it, and files of an earlier copy go.
    fs::write(folder.path().join("src/old.rs"), "").unwrap();
    workspace.write(&BTreeSet::from([1])).unwrap();
    assert!(!folder.path().join("src/old.rs").exists());
    let module = fs::read_to_string(folder.path().join("src/mutant.rs")).unwrap();
    assert!(module.contains("LEFT_OUT: [usize; 1] = [1]"), "{module}");
}
