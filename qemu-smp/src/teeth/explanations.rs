//! TEETH.md: which mutants survive, and why.

use anyhow::{Context, Result, bail};

use super::Finding;
use crate::markdown::{self, quoted};

/// The file, at the top of the tree.
pub const FILE: &str = "TEETH.md";
/// The heading of its tables.
const HEADING: [&str; 5] =
    ["file", "function", "operator", "part of the change", "why it survives"];

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// The mutant does what the original does.
    Equivalent,
    /// It does not, and no model shows it yet.
    NoModel,
}

/// One row: it is about one mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The source file, from the top of the tree.
    pub file: String,
    /// The function.
    pub function: String,
    /// The operator.
    pub operator: String,
    /// A part of `before -> after`, so that the row survives when lines move.
    pub part: String,
    /// What is said of it.
    pub judgement: Judgement,
    /// The reason, with the judgement in front.
    pub why: String,
    /// Where the row is in TEETH.md.
    pub at: usize,
}

impl Explanation {
    /// Whether it is about a mutant.
    pub fn is_about(&self, finding: &Finding) -> bool {
        self.file == finding.file
            && self.function == finding.function
            && self.operator == finding.operator
            && finding.change().contains(&self.part)
    }
}

/// Reads the rows of all tables. Only lines that begin with `|` are looked at.
pub fn parse(text: &str) -> Result<Vec<Explanation>> {
    let mut rows = Vec::new();
    for markdown::Row { at, cells } in markdown::rows(FILE, text, &HEADING)? {
        let wrong = || {
            format!(
                "{FILE}:{at}: a row is | `file` | `function` | operator | `{}` | equivalent: ... or no \
                 model: ... |, with \\| for a | of the change",
                HEADING[3]
            )
        };
        let [file, function, operator, part, why] = &cells[..] else { bail!("{}", wrong()) };
        let text = |cell| quoted(cell).map(str::to_owned).with_context(wrong);
        let reason =
            |word: &str| why.strip_prefix(word).is_some_and(|reason| !reason.trim().is_empty());
        let judgement = if reason("equivalent:") {
            Judgement::Equivalent
        } else if reason("no model:") {
            Judgement::NoModel
        } else {
            bail!("{}", wrong())
        };
        rows.push(Explanation {
            file: text(file)?,
            function: text(function)?,
            operator: operator.clone(),
            part: text(part)?,
            judgement,
            why: why.clone(),
            at,
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "| file | function | operator | part of the change | why it survives |\n|---|---|---|---|---|\n";

    #[test]
    fn a_row_says_which_mutant_and_why_it_survives() {
        let text = format!(
            "{HEAD}| `src/a.rs` | `A::f` | negated | `x \\| y` | equivalent: the same |\n\
             | `src/a.rs` | `g` | exchanged | `a();` | no model: of two CPUs |\n"
        );
        let rows = parse(&text).unwrap();
        assert_eq!((rows[0].part.as_str(), rows[0].judgement), ("x | y", Judgement::Equivalent));
        assert_eq!((rows[1].function.as_str(), rows[1].judgement), ("g", Judgement::NoModel));
        assert_eq!(rows[1].why, "no model: of two CPUs");
    }

    #[test]
    fn a_row_that_says_too_little_is_an_error() {
        for row in [
            "| `src/a.rs` | `f` | negated | `x` |",
            "| `src/a.rs` | `f` | negated | `x` | it is the same |",
            "| `src/a.rs` | `f` | negated | `x` | equivalent: |",
            "| `src/a.rs` | f | negated | `x` | equivalent: yes |",
        ] {
            let error = parse(&format!("{HEAD}{row}\n")).unwrap_err().to_string();
            assert!(error.contains("TEETH.md:3"), "{row}: {error}");
        }
        assert!(parse("# Nothing\n").is_err());
    }
}
