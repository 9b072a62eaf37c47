//! What earlier runs of the same program found: which models come to which place, and what became of
//! the mutants.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Finding, Reach, Teeth};
use crate::files;
use crate::paths::Paths;

/// What became of the mutants in this run, and in the one before it.
const REPORT: &str = "teeth.json";
const EARLIER: &str = "earlier.json";
/// Which models come to which place.
const REACH: &str = "reach.json";

/// The files in which it is kept.
#[derive(Debug)]
pub struct Memory {
    report: PathBuf,
    earlier: PathBuf,
    reach: PathBuf,
    program: u64,
}

impl Memory {
    /// The memory of runs of a program.
    pub fn of(paths: &Paths, program: &Path) -> Result<Self> {
        let folder = paths.teeth();
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let program = fingerprint(program)?;
        let [report, earlier, reach] = [REPORT, EARLIER, REACH].map(|name| folder.join(name));
        Ok(Self { report, earlier, reach, program })
    }

    /// What became of the mutants in the last run, if it was of this program.
    pub fn findings(&self) -> Result<Option<Vec<Finding>>> {
        self.read(&self.earlier, "mutants")
    }

    /// Which models come to which place, if that is known of this program.
    pub fn reach(&self) -> Result<Option<Vec<Reach>>> {
        self.read(&self.reach, "runs")
    }

    /// Keeps what became of the mutants.
    pub fn keep(&self, teeth: &Teeth) -> Result<()> {
        self.write(&self.report, teeth.json())
    }

    /// Keeps which models come to which place.
    pub fn keep_reach(&self, runs: &[Reach]) -> Result<()> {
        self.write(&self.reach, serde_json::json!({ "runs": runs }))
    }

    /// Puts the report of an earlier run aside, whose word must not be taken for this one's, however this
    /// one ends. A run that goes on from there finds it.
    pub fn put_aside(paths: &Paths) -> Result<()> {
        let folder = paths.teeth();
        match fs::rename(folder.join(REPORT), folder.join(EARLIER)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot put {REPORT} aside"))
            }
            _ => Ok(()),
        }
    }

    fn read<T: serde::de::DeserializeOwned>(&self, file: &Path, part: &str) -> Result<Option<T>> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        let context = || format!("{} cannot be read; remove it", file.display());
        let mut kept: Value = serde_json::from_str(&text).with_context(context)?;
        if kept["program"] != self.program {
            return Ok(None);
        }
        serde_json::from_value(kept[part].take()).with_context(context).map(Some)
    }

    fn write(&self, file: &Path, mut value: Value) -> Result<()> {
        value["program"] = self.program.into();
        files::write(file, format!("{value:#}\n"))
    }
}

/// Tells one program from another.
fn fingerprint(program: &Path) -> Result<u64> {
    let bytes = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Ok(hasher.finish())
}
