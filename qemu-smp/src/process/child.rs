//! One running child and the ways in which it ends.

use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::{interrupted, reaper};

/// How often a waiting loop looks at the child, the clock and the interrupt flag.
const POLL: Duration = Duration::from_millis(10);
/// How long a group may take to end after SIGTERM before it gets SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// How a wait came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The child left by itself.
    Exited(ExitStatus),
    /// The deadline passed; the child still runs.
    Deadline,
    /// Somebody interrupted `smp`; the child still runs.
    Interrupted,
    /// The caller's own condition held; the child still runs.
    Asked,
}

/// A child with its process group. Dropping it stops the whole group.
#[derive(Debug)]
pub struct Running {
    child: Child,
    group: Pid,
    ended: Option<ExitStatus>,
}

impl Running {
    /// Starts a command as the leader of a new process group, with no input and piped output.
    pub fn start(command: Command) -> Result<Self> {
        let running = Self::start_apart(command)?;
        reaper::watch(running.group);
        Ok(running)
    }

    /// The same for what must not be cut: it outlives `smp`, however that ends.
    pub fn start_apart(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
        let group =
            Pid::from_raw(i32::try_from(child.id()).context("a process number out of range")?);
        Ok(Self { child, group, ended: None })
    }

    /// The child's output pipes; each can be taken once.
    pub fn take_output(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.child.stdout.take(), self.child.stderr.take())
    }

    /// Waits until the child leaves, the deadline passes, `smp` is interrupted, or `until` holds.
    /// Whatever is still running stays so: the caller may question it before it calls [`stop`].
    ///
    /// [`stop`]: Self::stop
    pub fn wait(&mut self, deadline: Instant, mut until: impl FnMut() -> bool) -> Result<Ended> {
        loop {
            if let Some(status) = self.poll()? {
                return Ok(Ended::Exited(status));
            }
            if interrupted() {
                return Ok(Ended::Interrupted);
            }
            if Instant::now() >= deadline {
                return Ok(Ended::Deadline);
            }
            if until() {
                return Ok(Ended::Asked);
            }
            sleep(POLL);
        }
    }

    /// Waits until the child leaves by itself, whatever happens meanwhile, which `look` may look at.
    pub fn wait_on(&mut self, mut look: impl FnMut()) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.poll()? {
                return Ok(status);
            }
            look();
            sleep(POLL);
        }
    }

    /// Ends the whole group: SIGTERM, a moment of grace, SIGKILL.
    pub fn stop(&mut self) {
        if self.ended.is_some() {
            return;
        }
        let _ = self.signal(Signal::SIGTERM);
        let patience = Instant::now() + GRACE;
        while matches!(self.poll(), Ok(None)) && Instant::now() < patience {
            sleep(POLL);
        }
        // The leader may be gone while its children are not, so the group is killed either way.
        if self.signal(Signal::SIGKILL) == Err(Errno::EPERM) && matches!(self.poll(), Ok(None)) {
            // Another user's, such as root's after sudo: to wait for it could be for ever.
            say::err!(
                "process {group} belongs to another user and cannot be stopped from here: it goes on; \
                 `sudo kill -- -{group}` stops it",
                group = self.group
            );
            return;
        }
        if self.ended.is_none() {
            self.ended = self.child.wait().ok();
            reaper::forget(self.group);
        }
    }

    fn poll(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().context("cannot wait for a child")?;
            if self.ended.is_some() {
                // What the leader left running would be an orphan.
                let _ = self.signal(Signal::SIGKILL);
                reaper::forget(self.group);
            }
        }
        Ok(self.ended)
    }

    /// The group may be gone already, which is what was wanted.
    fn signal(&self, signal: Signal) -> nix::Result<()> {
        killpg(self.group, signal)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.stop();
        }
    }
}
