//! The verdict as a table for the terminal.

use comfy_table::{Table, presets};

use super::{Row, Verdict};
use crate::variants::{MAIN, UPSTREAM};

/// One line per property and model, with the verdicts on the main variants side by side, and what
/// else the model was seen to notice. A variant that was run alone gets a line of its own.
pub fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    let columns = columns(rows);
    let mut header =
        ["property", "hazard", "model", "engine", "CPUs", "bound"].map(str::to_owned).to_vec();
    header.extend(columns.iter().map(|(_, title)| format!("on {title}")));
    header.push("kills".to_owned());
    table.set_header(header);
    for (key, group) in groups(rows) {
        let other = !on_main_variant(key);
        let killed = notices(rows, key);
        if other && rows.iter().any(|row| same_model(row, key) && on_main_variant(row)) {
            continue;
        }
        let of = |variant: &str| match group.iter().find(|row| row.variant == variant) {
            Some(row) => cell(row),
            None => "-".to_owned(),
        };
        let mut line = vec![
            key.property.clone(),
            key.hazard.clone(),
            key.model.clone(),
            key.engine_and_mode(),
            key.cpus.to_string(),
            bounds(&group),
        ];
        line.extend(columns.iter().map(|(variant, _)| of(variant)));
        line.push(if killed.is_empty() { "-".to_owned() } else { killed.join(", ") });
        table.add_row(line);
    }
    table.to_string()
}

/// The mutants on which the model of a row was run in the row's mode. One that it did not break as
/// it should is marked.
pub(crate) fn notices(rows: &[Row], key: &Row) -> Vec<String> {
    rows.iter()
        .filter(|row| same_model(row, key) && !on_main_variant(row))
        .map(|row| {
            let killed = row.verdict == Verdict::Broken && row.expected();
            format!("{}{}", row.variant, if killed { "" } else { " (!)" })
        })
        .collect()
}

/// The main variants that these rows are about, with their headings: Seed and Fixed always, Upstream
/// where a row is on it.
pub(crate) fn columns(rows: &[Row]) -> Vec<(&'static str, &'static str)> {
    let shown = |name: &str| name != UPSTREAM || rows.iter().any(|row| row.variant == UPSTREAM);
    MAIN.into_iter().filter(|(name, _)| shown(name)).collect()
}

/// Whether the row is on a variant that is judged for its own sake.
pub(crate) fn on_main_variant(row: &Row) -> bool {
    MAIN.iter().any(|(name, _)| row.variant == *name)
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
    let states = row.states().map_or(String::new(), |states| format!("{states} states, "));
    match row.verdict {
        Verdict::Holds | Verdict::Broken => {
            format!("{}{mark}, {states}{} {what}", row.verdict.word(), row.executions)
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
        && on_main_variant(one)
        && on_main_variant(other)
        && one.variant != other.variant
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(variant: &str, verdict: &str) -> Row {
        serde_json::from_value(serde_json::json!({
            "id": "x", "property": "V1", "hazard": "A4", "variant": variant, "engine": "loom", "mode": "rmw",
            "model": "handshake", "cpus": 2, "executions": 3, "verdict": verdict, "expected": verdict,
        }))
        .unwrap()
    }

    #[test]
    fn upstream_has_a_column_where_it_was_run_and_kills_nothing() {
        let two = [row("seed", "broken"), row("fixed", "holds"), row("fixed-a4", "broken")];
        let text = table(&two);
        assert!(!text.contains("Upstream"), "{text}");
        assert!(text.contains("| broken, 3 exec | holds, 3 exec | fixed-a4 |"), "{text}");
        let all = [&two[..], &[row("upstream", "holds")]].concat();
        let text = table(&all);
        assert!(text.contains("| on Seed        | on Upstream   | on Fixed"), "{text}");
        assert!(
            text.contains("| broken, 3 exec | holds, 3 exec | holds, 3 exec | fixed-a4 |"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 3, "one line: {text}");
    }
}
