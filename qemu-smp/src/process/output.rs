//! Runs a command to its end under a deadline and keeps what it said.

use std::io::{BufRead, BufReader, Read};
use std::process::Command;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use super::{Ended, Running, interrupted};

/// How long what is left in the pipes may take to arrive after the child has ended.
const LEFTOVERS: Duration = Duration::from_secs(3);

/// Lines that wait to be taken before whoever writes them has to wait.
pub const QUEUE: usize = 1024;

/// Most bytes of each pipe that are kept: the last ones.
const MOST: usize = 64 << 20;
/// Longest line that is taken whole, in bytes.
const LONGEST: u64 = MOST as u64 / 2;

/// What a command said, and how it ended.
#[derive(Debug, Clone)]
pub struct Captured {
    /// How it ended; a child that did not exit by itself has been stopped.
    pub ended: Ended,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// How long it ran.
    pub time: Duration,
}

impl Captured {
    /// Whether it exited by itself with status 0.
    pub fn success(&self) -> bool {
        matches!(self.ended, Ended::Exited(status) if status.success())
    }

    /// How it ended, in words.
    pub fn ending(&self) -> String {
        match self.ended {
            Ended::Exited(status) => status.to_string(),
            Ended::Deadline => {
                format!("stopped at its deadline after {:.0} s", self.time.as_secs_f64())
            }
            Ended::Interrupted => "interrupted".to_owned(),
            Ended::Asked => "stopped".to_owned(),
        }
    }

    /// The output of a command that had to succeed, or an error with the end of what it said.
    pub fn checked(self, what: &str) -> Result<Self> {
        if self.success() {
            return Ok(self);
        }
        bail!("{what} failed ({}):\n{}", self.ending(), tail(&self.stderr, 40))
    }
}

/// The last lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Which pipe a line came through.
enum Said {
    Out(String),
    Err(String),
}

/// Runs a command to its end or its deadline. Every line is shown to `look` as it comes.
pub fn capture(command: Command, limit: Duration, look: impl FnMut(&str)) -> Result<Captured> {
    let begun = Instant::now();
    let mut running = Running::start(command)?;
    let mut ears = Ears::of(&mut running, look);
    let ended = running.wait(begun + limit, || {
        ears.drain();
        false
    });
    // With the group gone the pipes close and the readers end.
    running.stop();
    ears.end(ended?, begun)
}

/// Runs a command to its end, whatever happens: one that must not be cut in the middle, as it leaves
/// behind what nobody else puts right. `told` says so when somebody wants it to end.
pub fn capture_whole(
    command: Command,
    look: impl FnMut(&str),
    told: impl FnOnce(),
) -> Result<Captured> {
    let begun = Instant::now();
    let mut running = Running::start_apart(command)?;
    let mut ears = Ears::of(&mut running, look);
    let mut told = Some(told);
    let status = running.wait_on(|| {
        ears.drain();
        if interrupted()
            && let Some(told) = told.take()
        {
            told();
        }
    })?;
    ears.end(Ended::Exited(status), begun)
}

/// What a child says, as it is heard.
struct Ears<F> {
    readers: Lines,
    lines: Receiver<Said>,
    look: F,
    stdout: String,
    stderr: String,
}

impl<F: FnMut(&str)> Ears<F> {
    fn of(running: &mut Running, look: F) -> Self {
        let (out, err) = running.take_output();
        let (sender, lines) = mpsc::sync_channel(QUEUE);
        let readers = Lines::from([
            out.map(|pipe| read_lines(pipe, LONGEST, sender.clone(), Said::Out)),
            err.map(|pipe| read_lines(pipe, LONGEST, sender, Said::Err)),
        ]);
        Self { readers, lines, look, stdout: String::new(), stderr: String::new() }
    }

    fn drain(&mut self) {
        let Self { lines, look, stdout, stderr, .. } = self;
        take(lines, look, stdout, stderr);
    }

    fn end(self, ended: Ended, begun: Instant) -> Result<Captured> {
        let Self { readers, lines, mut look, mut stdout, mut stderr } = self;
        readers.join(|| take(&lines, &mut look, &mut stdout, &mut stderr))?;
        Ok(Captured { ended, stdout, stderr, time: begun.elapsed() })
    }
}

/// Takes what has come.
fn take(
    lines: &Receiver<Said>,
    look: &mut impl FnMut(&str),
    stdout: &mut String,
    stderr: &mut String,
) {
    for said in lines.try_iter().take(QUEUE) {
        let (line, kept) = match said {
            Said::Out(line) => (line, &mut *stdout),
            Said::Err(line) => (line, &mut *stderr),
        };
        look(&line);
        kept.push_str(&line);
        kept.push('\n');
        if kept.len() > MOST {
            // Somebody prints for ever; the last words say why.
            let half = kept.floor_char_boundary(MOST / 2);
            kept.drain(..half);
        }
    }
}

/// The threads that read a child's output.
#[derive(Debug)]
pub struct Lines(Vec<JoinHandle<()>>);

impl<const N: usize> From<[Option<JoinHandle<()>>; N]> for Lines {
    fn from(readers: [Option<JoinHandle<()>>; N]) -> Self {
        Self(readers.into_iter().flatten().collect())
    }
}

impl Lines {
    /// Waits until the pipes are closed and everything was read: after the group has ended. A
    /// process that left the group and kept a pipe open is not waited for. `drain` takes what they
    /// read, without which they could not go on.
    pub fn join(self, mut drain: impl FnMut()) -> Result<()> {
        let patience = Instant::now() + LEFTOVERS;
        for reader in self.0 {
            while !reader.is_finished() && Instant::now() < patience {
                drain();
                thread::sleep(Duration::from_millis(2));
            }
            if !reader.is_finished() {
                continue;
            }
            reader.join().map_err(|_| anyhow!("a reader of the child's output panicked"))?;
        }
        drain();
        Ok(())
    }
}

/// Sends each line of a pipe, whatever bytes it holds. A line of more than `longest` bytes comes in
/// pieces.
pub fn read_lines<T: Send + 'static>(
    pipe: impl Read + Send + 'static,
    longest: u64,
    sender: SyncSender<T>,
    wrap: impl Fn(String) -> T + Send + 'static,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while matches!((&mut pipe).take(longest).read_until(b'\n', &mut line), Ok(read) if read > 0)
        {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            if sender.send(wrap(text)).is_err() {
                break;
            }
            line.clear();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_pipes_are_kept_apart() {
        let said =
            capture(shell("echo out; echo err >&2; exit 3"), Duration::from_secs(20), |_| ())
                .unwrap();
        assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("out\n", "err\n"));
        assert!(!said.success());
        assert!(said.checked("the test").unwrap_err().to_string().contains("err"));
    }

    #[test]
    fn a_child_that_ignores_sigterm_ends_at_its_deadline() {
        let script = "trap '' TERM; echo here; while :; do sleep 0.1; done";
        let said = capture(shell(script), Duration::from_millis(500), |_| ()).unwrap();
        assert_eq!(said.ended, Ended::Deadline);
        assert_eq!(said.stdout, "here\n");
        assert!(said.time < Duration::from_secs(20));
    }

    #[test]
    fn what_must_not_be_cut_is_waited_for() {
        let said = capture_whole(shell("sleep 1; echo whole; exit 4"), |_| (), || ()).unwrap();
        assert_eq!((said.stdout.as_str(), said.success()), ("whole\n", false));
    }

    #[test]
    fn a_grandchild_cannot_hold_the_run_open() {
        let said =
            capture(shell("sleep 1000 & echo done"), Duration::from_secs(60), |_| ()).unwrap();
        assert!(said.success());
        assert!(said.time < Duration::from_secs(30), "{:?}", said.time);
    }
}
