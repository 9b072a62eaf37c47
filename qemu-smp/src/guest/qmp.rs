//! A running QEMU's control socket: questions, and what QEMU tells unasked.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::process::read_lines;

/// How long QEMU may take for one answer: its main loop runs even when the guest hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest answer that is read whole, in bytes.
const LONGEST: u64 = 1 << 20;

/// The control socket of a QEMU that was started, which greets in its own time.
pub(super) enum Control {
    Awaited(UnixStream),
    Open(Qmp),
    Refused(String),
}

impl Control {
    /// Makes a pair of sockets: ours, and the one that QEMU is to inherit.
    pub(super) fn new() -> Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair().context("cannot make a control socket")?;
        ours.set_nonblocking(true).context("cannot make a control socket")?;
        Ok((Self::Awaited(ours), theirs))
    }

    /// Looks whether QEMU has greeted, with a line, by now.
    fn connect(&mut self) {
        let Self::Awaited(stream) = self else { return };
        let mut byte = [0];
        loop {
            match stream.read(&mut byte) {
                Ok(1) if byte == *b"\n" => break,
                Ok(1) => {}
                Ok(_) => {
                    *self = Self::Refused("QEMU closed its control socket".to_owned());
                    return;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    *self = Self::Refused(error.to_string());
                    return;
                }
            }
        }
        let opened = stream.try_clone().map_err(Into::into).and_then(Qmp::greeted);
        *self = match opened {
            Ok(qmp) => Self::Open(qmp),
            Err(error) => Self::Refused(format!("{error:#}")),
        };
    }

    /// Whether the guest has shut the machine down.
    pub(super) fn is_shut_down(&mut self) -> bool {
        self.connect();
        match self {
            Self::Open(qmp) => qmp.is_shut_down(),
            Self::Awaited(_) | Self::Refused(_) => false,
        }
    }

    /// The connection, if there is one.
    pub(super) fn connected(&mut self) -> Result<&mut Qmp> {
        self.connect();
        match self {
            Self::Open(qmp) => Ok(qmp),
            Self::Awaited(_) => bail!("QEMU never greeted at its control socket"),
            Self::Refused(why) => bail!("{why}"),
        }
    }
}

/// A connection. After the first answer that does not come, every question fails at once.
pub struct Qmp {
    writer: UnixStream,
    messages: Receiver<String>,
    shut_down: bool,
    broken: bool,
}

impl Qmp {
    /// Begins to talk to a QEMU that has greeted.
    fn greeted(stream: UnixStream) -> Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let writer = stream.try_clone()?;
        let (sender, messages) = mpsc::sync_channel(64);
        // The thread ends with QEMU, whose end of the socket closes.
        read_lines(stream, LONGEST, sender, |line| line);
        let mut qmp = Self { writer, messages, shut_down: false, broken: false };
        qmp.ask("qmp_capabilities", json!({}))?;
        // What happened before this connection was told to nobody.
        let status = qmp.ask("query-status", json!({}))?;
        qmp.shut_down = status["status"] == "shutdown";
        Ok(qmp)
    }

    /// Whether the guest has shut the machine down, which a reset does here.
    pub fn is_shut_down(&mut self) -> bool {
        loop {
            match self.messages.try_recv() {
                Ok(line) => self.unasked(&line),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return self.shut_down,
            }
        }
    }

    /// Executes a command.
    pub fn ask(&mut self, command: &str, arguments: Value) -> Result<Value> {
        if self.broken {
            bail!("QEMU left an earlier question without an answer");
        }
        let question = json!({ "execute": command, "arguments": arguments });
        let answer = self.exchange(&question);
        self.broken = answer.is_err();
        let mut answer = answer?;
        match answer.get_mut("return") {
            Some(value) => Ok(value.take()),
            None => bail!("QEMU refuses {command}: {}", answer["error"]["desc"]),
        }
    }

    /// Executes a line of the monitor for people.
    pub fn monitor(&mut self, line: &str) -> Result<String> {
        match self.ask("human-monitor-command", json!({ "command-line": line }))? {
            Value::String(text) => Ok(text.replace("\r\n", "\n")),
            other => bail!("QEMU answered {other}"),
        }
    }

    /// Stops all CPUs; `resume` lets them go on.
    pub fn halt(&mut self) -> Result<()> {
        self.ask("stop", json!({})).map(|_| ())
    }

    /// Lets all CPUs go on.
    pub fn resume(&mut self) -> Result<()> {
        self.ask("cont", json!({})).map(|_| ())
    }

    /// The host's threads that execute the guest's CPUs.
    pub fn threads(&mut self) -> Result<Vec<i32>> {
        let cpus = self.ask("query-cpus-fast", json!({}))?;
        let cpus = cpus.as_array().context("QEMU told of no CPUs")?;
        let threads = cpus.iter().filter_map(|cpu| cpu["thread-id"].as_i64()?.try_into().ok());
        Ok(threads.collect())
    }

    fn exchange(&mut self, question: &Value) -> Result<Value> {
        writeln!(self.writer, "{question}").context("cannot ask QEMU")?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match self.messages.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => bail!("QEMU does not answer"),
                Err(RecvTimeoutError::Disconnected) => bail!("QEMU closed its control socket"),
            };
            let message: Value = serde_json::from_str(&line)
                .with_context(|| format!("QEMU sent no JSON: {line}"))?;
            if message.get("event").is_none() {
                return Ok(message);
            }
            self.unasked(&line);
        }
    }

    fn unasked(&mut self, line: &str) {
        let message: Value = serde_json::from_str(line).unwrap_or_default();
        self.shut_down |= message["event"] == "SHUTDOWN";
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::thread;

    use super::*;

    /// A QEMU that greets, and then answers each question with the next of these lines.
    fn impostor(answers: &'static [&'static str]) -> Result<Qmp> {
        let (mut control, mut stream) = Control::new().unwrap();
        assert!(control.connected().is_err(), "nobody has greeted yet");
        thread::spawn(move || {
            writeln!(stream, "{{\"QMP\":{{}}}}").unwrap();
            let mut questions = BufReader::new(stream.try_clone().unwrap());
            for answer in answers {
                questions.read_line(&mut String::new()).unwrap();
                writeln!(stream, "{answer}").unwrap();
            }
        });
        loop {
            control.connect();
            match control {
                Control::Awaited(_) => thread::yield_now(),
                Control::Open(qmp) => return Ok(qmp),
                Control::Refused(why) => bail!("{why}"),
            }
        }
    }

    #[test]
    fn what_comes_unasked_is_no_answer() {
        let mut qmp = impostor(&[
            r#"{"return":{}}"#,
            r#"{"return":{"status":"running"}}"#,
            "{\"event\":\"SHUTDOWN\"}\n{\"return\":\"EIP=1\"}",
        ])
        .unwrap();
        assert!(!qmp.is_shut_down());
        assert_eq!(qmp.monitor("info registers").unwrap(), "EIP=1");
        assert!(qmp.is_shut_down());
    }

    #[test]
    fn a_shutdown_before_the_connection_is_noticed() {
        let answers = &[r#"{"return":{}}"#, r#"{"return":{"status":"shutdown"}}"#];
        assert!(impostor(answers).unwrap().is_shut_down());
    }

    #[test]
    fn a_refusal_is_an_error_and_no_answer_is_the_last_one() {
        let mut qmp = impostor(&[
            r#"{"return":{}}"#,
            r#"{"return":{"status":"running"}}"#,
            r#"{"error":{"desc":"no"}}"#,
            "not JSON",
        ])
        .unwrap();
        let why = |result: Result<Value>| format!("{:#}", result.unwrap_err());
        assert!(why(qmp.ask("stop", json!({}))).contains("refuses stop: \"no\""));
        assert!(why(qmp.ask("stop", json!({}))).contains("not JSON"));
        assert!(why(qmp.ask("stop", json!({}))).contains("earlier question"));
    }
}
