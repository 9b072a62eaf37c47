//! Where things are: the workspace and the folders below its `target`.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The workspace that this run works on.
#[derive(Debug, Clone)]
pub struct Paths {
    root: PathBuf,
}

impl Paths {
    /// Finds the workspace: from the manifest folder that cargo names, else upwards from the
    /// current folder. Nothing is remembered from compile time, so a moved checkout works.
    pub fn find() -> Result<Self> {
        let here = env::current_dir().context("cannot read the current folder")?;
        let start = env::var_os("CARGO_MANIFEST_DIR").map_or(here, PathBuf::from);
        match start.ancestors().find(|dir| is_workspace(dir)) {
            Some(root) => Self::of(root),
            None => bail!(
                "{} is not inside the mmu386 workspace: change into a checkout and run `cargo smp` there",
                start.display()
            ),
        }
    }

    /// A workspace whose path cargo, GRUB and QEMU can be told.
    fn of(root: &Path) -> Result<Self> {
        match root.to_str() {
            Some(text) if !text.contains(char::is_control) => Ok(Self { root: root.to_owned() }),
            _ => bail!(
                "the path of this checkout, {root:?}, is not plain text (UTF-8 without control characters): \
                 move the checkout to another folder, and run this there"
            ),
        }
    }

    /// The workspace's root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Everything that the harness writes is below this folder.
    pub fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// Target folder of the kernel builds, apart from the host's so that neither rebuilds the other.
    pub fn kernel_target(&self) -> PathBuf {
        self.target().join("kernel")
    }

    /// The kernel's ELF file for a variant.
    pub fn kernel_elf(&self, variant: &str) -> PathBuf {
        self.kernel_target().join(format!("{variant}.elf"))
    }

    /// The folder of verdict.json and index.html.
    pub fn review(&self) -> PathBuf {
        self.target().join("review")
    }

    /// The folder of coverage.json and lcov.info.
    pub fn coverage(&self) -> PathBuf {
        self.target().join("coverage")
    }

    /// Target folder of the builds that count lines, so that they disturb no other build.
    pub fn coverage_target(&self) -> PathBuf {
        self.target().join("coverage-build")
    }

    /// The folder of teeth.json and of the copy of mmu386 that holds all mutants.
    pub fn teeth(&self) -> PathBuf {
        self.target().join("teeth")
    }

    /// Target folder of that copy's build: another mmu386 must not lie beside the real one.
    pub fn teeth_target(&self) -> PathBuf {
        self.teeth().join("build")
    }

    /// The folder of the CD images.
    pub fn iso(&self) -> PathBuf {
        self.target().join("iso")
    }

    /// The folder of the files by which runs take turns.
    pub fn locks(&self) -> PathBuf {
        self.target().join("smp-locks")
    }

    /// The folder of folders that go away with the run that made them.
    pub fn rooms(&self) -> PathBuf {
        self.target().join("smp-rooms")
    }

    /// Full output of every child that a command started.
    pub fn logs(&self) -> PathBuf {
        self.target().join("smp-logs")
    }
}

fn is_workspace(dir: &Path) -> bool {
    dir.join("qemu-smp/Cargo.toml").is_file() && dir.join("kernel/Cargo.toml").is_file()
}
