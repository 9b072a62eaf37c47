//! COVERAGE.md: which lines no host test reaches, and why.

use std::iter::Peekable;
use std::str::Chars;

use anyhow::{Context, Result, bail};

/// The file, at the top of the tree.
pub const FILE: &str = "COVERAGE.md";
/// The heading of its tables.
const HEADING: [&str; 3] = ["file", "part of the line", "why no host test reaches it"];

/// One row: it explains one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The source file, from the top of the tree.
    pub file: String,
    /// A part of the line's text, so that the row survives when lines move.
    pub part: String,
    /// Why no host test reaches it.
    pub why: String,
    /// Where the row is in COVERAGE.md.
    pub at: usize,
}

/// Reads the rows of all tables. Only lines that begin with `|` are looked at.
pub fn parse(text: &str) -> Result<Vec<Explanation>> {
    let mut rows = Vec::new();
    let mut headed = false;
    for (line, at) in text.lines().zip(1..).filter(|(line, _)| line.starts_with('|')) {
        let wrong = || {
            format!(
                "{FILE}:{at}: a row is | `file` | `{}` | {} |, with \\| for a | of the line",
                HEADING[1], HEADING[2]
            )
        };
        let cells = cells(line);
        let [file, part, why] = &cells[..] else { bail!("{}", wrong()) };
        if [file, part, why].map(String::as_str) == HEADING {
            headed = true;
        } else if cells
            .iter()
            .all(|cell| !cell.is_empty() && cell.chars().all(|c| "-:".contains(c)))
        {
            continue;
        } else if !headed {
            bail!("{FILE}:{at}: the table has no heading | {} |", HEADING.join(" | "));
        } else {
            let file = quoted(file).with_context(wrong)?.to_owned();
            let part = quoted(part).with_context(wrong)?.to_owned();
            if why.is_empty() {
                bail!("{}", wrong());
            }
            rows.push(Explanation { file, part, why: why.clone(), at });
        }
    }
    if !headed {
        bail!("{FILE} has no table with the heading | {} |", HEADING.join(" | "));
    }
    Ok(rows)
}

/// The cells of a table's line, with `\|` read as `|`.
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
fn quoted(cell: &str) -> Option<&str> {
    let rest = cell.trim_start_matches('`');
    let ticks = &cell[..cell.len() - rest.len()];
    let text = rest.strip_suffix(ticks)?.trim();
    (!ticks.is_empty() && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# Title\n\n    | `not` | `a` | row |\n\n\
                        | file | part of the line | why no host test reaches it |\n|---|:--|---|\n";

    fn rows(more: &str) -> Result<Vec<Explanation>> {
        parse(&format!("{HEAD}{more}"))
    }

    #[test]
    fn a_row_names_a_file_a_part_and_a_reason() {
        let rows = rows("| `src/a.rs` | `x \\| y` | the `\\|` is escaped |\n\ntext\n").unwrap();
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((row.file.as_str(), row.part.as_str()), ("src/a.rs", "x | y"));
        assert_eq!((row.why.as_str(), row.at), ("the `|` is escaped", 7));
    }

    #[test]
    fn a_part_may_hold_backticks_and_backslashes() {
        let rows = rows("| `src/a.rs` | `` a `b` '\\n' `` | why |").unwrap();
        assert_eq!(rows[0].part, r"a `b` '\n'");
    }

    #[test]
    fn a_table_may_be_empty_but_not_absent() {
        assert_eq!(rows("").unwrap(), []);
        assert!(parse("# Title\n").unwrap_err().to_string().contains("no table"));
        assert!(parse("| `a` | `b` | c |\n").unwrap_err().to_string().contains("no heading"));
    }

    #[test]
    fn a_row_that_says_too_little_is_an_error() {
        for row in [
            "| `src/a.rs` | `x` |",
            "| `src/a.rs` | `x` | |",
            "| `src/a.rs` | `` | why |",
            "| `src/a.rs` | x | why |",
            "| src/a.rs | `x` | why |",
            "| `src/a.rs` | `x | y` | why |",
        ] {
            let error = rows(row).unwrap_err().to_string();
            assert!(error.contains("COVERAGE.md:7"), "{row}: {error}");
        }
    }
}
