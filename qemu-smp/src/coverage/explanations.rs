//! COVERAGE.md: which lines no host test reaches, and why.

use anyhow::{Context, Result, bail};

use crate::markdown::{self, quoted};

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
    for markdown::Row { at, cells } in markdown::rows(FILE, text, &HEADING)? {
        let wrong = || {
            format!(
                "{FILE}:{at}: a row is | `file` | `{}` | {} |, with \\| for a | of the line",
                HEADING[1], HEADING[2]
            )
        };
        let [file, part, why] = &cells[..] else { bail!("{}", wrong()) };
        let file = quoted(file).with_context(wrong)?.to_owned();
        let part = quoted(part).with_context(wrong)?.to_owned();
        if why.is_empty() {
            bail!("{}", wrong());
        }
        rows.push(Explanation { file, part, why: why.clone(), at });
    }
    Ok(rows)
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
