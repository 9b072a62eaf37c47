//! A counterexample as swimlanes: one column per CPU, one row per step, time downwards.

use maud::{Markup, html};

use crate::verdict::{Counterexample, Row, hazard_name};

/// One finding, with what is needed to see it again.
pub(super) fn finding(row: &Row, counterexample: &Counterexample) -> Markup {
    let name = hazard_name(&row.hazard).unwrap_or("not in the ledger");
    html! {
        article.finding {
            h3 { (row.hazard) " " (name) ": " (row.model) " on " (row.variant) " (" (row.engine_and_mode()) ")" }
            p { (counterexample.summary) }
            @if !counterexample.property.is_empty() {
                p.muted { "Breaks " (counterexample.property) "." }
            }
            @if !counterexample.steps.is_empty() { (lanes(counterexample)) }
            @if !counterexample.end.is_empty() {
                p { "In the end:" }
                ul { @for line in &counterexample.end { li { code { (line) } } } }
            }
            p { "Again: " code { (row.replay) } }
        }
    }
}

fn lanes(counterexample: &Counterexample) -> Markup {
    let cpus = counterexample.steps.iter().map(|step| step.cpu).max().unwrap_or(0) + 1;
    html! {
        div.scroll {
            table.lanes {
                thead { tr {
                    th { "step" }
                    @for cpu in 0..cpus { th { "CPU " (cpu) } }
                } }
                tbody { @for step in &counterexample.steps { tr {
                    td.number { (step.step) }
                    @for cpu in 0..cpus {
                        @if cpu == step.cpu {
                            td.act {
                                span.op { (step.op) } " " code { (step.target) }
                                @if !step.value.is_empty() { " = " code { (step.value) } }
                                @if !step.note.is_empty() { div.note { (step.note) } }
                            }
                        } @else {
                            td.wait {}
                        }
                    }
                } } }
            }
        }
    }
}
