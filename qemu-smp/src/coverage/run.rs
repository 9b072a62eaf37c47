//! Runs the host tests of mmu386 under cargo-llvm-cov and reads what they reached.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Counts, Coverage, FILE, Source, counts, judge, parse};
use crate::files;
use crate::paths::Paths;
use crate::process::{capture, clean_cargo, command, tail};

/// How long the build and the tests may take.
const LIMIT: Duration = Duration::from_secs(900);
/// Cases of each property test, where there are any: the suite has run the full number already.
const CASES: &str = "32";
/// How long the long run of random steps is; the suite runs the full length.
const STEPS: &str = "4000";
/// Lines of a failure that are shown; the log file has all of them.
const SHOWN: usize = 60;

/// Measures and judges. Leaves coverage.json and lcov.info in target/coverage, also where lines are
/// missing or not explained.
pub fn measure(paths: &Paths, mut look: impl FnMut(&str)) -> Result<Coverage> {
    let folder = paths.coverage();
    let (lcov, report) = (folder.join("lcov.info"), folder.join("coverage.json"));
    // Before anything runs: a row that cannot be read needs no measurement to be wrong.
    let file = paths.root().join(FILE);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {FILE}"))?;
    let explanations = parse(&text)?;
    run(paths, &lcov, &mut look)?;

    let text = fs::read_to_string(&lcov)
        .with_context(|| format!("cargo llvm-cov left no {}", lcov.display()))?;
    let coverage = judge(&sources(paths)?, &below(paths, counts(&text)?)?, &explanations);
    files::write(&report, format!("{:#}\n", coverage.json()))?;
    Ok(coverage)
}

/// Takes an earlier run's files away: their word must not be taken for this one's.
pub fn forget(paths: &Paths) -> Result<()> {
    let folder = paths.coverage();
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for old in ["lcov.info", "coverage.json"] {
        files::forget(&folder.join(old))?;
    }
    files::forget(&paths.logs().join("coverage.log"))
}

/// Runs the tests of the root package, by cargo's own runner, in a target folder of their own.
fn run(paths: &Paths, lcov: &Path, look: &mut impl FnMut(&str)) -> Result<()> {
    let mut cargo = command(paths, "cargo");
    cargo.args(["llvm-cov", "--package", "mmu386", "--tests", "--lcov", "--output-path"]).arg(lcov);
    clean_cargo(&mut cargo, false);
    cargo.env("CARGO_LLVM_COV_TARGET_DIR", paths.coverage_target());
    cargo.env("PROPTEST_CASES", CASES).env("MMU386_STEPS", STEPS);
    let mut log = String::new();
    let said = capture(cargo, LIMIT, |line| {
        look(line);
        log.push_str(line);
        log.push('\n');
    })?;
    let file = paths.logs().join("coverage.log");
    fs::create_dir_all(paths.logs())
        .with_context(|| format!("cannot make {}", paths.logs().display()))?;
    files::write(&file, &log)?;
    if said.success() {
        return Ok(());
    }
    bail!(
        "the tests of mmu386 under cargo llvm-cov: {}; all of their output is in {}\n{}",
        said.ending(),
        file.display(),
        tail(&log, SHOWN)
    )
}

/// The sources of mmu386, by their path from the top of the tree.
fn sources(paths: &Paths) -> Result<BTreeMap<String, Source>> {
    let mut sources = BTreeMap::new();
    let mut folders = vec![paths.root().join("src")];
    while let Some(folder) = folders.pop() {
        let context = || format!("cannot read {}", folder.display());
        for entry in fs::read_dir(&folder).with_context(context)? {
            let path = entry.with_context(context)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let read = || Source::parse(&fs::read_to_string(&path)?);
                let source = read().with_context(|| format!("cannot read {}", path.display()))?;
                sources.insert(name(paths.root(), &path).context("a source outside")?, source);
            }
        }
    }
    Ok(sources)
}

/// The counts of the files in the tree, by their path from its top.
fn below(paths: &Paths, counts: Counts) -> Result<Counts> {
    // The compiler may know the tree by another path than we do.
    let root = paths.root();
    let root = root.canonicalize().with_context(|| format!("cannot find {}", root.display()))?;
    let kept = counts.into_iter().filter_map(|(file, lines)| {
        Some((name(&root, &Path::new(&file).canonicalize().ok()?)?, lines))
    });
    Ok(kept.collect())
}

/// A path below the top of the tree, with slashes.
fn name(root: &Path, path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> =
        path.strip_prefix(root).ok()?.iter().map(|part| part.to_str()).collect();
    Some(parts?.join("/"))
}
