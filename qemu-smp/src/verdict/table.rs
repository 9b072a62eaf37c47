//! The verdict as a table for the terminal.

use comfy_table::{Table, presets};

use super::{Row, Verdict};
use crate::variants::{FIXED, SEED};

/// One line per property and model, with the verdicts on Seed and on Fixed side by side, and what
/// else the model was seen to notice. A variant that was run alone gets a line of its own.
pub fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "property", "hazard", "model", "engine", "CPUs", "bound", "on Seed", "on Fixed", "kills",
    ]);
    for (key, group) in groups(rows) {
        let other = !on_seed_or_fixed(key);
        let killed = notices(rows, key);
        if other && rows.iter().any(|row| same_model(row, key) && on_seed_or_fixed(row)) {
            continue;
        }
        let of = |variant: &str| match group.iter().find(|row| row.variant == variant) {
            Some(row) => cell(row),
            None => "-".to_owned(),
        };
        table.add_row([
            key.property.clone(),
            key.hazard.clone(),
            key.model.clone(),
            key.engine_and_mode(),
            key.cpus.to_string(),
            bounds(&group),
            of(SEED),
            of(FIXED),
            if killed.is_empty() { "-".to_owned() } else { killed.join(", ") },
        ]);
    }
    table.to_string()
}

/// The mutants on which the model of a row was run in the row's mode. One that it did not break as
/// it should is marked.
pub(crate) fn notices(rows: &[Row], key: &Row) -> Vec<String> {
    rows.iter()
        .filter(|row| same_model(row, key) && !on_seed_or_fixed(row))
        .map(|row| {
            let killed = row.verdict == Verdict::Broken && row.expected();
            format!("{}{}", row.variant, if killed { "" } else { " (!)" })
        })
        .collect()
}

/// Whether the row is on one of the two variants that every model is run on.
pub(crate) fn on_seed_or_fixed(row: &Row) -> bool {
    matches!(row.variant.as_str(), SEED | FIXED)
}

fn same_model(one: &Row, other: &Row) -> bool {
    (&one.engine, &one.mode, &one.model) == (&other.engine, &other.mode, &other.model)
}

/// A verdict with its executions, marked if it is not what was expected.
fn cell(row: &Row) -> String {
    let mark = if row.expected() { "" } else { " (!)" };
    let what = match (row.engine.as_str(), row.executions) {
        ("qemu", 1) => "boot",
        ("qemu", _) => "boots",
        _ => "exec",
    };
    match row.verdict {
        Verdict::Holds | Verdict::Broken => {
            format!("{}{mark}, {} {what}", row.verdict.word(), row.executions)
        }
        Verdict::Cut | Verdict::Inconclusive => format!("{}{mark}", row.verdict.word()),
    }
}

/// The bound of the rows that hold, since a finding needs none; of all rows if none holds.
fn bounds(group: &[&Row]) -> String {
    let holds: Vec<_> = group.iter().filter(|row| row.verdict == Verdict::Holds).collect();
    let mut bounds: Vec<String> = match &holds[..] {
        [] => group.iter().map(|row| row.bound()).collect(),
        rows => rows.iter().map(|row| row.bound()).collect(),
    };
    bounds.dedup();
    bounds.join(" / ")
}

/// Rows that belong in one line, in the order in which they came.
pub(crate) fn groups(rows: &[Row]) -> Vec<(&Row, Vec<&Row>)> {
    let mut groups: Vec<(&Row, Vec<&Row>)> = Vec::new();
    for row in rows {
        match groups.iter_mut().find(|(key, _)| same_line(key, row)) {
            Some((_, group)) => group.push(row),
            None => groups.push((row, vec![row])),
        }
    }
    groups
}

fn same_line(one: &Row, other: &Row) -> bool {
    let what =
        |row: &Row| (row.engine.clone(), row.mode.clone(), row.model.clone(), row.hazard.clone());
    what(one) == what(other)
        && one.property == other.property
        && one.cpus == other.cpus
        && on_seed_or_fixed(one)
        && on_seed_or_fixed(other)
        && one.variant != other.variant
}
