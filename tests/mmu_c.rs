//! ARCHITECTURE.md's table from mmu.c to here, kept true: each name of mmu.c has an item that `cargo
//! doc` finds by it, a host test, a model and a kernel test, and each of those exists. That the models
//! and the kernel do run the functions is tested where they are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mmu386::function::Function;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What is in the table besides functions, and not counted as run.
const BESIDES: [&str; 4] = ["gdt", "vmaplock", "hzclock", "sched"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A row: C name, Rust item, file, host test, model, kernel test.
struct Row([String; 6]);

fn table() -> Vec<Row> {
    let text = read("ARCHITECTURE.md");
    let head = "| mmu.c | item | file | host test | model | kernel test |";
    let (_, rest) = text.split_once(head).expect("the table is there");
    let rows: Vec<Row> = rest
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<String> =
                line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
            Row(cells.try_into().unwrap_or_else(|_| panic!("a row has six cells: {line}")))
        })
        .collect();
    assert!(rows.len() > 30, "the table was read");
    rows
}

/// Names in a cell: what stands between backquotes.
fn names(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_name_of_mmu_c_has_one_row_without_an_empty_cell() {
    let mut expected: BTreeSet<&str> = Function::ALL.iter().map(|f| f.name()).collect();
    expected.extend(BESIDES);
    let table = table();
    for row in &table {
        for cell in &row.0 {
            assert!(!names(cell).is_empty(), "{}: a cell names nothing", row.0[0]);
        }
        let [name] = names(&row.0[0])[..] else { panic!("{} is one name", row.0[0]) };
        assert!(expected.remove(name), "{name} has another row, or is not of mmu.c");
    }
    assert!(expected.is_empty(), "no row for {expected:?}");
}

/// Named items of a file, each with the C names that it goes by: its own, and its aliases.
fn items(tokens: TokenStream, found: &mut Vec<(String, Vec<String>)>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let mut aliases = Vec::new();
    for (at, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                let text = group.to_string().replace(' ', "");
                if let Some(alias) = text.strip_prefix("[doc(alias=\"") {
                    aliases.push(alias.trim_end_matches("\")]").to_owned());
                }
            }
            TokenTree::Group(group) => items(group.stream(), found),
            TokenTree::Ident(word) => {
                let word = word.to_string();
                let next = trees.get(at + 1).map(ToString::to_string).unwrap_or_default();
                let is_field = next == ":" && aliases.is_empty();
                if matches!(word.as_str(), "fn" | "struct" | "const" | "enum") {
                    let mut names = std::mem::take(&mut aliases);
                    names.push(next.clone());
                    found.push((next, names));
                } else if is_field {
                    found.push((word.clone(), vec![word]));
                }
            }
            _ => {}
        }
    }
}

#[test]
fn every_item_is_in_its_file_and_found_by_its_c_name() {
    for Row([name, item, file, ..]) in table() {
        let ([name], [item], [file]) = (&names(&name)[..], &names(&item)[..], &names(&file)[..])
        else {
            panic!("{name}: one name, one item, one file");
        };
        let mut found = Vec::new();
        items(read(file).parse().expect("a source is Rust"), &mut found);
        let last = item.rsplit("::").next().expect("a path has an end");
        let goes_by: Vec<_> = found.iter().filter(|(known, _)| known == last).collect();
        assert!(!goes_by.is_empty(), "{file} has no {item}");
        assert!(
            goes_by.iter().any(|(_, aliases)| aliases.iter().any(|alias| alias == name)),
            "{item} goes by {goes_by:?}, not by {name}"
        );
    }
}

/// Names of the functions of a file that are tests.
fn tests_of(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a test file can be read");
    let mut tests = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line.starts_with("#[test]") {
            let signature = lines.find(|line| line.contains("fn ")).expect("a test is a function");
            let name = signature.split("fn ").nth(1).and_then(|rest| rest.split('(').next());
            tests.push(name.expect("a function has a name").to_owned());
        }
    }
    tests
}

/// `vmap::a_page_is_mapped` is a test of `tests/vmap.rs`, or of `src/vmap.rs`.
#[test]
fn every_host_test_exists() {
    for Row([name, _, _, host, ..]) in table() {
        for test in names(&host) {
            let (file, test) = test.split_once("::").expect("a test is named file::function");
            let places: Vec<PathBuf> = ["tests", "src"]
                .map(|folder| root().join(folder).join(format!("{file}.rs")))
                .into();
            let known: Vec<String> =
                places.iter().filter(|p| p.is_file()).flat_map(|p| tests_of(p)).collect();
            assert!(known.iter().any(|known| known == test), "{name}: no test {file}::{test}");
        }
    }
}

/// Strings that follow `before` in the sources of a folder.
fn strings_after(folder: &str, before: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in root().join(folder).read_dir().expect("a folder") {
        let path = entry.expect("can be read").path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(path).expect("can be read");
            let after = text.split(before).skip(1);
            found.extend(after.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        }
    }
    assert!(found.len() > 5, "{folder} names things by {before}");
    found
}

#[test]
fn every_model_exists() {
    let models = strings_after("loom-tests/src/models", "name: \"");
    for Row([name, _, _, _, cell, _]) in table() {
        for model in names(&cell) {
            assert!(models.contains(model), "{name}: no model {model}");
        }
    }
}

#[test]
fn every_kernel_test_exists() {
    let mut tests = strings_after("kernel/src/tests", "name: \"");
    tests.extend(strings_after("kernel/src/tests", "Test::new(\""));
    for Row([name, _, _, _, _, cell]) in table() {
        for test in names(&cell) {
            assert!(tests.contains(test), "{name}: no kernel test {test}");
        }
    }
}
