//! Tables in Markdown that people write and this program reads.

use std::iter::Peekable;
use std::str::Chars;

use anyhow::{Result, bail};

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line that it is on.
    pub at: usize,
    /// Its cells, with `\|` read as `|`.
    pub cells: Vec<String>,
}

/// The rows of all tables with this heading. Only lines that begin with `|` are looked at. A text
/// without such a table is an error, and so is a row before the first.
pub fn rows(file: &str, text: &str, heading: &[&str]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut headed = false;
    for (line, at) in text.lines().zip(1..).filter(|(line, _)| line.starts_with('|')) {
        let cells = cells(line);
        if cells.iter().eq(heading) {
            headed = true;
        } else if cells
            .iter()
            .all(|cell| !cell.is_empty() && cell.chars().all(|c| "-:".contains(c)))
        {
            continue;
        } else if !headed {
            bail!("{file}:{at}: the table has no heading | {} |", heading.join(" | "));
        } else {
            rows.push(Row { at, cells });
        }
    }
    if !headed {
        bail!("{file} has no table with the heading | {} |", heading.join(" | "));
    }
    Ok(rows)
}

fn cells(line: &str) -> Vec<String> {
    let mut cells = Vec::new();
    let mut chars = line.trim_end().chars().peekable();
    chars.next();
    while chars.peek().is_some() {
        cells.push(cell(&mut chars).trim().to_owned());
    }
    cells
}

fn cell(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '|' => break,
            '\\' => text.push(chars.next_if_eq(&'|').unwrap_or('\\')),
            _ => text.push(c),
        }
    }
    text
}

/// What a cell quotes as code; none if it is not code or nothing.
pub fn quoted(cell: &str) -> Option<&str> {
    let rest = cell.trim_start_matches('`');
    let ticks = &cell[..cell.len() - rest.len()];
    let text = rest.strip_suffix(ticks)?.trim();
    (!ticks.is_empty() && !text.is_empty()).then_some(text)
}
