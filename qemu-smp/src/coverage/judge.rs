//! The judgement: enough lines reached, and a reason for every other one.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Counts, Explanation, FILE, Source};

/// Least share of lines that host tests have to reach, in percent.
pub const BAR: usize = 95;

/// What was counted of one file, or of all.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct FileLines {
    /// The file, from the top of the tree; empty for the total.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Lines that can run, without those of tests.
    pub lines: usize,
    /// Those that did.
    pub covered: usize,
    /// Their share, rounded down to hundredths.
    pub percent: f64,
}

impl FileLines {
    fn new(file: &str, lines: usize, covered: usize) -> Self {
        let percent = (covered * 10_000 / lines.max(1)) as f64 / 100.0;
        Self { file: file.to_owned(), lines, covered, percent }
    }
}

/// A line that no host test reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Uncovered {
    /// The file, from the top of the tree.
    pub file: String,
    /// The line's number.
    pub line: usize,
    /// Its text.
    pub text: String,
    /// Why, as COVERAGE.md says.
    pub why: Option<String>,
}

/// A measurement and what is to be said of it.
#[derive(Debug, Clone, Serialize)]
pub struct Coverage {
    /// All files together.
    pub total: FileLines,
    /// Each file.
    pub files: Vec<FileLines>,
    /// Every line that was not reached.
    pub uncovered: Vec<Uncovered>,
    /// What keeps this from being a pass.
    pub problems: Vec<String>,
}

impl Coverage {
    /// Whether enough was reached and the rest is explained.
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Judges the counts of `sources`; both are keyed by the file's path from the top of the tree.
pub fn judge(
    sources: &BTreeMap<String, Source>,
    counts: &Counts,
    explanations: &[Explanation],
) -> Coverage {
    let nothing = BTreeMap::new();
    let (mut files, mut uncovered, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for (file, source) in sources {
        let counts = counts.get(file).unwrap_or(&nothing);
        let counted = || counts.iter().filter(|(line, _)| !source.is_test(**line));
        let lines = counted().count();
        if lines == 0 {
            if source.runs {
                problems.push(format!("{file} has functions, but nothing of it was measured"));
            }
            continue;
        }
        let reached = counted().filter(|(_, count)| **count > 0).count();
        files.push(FileLines::new(file, lines, reached));
        let mut follows = false;
        for (&line, &count) in counted() {
            if count == 0 {
                let text = source.line(line).to_owned();
                let found = Uncovered { file: file.clone(), line, text, why: None };
                uncovered.push(Open { found, follows });
            }
            follows = count == 0;
        }
    }
    problems.extend(explain(&mut uncovered, explanations));
    let uncovered: Vec<Uncovered> = uncovered.into_iter().map(|open| open.found).collect();
    let bare = uncovered.iter().filter(|line| line.why.is_none()).count();
    if bare > 0 {
        problems
            .push(format!("{bare} lines that no host test reaches are not explained in {FILE}"));
    }
    let sum = |of: fn(&FileLines) -> usize| files.iter().map(of).sum();
    let total = FileLines::new("", sum(|file| file.lines), sum(|file| file.covered));
    if total.lines == 0 {
        problems.push("no line was measured: that proves nothing".to_owned());
    } else if total.covered * 100 < total.lines * BAR {
        problems.push(format!("{:.2} % of the lines are less than {BAR} %", total.percent));
    }
    Coverage { total, files, uncovered, problems }
}

/// A line that still needs its explanation.
struct Open {
    found: Uncovered,
    /// Whether the line that is counted before it was not reached either.
    follows: bool,
}

impl Open {
    /// Whether a row is about it. Brackets alone are in too many lines to be a part of one.
    fn is_meant(&self, row: &Explanation) -> bool {
        let named = if words(&row.part) {
            self.found.text.contains(&row.part)
        } else {
            self.found.text == row.part
        };
        self.found.file == row.file && named && !self.is_rest()
    }

    /// Whether it is only the brackets that close what was not reached: these take the explanation of
    /// the line before them.
    fn is_rest(&self) -> bool {
        self.follows && !words(&self.found.text)
    }
}

fn words(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// Gives each line its row. A row explains one line; rows that could be about few lines choose first.
/// Returns a problem for each row that is left over.
fn explain(lines: &mut [Open], rows: &[Explanation]) -> Vec<String> {
    let meant = |row: &Explanation, lines: &[Open]| -> Vec<usize> {
        (0..lines.len()).filter(|&at| lines[at].is_meant(row)).collect()
    };
    let mut order: Vec<(Vec<usize>, &Explanation)> =
        rows.iter().map(|row| (meant(row, lines), row)).collect();
    order.sort_by_key(|(meant, row)| (meant.len(), row.at));
    let mut stale = Vec::new();
    for (meant, row) in order {
        match meant.into_iter().find(|&at| lines[at].found.why.is_none()) {
            Some(at) => lines[at].found.why = Some(row.why.clone()),
            None => stale.push(row),
        }
    }
    for at in 1..lines.len() {
        if lines[at].is_rest() {
            lines[at].found.why = lines[at - 1].found.why.clone();
        }
    }
    stale.sort_by_key(|row| row.at);
    let left_over = |row: &Explanation| {
        format!(
            "{FILE}:{} is stale: `{}` in {} is reached, is not there, or has a row already",
            row.at, row.part, row.file
        )
    };
    stale.into_iter().map(left_over).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of `reached` lines that were reached, `others` that were not, and a test module.
    fn judged(reached: usize, others: &[&str], rows: &[(&str, &str)]) -> Coverage {
        let mut lines = vec!["let a = 1;".to_owned(); reached];
        lines.extend(others.iter().map(|&line| line.to_owned()));
        // Lines of tests, none of which was reached either.
        let tests = lines.len() + 1..=lines.len() + 3;
        let counts = (1..=*tests.end()).map(|line| (line, u64::from(line <= reached)));
        let counts = Counts::from([("src/a.rs".to_owned(), counts.collect())]);
        let source = Source { lines, tests: vec![tests], runs: true };
        judge(&BTreeMap::from([("src/a.rs".to_owned(), source)]), &counts, &explanations(rows))
    }

    fn explanations(rows: &[(&str, &str)]) -> Vec<Explanation> {
        let row = |((file, part), at): (&(&str, &str), usize)| Explanation {
            file: (*file).to_owned(),
            part: (*part).to_owned(),
            why: format!("reason {at}"),
            at,
        };
        rows.iter().zip(1..).map(row).collect()
    }

    fn whys(coverage: &Coverage) -> Vec<Option<&str>> {
        coverage.uncovered.iter().map(|line| line.why.as_deref()).collect()
    }

    #[test]
    fn all_reached_and_the_rest_explained_is_a_pass() {
        let coverage = judged(99, &["panic!(\"no memory\");"], &[("src/a.rs", "no memory")]);
        assert!(coverage.passed(), "{:?}", coverage.problems);
        assert_eq!(coverage.total, FileLines { percent: 99.0, ..FileLines::new("", 100, 99) });
        assert_eq!(coverage.uncovered[0].line, 100);
        assert_eq!(coverage.uncovered[0].text, "panic!(\"no memory\");");
        assert!(judged(3, &[], &[]).passed());
    }

    #[test]
    fn under_95_percent_fails_however_well_it_is_explained() {
        let lines = ["a();", "b();", "c();", "d();", "e();"];
        let rows = lines.map(|line| ("src/a.rs", line));
        assert!(judged(95, &lines, &rows).passed());
        let coverage = judged(94, &lines, &rows);
        assert_eq!(coverage.problems, ["94.94 % of the lines are less than 95 %"]);
        // 94.996 % do not become 95.00.
        let coverage = FileLines::new("", 100_000, 94_996);
        assert_eq!(coverage.percent, 94.99);
    }

    #[test]
    fn a_line_without_explanation_fails() {
        let coverage = judged(99, &["a();"], &[]);
        assert_eq!(whys(&coverage), [None]);
        assert!(coverage.problems[0].contains("1 lines") && coverage.problems.len() == 1);
        assert_eq!(judged(99, &["a();"], &[("src/b.rs", "a();")]).problems.len(), 2, "wrong file");
    }

    #[test]
    fn an_explanation_of_nothing_is_stale() {
        for part in ["gone", "let a = 1;"] {
            let coverage = judged(99, &["a();"], &[("src/a.rs", "a()"), ("src/a.rs", part)]);
            let [problem] = &coverage.problems[..] else { panic!("{:?}", coverage.problems) };
            assert!(problem.contains("COVERAGE.md:2 is stale"), "{problem}");
        }
    }

    #[test]
    fn one_row_explains_one_line_and_the_precise_row_goes_first() {
        let lines = ["return None;", "return None;", "return None; // third"];
        let all = ("src/a.rs", "None");
        assert_eq!(
            whys(&judged(99, &lines, &[all, all])),
            [Some("reason 1"), Some("reason 2"), None]
        );
        let coverage =
            judged(99, &lines[1..], &[all, ("src/a.rs", "None;"), ("src/a.rs", "third")]);
        assert_eq!(whys(&coverage), [Some("reason 1"), Some("reason 3")]);
        assert!(coverage.problems[0].contains("COVERAGE.md:2"), "{:?}", coverage.problems);
    }

    #[test]
    fn closing_brackets_go_with_the_line_before_them() {
        let coverage = judged(99, &["a(", ");", "}"], &[("src/a.rs", "a(")]);
        assert_eq!(whys(&coverage), [Some("reason 1"); 3]);
        assert!(coverage.passed(), "{:?}", coverage.problems);
        assert_eq!(whys(&judged(99, &["a(", ");"], &[])), [None, None]);
    }

    #[test]
    fn brackets_explain_nothing_but_brackets_that_stand_alone() {
        let row = [("src/a.rs", "}")];
        assert_eq!(whys(&judged(99, &["if b { c }"], &row)), [None]);
        assert_eq!(whys(&judged(99, &["}"], &row)), [Some("reason 1")]);
        assert_eq!(whys(&judged(99, &["a();", "}"], &row)), [None, None]);
    }

    #[test]
    fn tests_are_not_counted() {
        let coverage = judged(10, &[], &[]);
        assert_eq!((coverage.total.lines, coverage.uncovered.len()), (10, 0));
    }

    #[test]
    fn what_was_not_measured_at_all_fails() {
        let sources =
            |text: &str| BTreeMap::from([("src/a.rs".to_owned(), Source::parse(text).unwrap())]);
        let coverage = judge(&sources("fn f() {}"), &Counts::new(), &[]);
        assert_eq!(coverage.problems.len(), 2, "{:?}", coverage.problems);
        assert!(coverage.problems[0].starts_with("src/a.rs has functions"));
        let coverage = judge(&sources("const A: u32 = 1;"), &Counts::new(), &[]);
        assert_eq!(coverage.problems, ["no line was measured: that proves nothing"]);
    }
}
