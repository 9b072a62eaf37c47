//! index.html: one file, no script, nothing fetched.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{BAR, Review, limits, timeline};
use crate::guest::nanoseconds;
use crate::verdict::{Row, columns, groups, hazard_name, notices, on_main_variant};

const STYLE: &str = include_str!("style.css");

/// The whole page.
pub(super) fn page(review: &Review) -> String {
    let problems = review.problems();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "mmu386 review" }
                style { (PreEscaped(STYLE)) }
            }
            body { main {
                h1 { "mmu386: what was shown, and what was not" }
                p.muted {
                    "Commit " code { (review.commit.as_deref().unwrap_or("unknown")) }
                    @if review.dirty { " with changes on top" }
                    ". The same as data: " code { "verdict.json" } ", beside this file."
                }
                (banner(&problems))
                (properties(&review.rows))
                (findings(&review.rows))
                (bench(review))
                (boots(review))
                (not_proven(&review.rows))
            } }
        }
    };
    page.into_string()
}

fn banner(problems: &[String]) -> Markup {
    if problems.is_empty() {
        return html! { div.banner.pass { strong { "Pass." }
        " Every expected finding shows on Seed, and Fixed holds everywhere, within the bounds below." } };
    }
    html! {
        div.banner.fail {
            strong { "No pass: " (problems.len()) " problems." }
            ul { @for problem in problems { li { (problem) } } }
        }
    }
}

fn properties(rows: &[Row]) -> Markup {
    let columns = columns(rows);
    html! {
        h2 { "Properties" }
        p { "Seed is mmu.c as found; Fixed is what the kernel should ship. A finding on Seed shows that the model can \
             see the bug; the same model then has to hold on Fixed. \
             Kills: what the model was seen to notice besides, as fixed-a1 for Fixed without that one repair, or \
             fixed+splhi-ignored for Fixed on a machine with that defect." }
        div.scroll { table {
            thead { tr {
                th { "Property" } th { "Hazard" } th { "Model" } th { "Engine" } th { "CPUs" }
                @for (_, title) in &columns { th { (title) } }
                th { "Kills" }
            } }
            tbody { @for (key, group) in groups(rows).iter().filter(|(key, _)| on_main_variant(key)) { tr {
                td { (key.property) }
                td { (key.hazard) @if let Some(name) = hazard_name(&key.hazard) { div.note { (name) } } }
                td { (key.model) }
                td { (key.engine_and_mode()) }
                td.number { (key.cpus) }
                @for (variant, _) in &columns { (cell(group.iter().copied().find(|row| row.variant == *variant))) }
                td.note { (notices(rows, key).join(", ")) }
            } } }
        } }
    }
}

fn cell(row: Option<&Row>) -> Markup {
    let Some(row) = row else { return html! { td.muted { "not run" } } };
    let unexpected = !row.expected();
    html! {
        td.unexpected[unexpected] {
            strong class=(row.verdict.word()) { (row.verdict.word()) }
            div.note {
                @match &row.reason {
                    Some(reason) => { (reason) }
                    None => {
                        (row.executions) @if row.engine == "qemu" { " boot, " } @else { " executions, " }
                        (format!("{:.1} s, ", row.seconds)) (row.bound())
                    }
                }
            }
        }
    }
}

fn findings(rows: &[Row]) -> Markup {
    let found: Vec<_> =
        rows.iter().filter_map(|row| row.counterexample.as_ref().map(|c| (row, c))).collect();
    html! {
        h2 { "Findings" }
        @if found.is_empty() { p { "None yet." } }
        @for (row, counterexample) in found { (timeline::finding(row, counterexample)) }
    }
}

fn bench(review: &Review) -> Markup {
    html! {
        h2 { "Time of vunmap" }
        p { "Medians from boots of this run, on a host with " (review.cores) " cores. With no more CPUs than cores \
             Fixed has to be more than " (BAR) " times faster; above that the host's scheduler dominates." }
        div.scroll { table {
            thead { tr { th { "What" } th { "CPUs" } th { "Seed" } th { "Fixed" } th { "Seed / Fixed" } th { "Bar" } } }
            tbody { @for one in review.comparisons() { tr {
                td { (one.name) }
                td.number { (one.smp) }
                td.number { (nanoseconds(one.seed_ns)) }
                td.number { (nanoseconds(one.fixed_ns)) }
                td.number { (format!("{:.1}", one.ratio)) }
                td {
                    @if !one.barred { span.muted { "none" } }
                    @else if one.good() { span.holds { "met" } }
                    @else { span.broken { "missed" } }
                }
            } } }
        } }
    }
}

fn boots(review: &Review) -> Markup {
    html! {
        h2 { "Boots" }
        ul { @for boot in &review.boots { li { (boot) } } }
    }
}

fn not_proven(rows: &[Row]) -> Markup {
    let open = limits::not_looked_for(rows);
    html! {
        h2 { "What is not proven" }
        ul {
            @if !open.is_empty() { li { "No row of this run looks for: " (open.join(", ")) "." } }
            @for limit in limits::LIMITS { li { (limit) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Counterexample, Step};

    fn row() -> Row {
        serde_json::from_value(serde_json::json!({
            "id": "x", "property": "V1", "hazard": "A4", "variant": "seed", "engine": "loom", "mode": "rmw",
            "model": "<script>", "cpus": 2, "executions": 3, "verdict": "broken", "expected": "broken",
        }))
        .unwrap()
    }

    #[test]
    fn what_models_say_is_escaped() {
        let text = properties(&[row()]).into_string();
        assert!(text.contains("&lt;script&gt;") && !text.contains("<script>"));
    }

    #[test]
    fn a_counterexample_becomes_lanes() {
        let steps = vec![Step {
            step: 1,
            cpu: 1,
            op: "store".into(),
            target: "pte".into(),
            ..Step::default()
        }];
        let mut row = row();
        row.counterexample = Some(Counterexample { steps, ..Counterexample::default() });
        let text = findings(&[row]).into_string();
        assert!(
            text.contains("CPU 0") && text.contains("CPU 1") && text.contains("lost request"),
            "{text}"
        );
    }

    #[test]
    fn the_style_fetches_nothing() {
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
