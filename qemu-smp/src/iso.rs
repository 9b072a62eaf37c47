//! A CD image that boots the kernel by GRUB's Multiboot loader.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::files::{self, Room};
use crate::paths::Paths;
use crate::process::{capture, command};

/// What GRUB's program for rescue disks is called, by distribution.
const MKRESCUE: [&str; 2] = ["grub-mkrescue", "grub2-mkrescue"];
/// What it calls.
const HELPERS: [&str; 2] = ["xorriso", "mformat"];
/// How long it may take.
const LIMIT: Duration = Duration::from_secs(300);

/// Looks for everything that an image takes; what was found, or what is missing.
pub fn find() -> Result<String> {
    let program = mkrescue()?;
    for helper in HELPERS {
        if which::which(helper).is_err() {
            bail!("{helper}, which grub-mkrescue calls, is not in PATH");
        }
    }
    let modules = modules(&program);
    if !modules.is_dir() {
        bail!("GRUB has no modules for a PC's BIOS: there is no {}", modules.display());
    }
    Ok(format!("{}, {}", program.display(), modules.display()))
}

fn mkrescue() -> Result<PathBuf> {
    let found = MKRESCUE.iter().find_map(|program| which::which(program).ok());
    found.context("grub-mkrescue is not in PATH: `cargo smp setup` installs it")
}

/// Where GRUB keeps its modules for a PC's BIOS, seen from its programs.
fn modules(program: &Path) -> PathBuf {
    let prefix = program.parent().and_then(Path::parent).unwrap_or(Path::new("/usr"));
    prefix.join("lib/grub/i386-pc")
}

/// Makes an image of a kernel with a command line, and returns its path, which is absolute. The image
/// appears whole or not at all.
pub fn make(paths: &Paths, elf: &Path, append: &str, image: &Path) -> Result<PathBuf> {
    let program = mkrescue()?;
    let room = Room::new()?;
    let tree = room.path().join("tree");
    let grub = tree.join("boot/grub");
    fs::create_dir_all(&grub).with_context(|| format!("cannot make {}", grub.display()))?;
    let kernel = tree.join("boot/kernel.elf");
    fs::copy(elf, &kernel).with_context(|| format!("cannot copy {}", elf.display()))?;
    fs::write(grub.join("grub.cfg"), menu(append)).context("cannot write GRUB's menu")?;
    if let Some(folder) = image.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let fresh = files::beside(image);
    let mut make = command(paths, &program);
    // GRUB could come for UEFI, too, which starts no Multiboot kernel of this kind.
    make.arg("-d").arg(modules(&program)).arg("-o").arg(&fresh).arg(&tree);
    let made = capture(make, LIMIT, |_| ())
        .and_then(|said| said.checked("making the CD image with grub-mkrescue"))
        .and_then(|_| match fresh.is_file() {
            true => fs::rename(&fresh, image)
                .with_context(|| format!("cannot write {}", image.display())),
            false => bail!("grub-mkrescue left no {}", fresh.display()),
        });
    if made.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    made.map(|()| image.to_path_buf())
}

/// GRUB's menu, which starts at once. GRUB itself stays off the serial port: that is the kernel's.
fn menu(append: &str) -> String {
    format!(
        "set timeout=0\nmenuentry \"mmu386: {append}\" {{\n  \
         multiboot /boot/kernel.elf {append}\n  boot\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_menu_carries_the_command_line() {
        let menu = menu("tests=boot seed=7");
        assert!(menu.contains("\n  multiboot /boot/kernel.elf tests=boot seed=7\n"), "{menu}");
    }
}
