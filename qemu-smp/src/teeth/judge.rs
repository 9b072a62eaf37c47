//! The judgement: every mutant is killed, or it is written down why none can be.

use std::collections::BTreeMap;

use super::{Explanation, FILE, Fate, Finding, Judgement};

/// All mutants and what is to be said of them.
#[derive(Debug, Clone)]
pub struct Teeth {
    /// The mutants, in the order of the source.
    pub findings: Vec<Finding>,
    /// What keeps this from being a pass.
    pub problems: Vec<String>,
}

impl Teeth {
    /// Whether everything that was to be run is killed or explained.
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }

    /// How many mutants met each fate.
    pub fn counts(&self) -> BTreeMap<Fate, usize> {
        let mut counts = BTreeMap::new();
        for finding in &self.findings {
            *counts.entry(finding.fate).or_default() += 1;
        }
        counts
    }
}

/// Judges the findings. `wanted` tells which mutants were to be run.
pub fn judge(
    mut findings: Vec<Finding>,
    rows: &[Explanation],
    wanted: impl Fn(&Finding) -> bool,
) -> Teeth {
    let mut problems = Vec::new();
    let left_over = explain(&mut findings, rows);
    let count = |is: &dyn Fn(&Finding) -> bool| {
        findings.iter().filter(|finding| wanted(finding) && is(finding)).count()
    };
    let killed = count(&|finding| finding.fate == Fate::Killed);
    let tried = count(&|finding| !matches!(finding.fate, Fate::NotRun));
    if tried == 0 {
        problems.push("no mutant was run: that proves nothing".to_owned());
    } else if killed == 0 && tried == findings.len() {
        problems.push("no mutant was killed: that proves nothing".to_owned());
    }
    // What is equivalent has that for its fate by now; any other row wants a model.
    let survives = |explained: bool| {
        count(&|finding| finding.fate == Fate::Survives && finding.why.is_some() == explained)
    };
    for (number, problem) in [
        (survives(false), format!("survive and are not explained in {FILE}")),
        (survives(true), format!("survive for want of a model, says {FILE}")),
        (
            count(&|finding| finding.fate == Fate::NotDecided),
            "are not decided: give models more time with --max-seconds".to_owned(),
        ),
        (count(&|finding| finding.fate == Fate::NotRun), "were not run".to_owned()),
    ] {
        if number > 0 {
            problems.push(format!("{number} mutants {problem}"));
        }
    }
    for row in left_over {
        // A mutant that was not run may be the one.
        if !findings.iter().any(|finding| finding.fate == Fate::NotRun && row.is_about(finding)) {
            problems.push(format!(
                "{FILE}:{} is stale: {} `{}` in {} of {} is killed, is not there, or has a row already",
                row.at, row.operator, row.part, row.function, row.file
            ));
        }
    }
    Teeth { findings, problems }
}

/// Gives each survivor its row. A row explains one mutant; rows that could be about few choose first.
/// Returns those that are left over.
fn explain<'a>(findings: &mut [Finding], rows: &'a [Explanation]) -> Vec<&'a Explanation> {
    let meant = |row: &Explanation, findings: &[Finding]| -> Vec<usize> {
        (0..findings.len())
            .filter(|&at| findings[at].is_open() && row.is_about(&findings[at]))
            .collect()
    };
    let mut order: Vec<(Vec<usize>, &Explanation)> =
        rows.iter().map(|row| (meant(row, findings), row)).collect();
    order.sort_by_key(|(meant, row)| (meant.len(), row.at));
    let mut left_over = Vec::new();
    for (meant, row) in order {
        match meant.into_iter().find(|&at| findings[at].why.is_none()) {
            Some(at) => {
                findings[at].why = Some(row.why.clone());
                if row.judgement == Judgement::Equivalent {
                    findings[at].fate = Fate::Equivalent;
                }
            }
            None => left_over.push(row),
        }
    }
    left_over.sort_by_key(|row| row.at);
    left_over
}
