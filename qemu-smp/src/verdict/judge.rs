//! The judgement: whether the rows are what the project claims. Whatever is missing, cut or without
//! an answer counts against it.

use super::{Expected, REQUIRED, Row, Verdict, hazard_property, same_hazard};
use crate::variants::{FIXED, SEED, UPSTREAM};

/// A row that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// `loom` or `qemu`.
    pub engine: String,
    /// Mode of the engine.
    pub mode: String,
    /// Model.
    pub model: String,
    /// Variant.
    pub variant: String,
}

impl Planned {
    /// Whether a row is the one that was planned.
    pub fn is(&self, row: &Row) -> bool {
        (row.engine.as_str(), row.mode.as_str(), row.model.as_str(), row.variant.as_str())
            == (
                self.engine.as_str(),
                self.mode.as_str(),
                self.model.as_str(),
                self.variant.as_str(),
            )
    }

    /// Its name in messages.
    pub fn name(&self) -> String {
        format!("{} on {} ({} {})", self.model, self.variant, self.engine, self.mode)
    }
}

/// Everything that is wrong with the rows; empty for a true pass.
pub fn judge(plan: &[Planned], rows: &[Row]) -> Vec<String> {
    let mut wrong = Vec::new();
    if plan.is_empty() {
        wrong.push("nothing was planned: an empty suite proves nothing".to_owned());
    }
    for planned in plan {
        match rows.iter().filter(|row| planned.is(row)).count() {
            0 => wrong.push(format!("{}: there is no row", planned.name())),
            1 => (),
            count => wrong.push(format!("{}: there are {count} rows", planned.name())),
        }
    }
    for row in rows {
        wrong.extend(judge_row(row));
    }
    for (engine, mode, hazard) in REQUIRED {
        let found = |row: &&Row| {
            row.engine == *engine
                && row.mode == *mode
                && row.variant == SEED
                && same_hazard(&row.hazard, hazard)
                && row.verdict == Verdict::Broken
        };
        if !rows.iter().any(|row| found(&row)) {
            wrong.push(format!("{hazard} must be found on {SEED} by {engine} {mode}, and was not"));
        }
    }
    wrong
}

fn judge_row(row: &Row) -> Option<String> {
    let name =
        format!("{} {} on {} ({})", row.model, row.property, row.variant, row.engine_and_mode());
    let why = row.reason.as_deref().map_or(String::new(), |reason| format!(": {reason}"));
    if !row.hazard.is_empty() && hazard_property(&row.hazard).is_none() {
        return Some(format!("{name}: nobody knows what `{}` is, which was found", row.hazard));
    }
    match (row.verdict, &row.expected) {
        // mmu.c in a mode that claims nothing, where loom itself may give up: the row says so.
        (Verdict::Inconclusive, Expected::Either)
            if [SEED, UPSTREAM].contains(&row.variant.as_str()) =>
        {
            None
        }
        (Verdict::Cut | Verdict::Inconclusive, _) => {
            Some(format!("{name}: {}{why}", row.verdict.word()))
        }
        (Verdict::Broken, _) if row.variant == FIXED => Some(format!("{name}: broken{why}")),
        (Verdict::Holds, Expected::Broken) => {
            Some(format!("{name}: holds, where a finding is expected"))
        }
        (Verdict::Broken, Expected::Holds) => {
            Some(format!("{name}: broken, where it should hold{why}"))
        }
        (verdict, Expected::Other(word)) => {
            Some(format!("{name}: {}, where it should be {word}", verdict.word()))
        }
        (Verdict::Broken, _) if row.counterexample.is_none() => {
            Some(format!("{name}: broken without a counterexample"))
        }
        _ if row.executions == 0 => Some(format!("{name}: 0 executions prove nothing")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::super::Counterexample;
    use super::*;

    fn row(engine: &str, mode: &str, hazard: &str, variant: &str) -> Row {
        let broken = variant == SEED;
        Row {
            id: String::new(),
            property: "V1".to_owned(),
            hazard: hazard.to_owned(),
            variant: variant.to_owned(),
            engine: engine.to_owned(),
            mode: mode.to_owned(),
            model: format!("model-{hazard}"),
            cpus: 2,
            preemption_bound: None,
            exhaustive: true,
            executions: 9,
            seconds: 0.1,
            verdict: if broken { Verdict::Broken } else { Verdict::Holds },
            expected: if broken { Expected::Broken } else { Expected::Holds },
            counterexample: broken.then(Counterexample::default),
            reason: None,
            replay: String::new(),
            more: Map::new(),
        }
    }

    fn good() -> (Vec<Planned>, Vec<Row>) {
        let pairs = REQUIRED
            .iter()
            .flat_map(|(engine, mode, hazard)| [SEED, FIXED].map(|v| row(engine, mode, hazard, v)));
        let rows: Vec<Row> = pairs.collect();
        let planned = |row: &Row| Planned {
            engine: row.engine.clone(),
            mode: row.mode.clone(),
            model: row.model.clone(),
            variant: row.variant.clone(),
        };
        (rows.iter().map(planned).collect(), rows)
    }

    /// The complaints after one row was spoilt.
    fn spoilt(index: usize, spoil: impl Fn(&mut Row)) -> Vec<String> {
        let (plan, mut rows) = good();
        spoil(&mut rows[index]);
        judge(&plan, &rows)
    }

    #[test]
    fn the_claim_itself_passes() {
        let (plan, rows) = good();
        assert_eq!(judge(&plan, &rows), Vec::<String>::new());
    }

    #[test]
    fn seed_that_passes_where_a_finding_is_expected_fails() {
        assert!(spoilt(0, |row| row.verdict = Verdict::Holds)[0].contains("finding is expected"));
    }

    #[test]
    fn a_finding_whose_name_nobody_knows_is_no_finding_of_anything() {
        let complaints = spoilt(0, |row| row.hazard = "heaps".to_owned());
        assert!(complaints.iter().any(|one| one.contains("nobody knows what `heaps` is")));
        for known in ["heap", "ring3", "v3"] {
            let complaints = spoilt(0, |row| row.hazard = known.to_owned());
            assert!(complaints.iter().all(|one| one.contains("must be found")), "{complaints:?}");
        }
    }

    #[test]
    fn fixed_that_does_not_hold_fails_whatever_was_expected() {
        for verdict in [Verdict::Broken, Verdict::Cut, Verdict::Inconclusive] {
            assert_eq!(spoilt(1, |row| row.verdict = verdict).len(), 1, "{verdict:?}");
        }
        let wrong =
            spoilt(1, |row| (row.verdict, row.expected) = (Verdict::Broken, Expected::Broken));
        assert_eq!(wrong.len(), 1);
    }

    #[test]
    fn a_cut_is_never_a_pass() {
        // The required finding is gone with it.
        assert_eq!(spoilt(0, |row| row.verdict = Verdict::Cut).len(), 2);
    }

    #[test]
    fn a_missing_row_and_a_double_row_fail() {
        let (plan, mut rows) = good();
        let last = rows.pop().unwrap();
        assert!(judge(&plan, &rows)[0].contains("there is no row"));
        rows.extend([last.clone(), last]);
        assert!(judge(&plan, &rows)[0].contains("2 rows"));
    }

    #[test]
    fn a_required_finding_cannot_be_planned_away() {
        let (mut plan, mut rows) = good();
        plan.retain(|planned| planned.model != "model-B1");
        rows.retain(|row| row.hazard != "B1");
        let by = ["loom rmw", "explorer tso"];
        let missed = by.map(|who| format!("B1 must be found on seed by {who}, and was not"));
        assert_eq!(judge(&plan, &rows), missed);
        assert!(!judge(&[], &[]).is_empty());
    }

    #[test]
    fn a_required_finding_as_written_does_not_count() {
        let (mut plan, mut rows) = good();
        for index in [0, 1] {
            plan[index].mode = "as-written".to_owned();
            rows[index].mode = "as-written".to_owned();
        }
        assert_eq!(judge(&plan, &rows), ["A1 must be found on seed by loom rmw, and was not"]);
    }

    #[test]
    fn where_nothing_is_claimed_an_answer_is_still_needed() {
        assert!(spoilt(0, |row| row.expected = Expected::Either).is_empty());
        assert_eq!(
            spoilt(1, |row| (row.verdict, row.expected) = (Verdict::Broken, Expected::Either))
                .len(),
            1
        );
        assert_eq!(
            spoilt(1, |row| (row.verdict, row.expected) = (Verdict::Cut, Expected::Either)).len(),
            1
        );
        let gave_up = (Verdict::Inconclusive, Expected::Either);
        // Not a complaint of its own, but no finding either; and never good enough for Fixed.
        assert_eq!(spoilt(0, |row| (row.verdict, row.expected) = gave_up.clone()).len(), 1);
        assert_eq!(spoilt(1, |row| (row.verdict, row.expected) = gave_up.clone()).len(), 1);
        let otherwise = Expected::Other("broken as V1: stale".to_owned());
        assert_eq!(spoilt(0, |row| row.expected = otherwise.clone()).len(), 1);
    }

    #[test]
    fn upstream_is_held_to_what_the_model_says_of_it() {
        let complaints = |verdict: Verdict, expected: Expected| {
            let (mut plan, mut rows) = good();
            let mut row = row("loom", "rmw", "A4", UPSTREAM);
            (row.verdict, row.expected) = (verdict, expected);
            row.counterexample = (verdict == Verdict::Broken).then(Counterexample::default);
            plan.push(Planned { variant: UPSTREAM.to_owned(), ..plan[0].clone() });
            plan.last_mut().unwrap().model = row.model.clone();
            rows.push(row);
            judge(&plan, &rows).len()
        };
        let answers = [Verdict::Holds, Verdict::Broken, Verdict::Inconclusive, Verdict::Cut];
        assert_eq!(answers.map(|verdict| complaints(verdict, Expected::Holds)), [0, 1, 1, 1]);
        assert_eq!(answers.map(|verdict| complaints(verdict, Expected::Broken)), [1, 0, 1, 1]);
        assert_eq!(answers.map(|verdict| complaints(verdict, Expected::Either)), [0, 0, 0, 1]);
    }

    #[test]
    fn an_empty_model_and_a_finding_without_evidence_fail() {
        assert!(spoilt(1, |row| row.executions = 0)[0].contains("0 executions"));
        assert!(spoilt(0, |row| row.counterexample = None)[0].contains("without a counterexample"));
    }
}
