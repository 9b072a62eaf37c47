//! Files that appear whole or not at all, and folders that go away by themselves.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::{Builder, TempDir};

/// Writes a file: whoever reads it meanwhile finds all of the old one or all of the new one, also if two
/// runs write at once. What is no file, such as a pipe or a device, is written to as it is.
pub fn write(file: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    let context = || format!("cannot write {}", file.display());
    if fs::metadata(file).is_ok_and(|there| !there.is_file()) {
        return fs::write(file, bytes).with_context(context);
    }
    // The name may be one of a file elsewhere, which is to be written.
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let fresh = beside(&file);
    let written = fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, &file));
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written.with_context(context)
}

/// Copies a file in the same way.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let fresh = beside(to);
    fs::copy(from, &fresh).with_context(|| format!("cannot copy {}", from.display()))?;
    fs::rename(&fresh, to).with_context(|| format!("cannot write {}", to.display()))
}

/// A name in the same folder that no other run uses.
pub fn beside(file: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(file.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    file.with_file_name(name)
}

/// What the names of rooms begin with.
const PREFIX: &str = "smp-";
/// The file in a room that is locked for as long as whoever made it lives.
const LOCK: &str = "lock";

/// A folder in the system's folder for temporary files. It goes away with this value; if this process is
/// killed, the next one that makes a room removes it.
#[derive(Debug)]
pub struct Room {
    folder: TempDir,
    _lock: File,
}

impl Room {
    /// Makes one, and removes those of the dead.
    pub fn new() -> Result<Self> {
        let base = std::path::absolute(std::env::temp_dir())
            .context("cannot tell the folder for temporary files")?;
        Self::in_folder(&base).with_context(|| {
            format!("cannot make a folder in {}: TMPDIR can name another place", base.display())
        })
    }

    /// The same in a folder, which is made as well.
    pub fn below(base: &Path) -> Result<Self> {
        let context = || format!("cannot make a folder in {}", base.display());
        fs::create_dir_all(base).with_context(context)?;
        Self::in_folder(base).with_context(context)
    }

    fn in_folder(base: &Path) -> std::io::Result<Self> {
        sweep(base);
        let folder = Builder::new().prefix(PREFIX).tempdir_in(base)?;
        // Under its name it is locked already: who sweeps never meets it open.
        let fresh = folder.path().join(".lock");
        let lock = File::create(&fresh)?;
        lock.lock()?;
        fs::rename(&fresh, folder.path().join(LOCK))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the rooms of processes that are dead. Those of others cannot be removed, which does no harm.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let lock = File::open(entry.path().join(LOCK));
        if is_folder && lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Removes a file that may not be there.
pub fn forget(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_goes_away_with_its_value_or_when_its_maker_is_dead() {
        let base = tempfile::tempdir().unwrap();
        let alive = Room::below(base.path()).unwrap();
        let dead = Room::below(base.path()).unwrap();
        let Room { folder, _lock: lock } = dead;
        // As after a kill: nobody removed it, and the system has closed its lock.
        let left = folder.keep();
        fs::write(left.join("window"), "much").unwrap();
        sweep(base.path());
        assert!(left.exists(), "its maker still lives");
        drop(lock);
        fs::create_dir(base.path().join("smp-of-somebody-else")).unwrap();
        sweep(base.path());
        assert!(!left.exists());
        assert!(alive.path().exists() && base.path().join("smp-of-somebody-else").exists());
        let path = alive.path().to_owned();
        drop(alive);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let room = tempfile::tempdir().unwrap();
        let (file, link) = (room.path().join("a"), room.path().join("b"));
        write(&file, "one").unwrap();
        let old = File::open(&file).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, "two").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(std::io::read_to_string(old).unwrap(), "one", "who reads the old one has it");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(room.path()).unwrap().count(), 2);
        assert!(write(&room.path().join("no/such/folder"), "").is_err());
    }

    #[test]
    fn a_device_stays_one() {
        write(Path::new("/dev/null"), "gone").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
