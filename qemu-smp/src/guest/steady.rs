//! What makes a QEMU whose instructions are counted come back. `steady/lib.rs` says how.
//!
//! The library goes to the loader by a descriptor that QEMU inherits, as a path with a blank or a colon in
//! it is no path to the loader, and a folder may forbid that files in it are executed. Whether it got there
//! it says itself, over a pipe.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{FdFlags, fcntl_setfd};

/// The library, for the host's loader; empty where there is none.
const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libsteady.so"));
/// Why there is none.
const WITHOUT: &str = env!("STEADY_WITHOUT");
/// Names libraries that come before a program's own.
const PRELOAD: &str = "LD_PRELOAD";
/// Names the descriptor over which the library says that it is there.
const DESCRIPTOR: &str = "MMU386_STEADY";

/// Whether a run with counted instructions can be promised to come back on this host at all.
pub fn can_be() -> bool {
    !LIBRARY.is_empty()
}

/// A QEMU with the library, from before its start to after its end.
pub(super) struct Steady(Result<Heard>);

struct Heard {
    words: PipeReader,
    /// What QEMU inherits, until it has.
    inherited: Option<(File, PipeWriter)>,
}

impl Steady {
    /// Puts the library before those of a QEMU that is to be started. What hinders it hinders no run.
    pub(super) fn with(qemu: &mut Command) -> Self {
        Self(prepare(qemu))
    }

    /// QEMU was started: nobody else is to inherit anything.
    pub(super) fn started(&mut self) {
        if let Ok(heard) = &mut self.0 {
            heard.inherited = None;
        }
    }

    /// QEMU has ended: whether the library was there from the first to the last instruction, or why nothing
    /// can be promised.
    pub(super) fn proof(self) -> Result<(), String> {
        let mut heard = self.0.map_err(|error| format!("{error:#}"))?;
        let mut words = Vec::new();
        // Nothing more comes; what left QEMU's group and kept the pipe open is not waited for.
        let read = fcntl_getfl(&heard.words)
            .and_then(|flags| fcntl_setfl(&heard.words, flags | OFlags::NONBLOCK));
        let _ = read.map(|()| heard.words.read_to_end(&mut words));
        judge(&String::from_utf8_lossy(&words))
    }
}

fn judge(words: &str) -> Result<(), String> {
    let said = |word: &str| words.lines().any(|line| line == word);
    if said("lost") {
        return Err("QEMU's threads stopped taking turns".to_owned());
    }
    if !said("steady") {
        return Err(
            "the library that makes QEMU's threads take turns never said that it is there: the \
                    loader left it out, or this QEMU has other threads"
                .to_owned(),
        );
    }
    Ok(())
}

fn prepare(qemu: &mut Command) -> Result<Heard> {
    if LIBRARY.is_empty() {
        bail!("{WITHOUT}");
    }
    let mut library = memory().context("cannot hand a library to QEMU's loader")?;
    library.write_all(LIBRARY).context("cannot hand a library to QEMU's loader")?;
    let (words, writer) = pipe().context("cannot make a pipe")?;
    for end in [library.as_fd(), writer.as_fd()] {
        fcntl_setfd(end, FdFlags::empty()).context("cannot let QEMU inherit a descriptor")?;
    }
    let mut libraries = OsString::from(format!("/proc/self/fd/{}", library.as_raw_fd()));
    if let Some(others) = env::var_os(PRELOAD) {
        libraries.push(":");
        libraries.push(others);
    }
    qemu.env(PRELOAD, libraries).env(DESCRIPTOR, writer.as_raw_fd().to_string());
    Ok(Heard { words, inherited: Some((library, writer)) })
}

/// A file that has no name.
#[cfg(target_os = "linux")]
fn memory() -> Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    Ok(File::from(memfd_create("steady", MemfdFlags::CLOEXEC)?))
}

/// There is no library where this is asked.
#[cfg(not(target_os = "linux"))]
fn memory() -> Result<File> {
    bail!("{WITHOUT}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn a_program_that_is_no_qemu_proves_nothing() {
        assert!(LIBRARY.starts_with(b"\x7fELF") && can_be());
        let mut command = Command::new("true");
        let mut steady = Steady::with(&mut command);
        assert_eq!(command.get_envs().count(), 2);
        assert!(command.status().unwrap().success());
        steady.started();
        assert!(steady.proof().unwrap_err().contains("never said"));
    }

    #[test]
    fn only_the_word_itself_proves_and_a_lost_turn_takes_it_back() {
        assert_eq!(judge("steady\n"), Ok(()));
        for words in ["", "stead", "steady\nlost\n", "lost\nsteady\n"] {
            assert!(judge(words).is_err(), "{words}");
        }
    }
}
