//! Turns of runs in one checkout: what one of them writes and reads back, no other changes meanwhile.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::paths::Paths;
use crate::process::interrupted;

/// How often whoever waits looks again.
const POLL: Duration = Duration::from_millis(50);
/// How often it says that it still waits.
const REMIND: Duration = Duration::from_secs(60);

/// A turn. The system ends it with this process at the latest.
#[derive(Debug)]
pub struct Turn {
    _lock: File,
}

impl Turn {
    /// Waits until no other run has it, and says for whom it waits. `what` is what the turn is about, and
    /// names its file as well.
    pub fn wait(paths: &Paths, what: &str) -> Result<Self> {
        let folder = paths.locks();
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let file = folder.join(what.chars().map(plain).collect::<String>());
        let context = || format!("cannot lock {}", file.display());
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&file)
            .with_context(context)?;
        let mut said: Option<Instant> = None;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                // A file system without locks: better no turns than no runs.
                Err(TryLockError::Error(error)) => {
                    say::err!("note: {what} cannot be kept to one run at a time: {error}");
                    return Ok(Self { _lock: lock });
                }
            }
            if interrupted() {
                bail!("interrupted while waiting for {what}");
            }
            if said.is_none_or(|said| said.elapsed() > REMIND) {
                said = Some(Instant::now());
                say::err!("waiting for {what}: {} is at it", holder(&file));
            }
            sleep(POLL);
        }
        // For whoever waits.
        let words: Vec<_> = std::env::args_os().skip(1).collect();
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        let told = format!("process {} (smp {})", std::process::id(), words.join(" "));
        lock.set_len(0).and_then(|()| lock.rewind()).with_context(context)?;
        lock.write_all(told.as_bytes()).with_context(context)?;
        Ok(Self { _lock: lock })
    }
}

/// Whoever has a lock, as it said itself.
fn holder(file: &Path) -> String {
    let mut told = String::new();
    let read = File::open(file).and_then(|mut file| file.read_to_string(&mut told));
    match read {
        Ok(length) if length > 0 => told,
        _ => "another process".to_owned(),
    }
}
