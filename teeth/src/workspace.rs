//! The copy of the packages that the models are built from.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use crate::find::{Source, find};
use crate::merged::Merged;
use crate::mutant::Mutant;

/// The environment's word for the mutant that a process is to be.
pub const CHOSEN: &str = "MMU386_MUTANT";
/// The environment's word for the file in which a process notes the mutants whose places it reaches.
pub const REACHED: &str = "MMU386_REACHED";

/// The package whose program runs the models.
const MODELS: &str = "loom-tests";
/// The module by which the copy knows which mutant it is.
const MODULE: &str = include_str!("../parts/mutant.rs");
/// What a manifest says about targets and packages that the models' program does not need.
const NOT_NEEDED: [&str; 4] = ["bench", "dev-dependencies", "example", "test"];

/// The sources of mmu386 with their mutants, and the folder that their copy is written to.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
    folder: PathBuf,
    sources: Vec<Source>,
    /// All mutants, in order.
    pub mutants: Vec<Mutant>,
    /// The copies, in the order of the sources, as they were written last.
    merged: Vec<Merged>,
}

impl Workspace {
    /// Reads the sources below `root/src` and finds their mutants; writes nothing yet.
    pub fn read(root: &Path, folder: &Path) -> Result<Self> {
        let sources = sources(root)?;
        let mutants = find(&sources)?;
        if mutants.is_empty() {
            bail!("no mutant was found in {}", root.join("src").display());
        }
        let (root, folder) = (root.to_owned(), folder.to_owned());
        Ok(Self { root, folder, sources, mutants, merged: Vec::new() })
    }

    /// Writes the copy, without some mutants.
    pub fn write(&mut self, out: &BTreeSet<usize>) -> Result<()> {
        let members = self.members()?;
        let mut kept = BTreeSet::new();
        for member in &members {
            self.manifest(member, &members, &mut kept)?;
            if !member.as_os_str().is_empty() {
                self.copy_folder(&member.join("src"), &mut kept)?;
            }
        }
        self.put(Path::new("Cargo.lock"), &self.get(Path::new("Cargo.lock"))?, &mut kept)?;
        self.merged.clear();
        for source in &self.sources {
            let mut merged = Merged::new(&source.file, &source.text, &self.mutants, out)?;
            if source.file == "src/lib.rs" {
                // At the end, so that what was written stays where it is.
                merged.text.push_str("\nmod mutant;\n");
            }
            self.put(Path::new(&source.file), &merged.text, &mut kept)?;
            self.merged.push(merged);
        }
        let out: Vec<String> = out.iter().map(usize::to_string).collect();
        let module = format!(
            "{MODULE}\n/// How many mutants there are.\nconst COUNT: usize = {};\n\
             /// Those that do not compile.\nconst LEFT_OUT: [usize; {}] = [{}];\n",
            self.mutants.len(),
            out.len(),
            out.join(", ")
        );
        self.put(Path::new("src/mutant.rs"), &module, &mut kept)?;
        self.sweep(&self.folder.join("src"), &kept)
    }

    /// The mutants that a compiler error is about, from the bytes of the copy that it names.
    pub fn culprits(&self, file: &str, at: std::ops::Range<usize>) -> &[usize] {
        let place = self.sources.iter().position(|source| source.file == file);
        place.and_then(|place| self.merged.get(place)).map_or(&[], |merged| merged.culprits(at))
    }

    /// The manifest of the copy.
    pub fn manifest_path(&self) -> PathBuf {
        self.folder.join("Cargo.toml")
    }

    /// The packages that the models are built from, as folders from the top of the tree.
    fn members(&self) -> Result<Vec<PathBuf>> {
        let mut members = vec![PathBuf::new()];
        let mut open = vec![PathBuf::from(MODELS)];
        while let Some(member) = open.pop() {
            if members.contains(&member) {
                continue;
            }
            let manifest = self.table(&member.join("Cargo.toml"))?;
            for kind in ["dependencies", "build-dependencies"] {
                let paths = manifest.get(kind).and_then(Value::as_table).into_iter().flatten();
                for path in paths.filter_map(|(_, it)| it.get("path").and_then(Value::as_str)) {
                    open.push(normal(&member.join(path))?);
                }
            }
            members.push(member);
        }
        Ok(members)
    }

    /// A manifest without what the models' program does not need; the workspace's own with the
    /// members that it does.
    fn manifest(
        &self,
        member: &Path,
        members: &[PathBuf],
        kept: &mut BTreeSet<PathBuf>,
    ) -> Result<()> {
        let path = member.join("Cargo.toml");
        let mut manifest = self.table(&path)?;
        for word in NOT_NEEDED {
            manifest.remove(word);
        }
        if let Some(workspace) = manifest.get_mut("workspace").and_then(Value::as_table_mut) {
            let names = members.iter().map(|member| match member.to_str() {
                Some("") => Ok(Value::from(".")),
                Some(name) => Ok(Value::from(name)),
                None => bail!("{} is no name for a manifest", member.display()),
            });
            workspace.insert("members".to_owned(), names.collect::<Result<Vec<_>>>()?.into());
            workspace.remove("default-members");
        }
        // Settings for packages that are not there would only be warned of.
        let own: BTreeSet<String> =
            members.iter().filter_map(|member| self.package(member).ok()).collect();
        if let Some(profiles) = manifest.get_mut("profile").and_then(Value::as_table_mut) {
            for (_, profile) in profiles.iter_mut() {
                let packages = profile.get_mut("package").and_then(Value::as_table_mut);
                if let Some(packages) = packages {
                    packages.retain(|name, _| !name.starts_with("mmu386") || own.contains(name));
                }
            }
        }
        self.put(&path, &manifest.to_string(), kept)
    }

    fn package(&self, member: &Path) -> Result<String> {
        let manifest = self.table(&member.join("Cargo.toml"))?;
        let name = manifest.get("package").and_then(|package| package.get("name"));
        Ok(name.and_then(Value::as_str).context("a package has a name")?.to_owned())
    }

    fn table(&self, path: &Path) -> Result<Table> {
        self.get(path)?.parse().with_context(|| format!("{} is no manifest", path.display()))
    }

    fn get(&self, path: &Path) -> Result<String> {
        let path = self.root.join(path);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Copies all files of a folder.
    fn copy_folder(&self, folder: &Path, kept: &mut BTreeSet<PathBuf>) -> Result<()> {
        for path in files(&self.root.join(folder))? {
            let path = path.strip_prefix(&self.root).context("a file outside of the tree")?;
            self.put(path, &self.get(path)?, kept)?;
        }
        self.sweep(&self.folder.join(folder), kept)
    }

    /// Writes a file, unless it is there already: what did not change is not compiled again.
    fn put(&self, path: &Path, text: &str, kept: &mut BTreeSet<PathBuf>) -> Result<()> {
        let path = self.folder.join(path);
        if fs::read_to_string(&path).is_ok_and(|there| there == text) {
            kept.insert(path);
            return Ok(());
        }
        let folder = path.parent().context("a file is in a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        kept.insert(path);
        Ok(())
    }

    /// Removes what an earlier copy left in a folder.
    fn sweep(&self, folder: &Path, kept: &BTreeSet<PathBuf>) -> Result<()> {
        for path in files(folder)? {
            if !kept.contains(&path) {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }
}

/// The sources of mmu386, in the order of their names.
fn sources(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in files(&root.join("src"))? {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let parts = path.strip_prefix(root).context("a source outside of the tree")?.iter();
        let parts: Option<Vec<&str>> = parts.map(|part| part.to_str()).collect();
        let file = parts.context("a source has a name that is no text")?.join("/");
        sources.push(Source { file, text });
    }
    Ok(sources)
}

/// All files below a folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("cannot read {}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(context)? {
        let path = entry.with_context(context)?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A path without `..`.
fn normal(path: &Path) -> Result<PathBuf> {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => parts.push(part),
            Component::CurDir => {}
            Component::ParentDir if parts.pop() => {}
            _ => bail!("{} leads out of the tree", path.display()),
        }
    }
    Ok(parts)
}
