//! A measurement, told to a person or to a program.

use std::fmt::Write as _;

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::{BAR, Coverage, FileLines};

impl Coverage {
    /// A line per file, the total, every line that was not reached, and every problem.
    pub fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["file", "lines", "covered", "percent"]);
        for file in &self.files {
            table.add_row(cells(&file.file, file));
        }
        table.add_row(cells("total", &self.total));
        let mut text = format!("{table}\n");
        for line in &self.uncovered {
            let why = line.why.as_deref().unwrap_or("NOT EXPLAINED");
            let _ = writeln!(text, "{}:{}: {}  ({why})", line.file, line.line, line.text);
        }
        for problem in &self.problems {
            let _ = writeln!(text, "problem: {problem}");
        }
        text
    }

    /// One line.
    pub fn summary(&self) -> String {
        let FileLines { lines, covered, percent, .. } = &self.total;
        format!("{percent:.2} % of mmu386, {covered} of {lines} lines")
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "schema": 1,
            "pass": self.passed(),
            "bar": BAR,
            "total": self.total,
            "files": self.files,
            "uncovered": self.uncovered,
            "problems": self.problems,
        })
    }
}

fn cells(name: &str, counted: &FileLines) -> [String; 4] {
    [
        name.to_owned(),
        counted.lines.to_string(),
        counted.covered.to_string(),
        format!("{:.2}", counted.percent),
    ]
}
