//! Mutants and their fates, told to a person or to a program.

use std::fmt::Write as _;

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::{Fate, Finding, InMode, Outcome, Teeth};

/// Characters of a change that the table shows; teeth.json has all of it.
const SHOWN: usize = 90;

impl Teeth {
    /// A line per mutant that was run, the command for each that survives, and every problem.
    pub fn text(&self) -> String {
        let modes = self.modes();
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        let mut header =
            ["id", "where", "function", "operator", "change"].map(str::to_owned).to_vec();
        header.extend(modes.iter().map(|(engine, mode)| format!("{engine} {mode}")));
        header.push("fate".to_owned());
        table.set_header(header);
        let run = |finding: &&Finding| finding.is_open() || finding.fate == Fate::Killed;
        for finding in self.findings.iter().filter(run) {
            let mut line = vec![
                finding.id.to_string(),
                format!("{}:{}", finding.file, finding.line),
                finding.function.clone(),
                finding.operator.clone(),
                shortened(&finding.change()),
            ];
            for (engine, mode) in &modes {
                let said = finding.modes.iter().find(|it| (&it.engine, &it.mode) == (engine, mode));
                line.push(said.map_or("-".to_owned(), cell));
            }
            line.push(finding.fate.word().to_owned());
            table.add_row(line);
        }
        let mut text = format!("{table}\n");
        for finding in self.findings.iter().filter(|finding| finding.is_open()) {
            let why = finding.why.as_deref().unwrap_or("NOT EXPLAINED");
            let _ = writeln!(
                text,
                "{} {}:{} {}: {} ({why})\n    {}\n    run it alone: {}",
                finding.fate.word(),
                finding.file,
                finding.line,
                finding.function,
                finding.operator,
                finding.change(),
                finding.command
            );
        }
        let no_rust = |finding: &&Finding| finding.fate == Fate::DoesNotCompile;
        for finding in self.findings.iter().filter(no_rust) {
            let _ = writeln!(text, "{}", line(finding));
        }
        for problem in &self.problems {
            let _ = writeln!(text, "problem: {problem}");
        }
        text
    }

    /// One line.
    pub fn summary(&self) -> String {
        let counts = self.counts();
        let fates: Vec<String> =
            counts.iter().map(|(fate, number)| format!("{number} {}", fate.word())).collect();
        let modes: Vec<String> = self
            .modes()
            .iter()
            .map(|(engine, mode)| format!("{engine} {mode} kills {}", self.kills(engine, mode)))
            .collect();
        format!("{} mutants: {}; {}", self.findings.len(), fates.join(", "), modes.join(", "))
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let modes: Vec<Value> = self
            .modes()
            .iter()
            .map(|(engine, mode)| {
                json!({ "engine": engine, "mode": mode, "kills": self.kills(engine, mode) })
            })
            .collect();
        let counts: Value =
            self.counts().iter().map(|(fate, number)| (fate.word(), *number)).collect();
        json!({
            "schema": 1,
            "pass": self.passed(),
            "counts": counts,
            "modes": modes,
            "problems": self.problems,
            "mutants": self.findings,
        })
    }

    /// The engines' modes that said anything.
    fn modes(&self) -> Vec<(String, String)> {
        let mut modes: Vec<(String, String)> = Vec::new();
        for said in self.findings.iter().flat_map(|finding| &finding.modes) {
            let mode = (said.engine.clone(), said.mode.clone());
            if !modes.contains(&mode) {
                modes.push(mode);
            }
        }
        modes
    }

    /// How many mutants a mode kills.
    fn kills(&self, engine: &str, mode: &str) -> usize {
        let killed = |said: &InMode| {
            said.engine == engine
                && said.mode == mode
                && matches!(said.outcome, Outcome::Killed { .. })
        };
        self.findings.iter().filter(|finding| finding.modes.iter().any(killed)).count()
    }
}

/// What a mode says of a mutant.
fn cell(said: &InMode) -> String {
    let model = said.model.as_deref().unwrap_or_default();
    match &said.outcome {
        Outcome::Killed { property, .. } => format!("{property} {model}"),
        Outcome::NotDecided { .. } => format!("not decided: {model}"),
        Outcome::Holds if said.reaching == 0 => "no model comes there".to_owned(),
        Outcome::Holds => format!("{} models hold", said.reaching),
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let start: String = text.chars().take(SHOWN).collect();
    format!("{start} ...")
}

/// A mutant and its fate on one line.
pub fn line(finding: &Finding) -> String {
    let said: Vec<String> = finding
        .modes
        .iter()
        .map(|said| format!("{}: {}, {:.1} s", said.mode, cell(said), said.seconds))
        .collect();
    let said = if said.is_empty() { finding.change() } else { said.join("; ") };
    format!(
        "{:<11} {} {}:{} {}: {}; {said}",
        finding.fate.word(),
        finding.id,
        finding.file,
        finding.line,
        finding.function,
        finding.operator
    )
}
