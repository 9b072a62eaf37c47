//! The one build that holds all mutants.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::Deserialize;
use teeth::workspace::Workspace;

use crate::models::{Models, overridden};
use crate::paths::Paths;
use crate::process::{Captured, capture, clean_cargo, command, tail};

/// How long a build may take.
const LIMIT: Duration = Duration::from_secs(900);
/// How often mutants that do not compile are taken out before it is given up.
const ROUNDS: usize = 20;

/// The models on a mmu386 that can be any mutant.
#[derive(Debug)]
pub struct Built {
    /// The models' program.
    pub models: Models,
    /// Mutants that do not compile.
    pub left_out: BTreeSet<usize>,
}

/// Builds the copy. What does not compile is found out, taken out and told, never lost.
pub fn build(
    paths: &Paths,
    workspace: &mut Workspace,
    mut look: impl FnMut(&str),
) -> Result<Built> {
    if let Some(program) = overridden() {
        return Ok(Built { models: Models::of(program), left_out: BTreeSet::new() });
    }
    let left_out = left_out(paths, workspace, &mut look)?;
    workspace.write(&left_out)?;
    let mut cargo = cargo(paths, workspace, "build");
    cargo.args(["--package", "loom-tests", "--bin", "models"]);
    cargo.arg("--message-format=json-render-diagnostics");
    let models = Models::built(paths, cargo, LIMIT, look)?;
    Ok(Built { models, left_out })
}

/// The mutants that do not compile: suspects are those that an error is about, and each suspect is
/// tried alone before it is left out.
fn left_out(
    paths: &Paths,
    workspace: &mut Workspace,
    look: &mut impl FnMut(&str),
) -> Result<BTreeSet<usize>> {
    let all: BTreeSet<usize> = workspace.mutants.iter().map(|mutant| mutant.id).collect();
    let mut suspects = BTreeSet::new();
    for _ in 0..ROUNDS {
        let found = check(paths, workspace, &suspects)?;
        if found.is_empty() {
            break;
        }
        look(&format!("{} mutants may not compile", suspects.len() + found.len()));
        suspects.extend(found);
    }
    let mut guilty = BTreeSet::new();
    for &suspect in &suspects {
        look(&format!("does mutant {suspect} compile?"));
        let others = all.iter().copied().filter(|&other| other != suspect).collect();
        if !check(paths, workspace, &others)?.is_empty() {
            guilty.insert(suspect);
        }
    }
    // Two that compile alone might not do so together.
    let found = check(paths, workspace, &guilty)?;
    if !found.is_empty() {
        bail!("mutants {found:?} compile alone and not together with the others");
    }
    Ok(guilty)
}

/// Compiles the copy without some mutants. Returns those that errors are about.
fn check(
    paths: &Paths,
    workspace: &mut Workspace,
    out: &BTreeSet<usize>,
) -> Result<BTreeSet<usize>> {
    workspace.write(out)?;
    let mut cargo = cargo(paths, workspace, "check");
    cargo.args(["--package", "mmu386", "--message-format=json"]);
    let said = capture(cargo, LIMIT, |_| ())?;
    if said.success() {
        return Ok(BTreeSet::new());
    }
    let found = culprits(&said, workspace)?;
    if found.is_subset(out) {
        bail!("the copy with the mutants does not compile:\n{}", tail(&said.stderr, 40));
    }
    Ok(found)
}

fn cargo(paths: &Paths, workspace: &Workspace, what: &str) -> Command {
    let mut cargo = command(paths, "cargo");
    cargo.args([what, "--offline", "--manifest-path"]).arg(workspace.manifest_path());
    cargo.arg("--target-dir").arg(paths.teeth_target());
    clean_cargo(&mut cargo, false);
    cargo
}

#[derive(Deserialize)]
struct Message {
    message: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    byte_start: usize,
    byte_end: usize,
    is_primary: bool,
}

/// The mutants that the compiler's errors are about.
fn culprits(said: &Captured, workspace: &Workspace) -> Result<BTreeSet<usize>> {
    let mut found = BTreeSet::new();
    for line in said.stdout.lines() {
        let Ok(Message { message: Some(error) }) = serde_json::from_str(line) else { continue };
        if error.level != "error" || error.spans.is_empty() {
            continue;
        }
        let of = |primary: bool| {
            let spans = error.spans.iter().filter(move |span| span.is_primary == primary);
            spans.flat_map(|span| {
                workspace.culprits(&span.file_name, span.byte_start..span.byte_end)
            })
        };
        let mut about: BTreeSet<usize> = of(true).copied().collect();
        if about.is_empty() {
            about.extend(of(false));
        }
        if about.is_empty() {
            let text = error.rendered.unwrap_or_default();
            bail!("the copy does not compile, and no mutant is to blame:\n{text}");
        }
        found.extend(about);
    }
    Ok(found)
}
