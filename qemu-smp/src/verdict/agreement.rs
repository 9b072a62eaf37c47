//! Where the engines went through the same model on the same variant: whether they say the same, and
//! if not, why.

use serde::Serialize;

use super::{Row, Verdict};

/// The modes, by what they can see, and the place of each in [`Agreement::verdicts`].
const MODES: [&str; 4] = ["rmw", "sc", "as-written", "tso"];
const RMW: usize = 0;
const SC: usize = 1;
const AS_WRITTEN: usize = 2;
const TSO: usize = 3;

/// What the engines say of one model on one variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    /// The model.
    pub model: String,
    /// The variant.
    pub variant: String,
    /// Verdicts in the modes rmw, sc, as-written and tso.
    pub verdicts: [Option<Verdict>; 4],
    /// Why they differ; empty if they do not.
    pub because: Vec<&'static str>,
    /// What nobody can explain: a defect of an engine, or of the reasons above.
    pub unexplained: Vec<String>,
}

impl Agreement {
    /// Whether all say the same.
    pub fn agreed(&self) -> bool {
        self.because.is_empty() && self.unexplained.is_empty()
    }

    /// The verdicts in words, mode by mode.
    pub fn says(&self) -> String {
        let said = MODES.iter().zip(&self.verdicts);
        let words =
            said.filter_map(|(mode, verdict)| Some(format!("{mode} {}", (*verdict)?.word())));
        words.collect::<Vec<_>>().join(", ")
    }
}

/// All models and variants that more than one engine has answered for.
pub fn agreements(rows: &[Row]) -> Vec<Agreement> {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for row in rows.iter().filter(|row| row.engine != "qemu") {
        let pair = (row.model.as_str(), row.variant.as_str());
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    pairs.into_iter().filter_map(|(model, variant)| agreement(rows, model, variant)).collect()
}

fn agreement(rows: &[Row], model: &str, variant: &str) -> Option<Agreement> {
    let row = |mode: &str| {
        rows.iter().find(|row| {
            (row.model.as_str(), row.variant.as_str(), row.mode.as_str()) == (model, variant, mode)
        })
    };
    let found = MODES.map(row);
    let engines = [[RMW, AS_WRITTEN], [SC, TSO]];
    if !engines.iter().all(|modes| modes.iter().any(|&mode| found[mode].is_some())) {
        return None;
    }
    let broken = |mode: usize| found[mode].map(|row| row.verdict == Verdict::Broken);
    let holds = |mode: usize| found[mode].map(|row| row.verdict == Verdict::Holds);
    let bounded = |mode: usize| found[mode].is_some_and(|row| !row.exhaustive);
    let mut because = Vec::new();
    let mut unexplained = Vec::new();
    // Broken in the first, not in the second: why may that be?
    let mut compare = |first: usize, second: usize, why: Option<&'static str>| {
        if broken(first) != Some(true) || holds(second) != Some(true) {
            return;
        }
        match why {
            Some(why) => because.push(why),
            None if bounded(second) => because.push("the mode that holds has a bound"),
            None => {
                unexplained.push(format!("{} breaks, {} holds", MODES[first], MODES[second]));
            }
        }
    };
    compare(RMW, SC, None);
    compare(SC, RMW, None);
    // Every interleaving without store buffers is one with store buffers that drain at once.
    compare(SC, TSO, None);
    compare(RMW, TSO, None);
    let buffers = "it needs a store buffer";
    compare(TSO, SC, Some(buffers));
    if found[SC].is_none() {
        compare(TSO, RMW, Some(buffers));
    }
    compare(TSO, AS_WRITTEN, Some("loom drops executions over plain loads and stores"));
    compare(AS_WRITTEN, TSO, Some("C11 allows orders that x86 does not"));
    Some(Agreement {
        model: model.to_owned(),
        variant: variant.to_owned(),
        verdicts: found.map(|row| row.map(|row| row.verdict)),
        because,
        unexplained,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(mode: &str, verdict: Verdict, exhaustive: bool) -> Row {
        let engine = if ["sc", "tso"].contains(&mode) { "explorer" } else { "loom" };
        serde_json::from_value(serde_json::json!({
            "id": "x", "property": "V1", "variant": "seed", "engine": engine, "mode": mode, "model": "m",
            "cpus": 2, "executions": 1, "exhaustive": exhaustive, "verdict": verdict, "expected": "either",
        }))
        .unwrap()
    }

    fn of(verdicts: [(&str, Verdict); 4], exhaustive: bool) -> Agreement {
        let rows: Vec<Row> =
            verdicts.iter().map(|&(mode, verdict)| row(mode, verdict, exhaustive)).collect();
        agreements(&rows).remove(0)
    }

    #[test]
    fn the_same_everywhere_is_agreed() {
        for verdict in [Verdict::Holds, Verdict::Broken] {
            assert!(of(MODES.map(|mode| (mode, verdict)), true).agreed());
        }
        assert!(agreements(&[row("rmw", Verdict::Holds, true)]).is_empty(), "one engine alone");
    }

    #[test]
    fn what_only_store_buffers_show_is_explained() {
        use Verdict::{Broken, Holds};
        let said =
            of([("rmw", Holds), ("sc", Holds), ("as-written", Broken), ("tso", Broken)], true);
        assert_eq!(said.because, ["it needs a store buffer"]);
        assert!(said.unexplained.is_empty());
    }

    #[test]
    fn an_interleaving_that_one_engine_misses_is_not() {
        use Verdict::{Broken, Holds};
        let verdicts = [("rmw", Broken), ("sc", Holds), ("as-written", Holds), ("tso", Holds)];
        let said = of(verdicts, true);
        assert_eq!(said.unexplained, ["rmw breaks, sc holds", "rmw breaks, tso holds"]);
        assert!(of(verdicts, false).unexplained.is_empty(), "a bound explains it");
    }
}
