//! The verdict as a table for the terminal.

use comfy_table::{Table, presets};

use super::{Row, Verdict};
use crate::variants::{FIXED, SEED};

/// One line per property and model, with the verdicts on Seed and on Fixed side by side; other
/// variants get lines of their own.
pub fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "property", "hazard", "model", "engine", "CPUs", "bound", "on Seed", "on Fixed",
    ]);
    for (key, group) in groups(rows) {
        let other = !matches!(key.variant.as_str(), SEED | FIXED);
        let model =
            if other { format!("{} [{}]", key.model, key.variant) } else { key.model.clone() };
        let of = |variant: &str| match group.iter().find(|row| row.variant == variant) {
            Some(row) => cell(row),
            None if other => group.iter().map(|row| cell(row)).collect(),
            None => "-".to_owned(),
        };
        table.add_row([
            key.property.clone(),
            key.hazard.clone(),
            model,
            key.engine_and_mode(),
            key.cpus.to_string(),
            bounds(&group),
            if other { "-".to_owned() } else { of(SEED) },
            of(FIXED),
        ]);
    }
    table.to_string()
}

/// A verdict with its executions, marked if it is not what was expected.
fn cell(row: &Row) -> String {
    let mark = if row.expected() { "" } else { " (!)" };
    let what = if row.engine == "qemu" { "boots" } else { "exec" };
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
    let pair = |row: &Row| matches!(row.variant.as_str(), SEED | FIXED);
    let what =
        |row: &Row| (row.engine.clone(), row.mode.clone(), row.model.clone(), row.hazard.clone());
    what(one) == what(other)
        && one.property == other.property
        && one.cpus == other.cpus
        && pair(one)
        && pair(other)
        && one.variant != other.variant
}
