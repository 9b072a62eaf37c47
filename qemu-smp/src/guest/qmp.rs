//! Asks a running QEMU about its CPUs, over its control socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// How long QEMU may take for one answer: its main loop runs even when the guest hangs.
const PATIENCE: Duration = Duration::from_secs(5);
/// Messages to read before giving up on an answer; events may come in between.
const MESSAGES: usize = 64;

/// The registers of every CPU, as QEMU prints them.
pub(super) fn registers(socket: &Path) -> Result<String> {
    let stream = UnixStream::connect(socket).context("cannot reach QEMU's control socket")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    read(&mut reader)?;
    ask(&mut writer, &mut reader, &json!({ "execute": "qmp_capabilities" }))?;
    let question = json!({
        "execute": "human-monitor-command",
        "arguments": { "command-line": "info registers -a" },
    });
    match ask(&mut writer, &mut reader, &question)? {
        Value::String(text) => Ok(text.replace("\r\n", "\n")),
        other => bail!("QEMU answered {other}"),
    }
}

fn ask(writer: &mut impl Write, reader: &mut impl BufRead, question: &Value) -> Result<Value> {
    writeln!(writer, "{question}").context("cannot ask QEMU")?;
    for _ in 0..MESSAGES {
        let mut answer = read(reader)?;
        if let Some(value) = answer.get_mut("return") {
            return Ok(value.take());
        }
        if let Some(error) = answer.get("error") {
            bail!("QEMU refuses: {error}");
        }
    }
    bail!("QEMU sent {MESSAGES} messages and no answer")
}

fn read(reader: &mut impl BufRead) -> Result<Value> {
    let mut line = String::new();
    if reader.read_line(&mut line).context("QEMU does not answer")? == 0 {
        bail!("QEMU closed its control socket");
    }
    serde_json::from_str(&line).with_context(|| format!("QEMU sent no JSON: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_before_the_answer_are_skipped() {
        let mut answers = "{\"event\":\"STOP\"}\n{\"return\":\"EIP=1\"}\n".as_bytes();
        let value = ask(&mut Vec::new(), &mut answers, &json!({})).unwrap();
        assert_eq!(value, "EIP=1");
    }

    #[test]
    fn a_refusal_is_an_error() {
        let mut answers = "{\"error\":{\"desc\":\"no\"}}\n".as_bytes();
        assert!(ask(&mut Vec::new(), &mut answers, &json!({})).is_err());
    }
}
