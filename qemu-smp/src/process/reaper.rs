//! The last line against orphans: a tiny process that outlives `smp`.
//!
//! `smp` tells it over a pipe which process groups it started and which have ended. When `smp` dies,
//! by whatever cause, the pipe closes, and the reaper kills the groups that are left. It needs no
//! unsafe code, and it reaches a child's children, which a parent-death signal does not.

use std::collections::BTreeSet;
use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The hidden command under which `smp` starts itself as a reaper.
pub const COMMAND: &str = "__reaper";

static PIPE: OnceLock<Mutex<ChildStdin>> = OnceLock::new();

/// Starts the reaper. Without one the run goes on: it is a backstop.
pub fn start() -> Result<()> {
    let myself = std::env::current_exe().context("cannot find my own program file")?;
    let mut child = Command::new(myself)
        .arg(COMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start the reaper")?;
    if let Some(pipe) = child.stdin.take() {
        let _ = PIPE.set(Mutex::new(pipe));
    }
    Ok(())
}

/// Tells the reaper that a process group exists.
pub(super) fn watch(group: Pid) {
    tell('+', group);
}

/// Tells the reaper that a process group is gone.
pub(super) fn forget(group: Pid) {
    tell('-', group);
}

fn tell(sign: char, group: Pid) {
    if let Some(pipe) = PIPE.get()
        && let Ok(mut pipe) = pipe.lock()
    {
        let _ = writeln!(pipe, "{sign}{group}");
    }
}

/// Body of the reaper: reads until its parent is gone, then kills what is left.
pub fn run(lines: impl BufRead) {
    for group in left_over(lines) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

fn left_over(lines: impl BufRead) -> BTreeSet<i32> {
    let mut groups = BTreeSet::new();
    for line in lines.lines().map_while(Result::ok) {
        if let Some(group) = line.strip_prefix('+').and_then(positive) {
            groups.insert(group);
        } else if let Some(group) = line.strip_prefix('-').and_then(positive) {
            groups.remove(&group);
        }
    }
    groups
}

/// A group number that is safe to kill: 0 and 1 would mean the reaper's own group or all of them.
fn positive(text: &str) -> Option<i32> {
    text.parse().ok().filter(|&group| group > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_groups_that_did_not_end_are_left() {
        let said = "+100\n+200\n-100\n+1\n+0\n+-1\nnoise\n+300";
        assert_eq!(left_over(said.as_bytes()), BTreeSet::from([200, 300]));
    }
}
