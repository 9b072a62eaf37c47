//! Every function of mmu.c is run by a model, and by the model that ARCHITECTURE.md names for it.

use std::collections::BTreeSet;
use std::process::Command;

use mmu386::function::Function;
use serde_json::Value;

/// What one execution of each model enters on Fixed: model and function.
fn entered() -> BTreeSet<(String, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_models"))
        .args(["functions", "--json"])
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a name").to_owned();
    rows.iter()
        .flat_map(|row| {
            let functions = row["functions"].as_array().expect("a list");
            functions.iter().map(|function| (text(&row["model"]), text(function)))
        })
        .collect()
}

/// The table's rows: name in mmu.c and the models named for it.
fn table() -> Vec<(String, Vec<String>)> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md");
    let text = std::fs::read_to_string(file).expect("ARCHITECTURE.md can be read");
    let head = "| mmu.c | item | file | host test | model | kernel test |";
    let (_, rest) = text.split_once(head).expect("the table is there");
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    rest.lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').collect();
            let name: Vec<String> = names(cells[1]);
            (name[0].clone(), names(cells[5]))
        })
        .collect()
}

#[test]
fn every_function_is_run_by_the_models_that_are_named_for_it() {
    let (entered, table) = (entered(), table());
    for function in Function::ALL {
        let name = function.name();
        assert!(entered.iter().any(|(_, known)| known == name), "no model runs {name}");
        let row = table.iter().find(|(known, _)| known == name);
        let (_, models) = row.unwrap_or_else(|| panic!("{name} has no row"));
        for model in models {
            let there = entered.contains(&(model.clone(), name.to_owned()));
            assert!(there, "{model} does not run {name}");
        }
    }
}
