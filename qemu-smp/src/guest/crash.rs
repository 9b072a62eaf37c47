//! Where every CPU was when a run went wrong: as the kernel told it, or as QEMU did.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mmu386_wire::events::Event;
use serde::Serialize;
use serde_json::{Value, json};

use super::Symbols;

/// Events that a person is shown for each CPU; JSON has all.
const SHOWN: usize = 12;

/// Who told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The kernel, when it panicked.
    Kernel,
    /// QEMU, because the kernel was silent.
    Qemu,
}

/// A process that a CPU ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
}

/// Where one CPU was.
#[derive(Debug, Clone)]
pub struct Cpu {
    /// Its number.
    pub cpu: u32,
    /// Who says so.
    pub source: Source,
    /// The process that it ran.
    pub process: Option<Process>,
    /// Its registers, by the names of the wire.
    pub registers: BTreeMap<String, u32>,
    /// Whether it waited for an interrupt; only QEMU knows.
    pub halted: Option<bool>,
    /// Return addresses, innermost first.
    pub backtrace: Vec<u32>,
    /// What it did last, oldest first.
    pub events: Vec<Event>,
}

impl Cpu {
    fn register(&self, name: &str) -> u32 {
        self.registers.get(name).copied().unwrap_or_default()
    }

    fn interrupts(&self) -> bool {
        self.register("eflags") & 1 << 9 != 0
    }

    /// For a person.
    pub fn describe(&self, symbols: &Symbols, text: &mut String) {
        let runs = match &self.process {
            Some(process) => format!("process {} ({})", process.index, process.name),
            None => "no process".to_owned(),
        };
        let interrupts = if self.interrupts() { "on" } else { "off" };
        let halted = if self.halted == Some(true) { ", halted" } else { "" };
        let _ = writeln!(text, "  CPU {}: {runs}, interrupts {interrupts}{halted}", self.cpu);
        for names in [
            &["eax", "ebx", "ecx", "edx", "esi", "edi"][..],
            &["eip", "esp", "ebp", "eflags", "cs"],
            &["cr0", "cr2", "cr3", "cr4"],
        ] {
            let words = names.iter().map(|name| format!("{name} {:#010x}", self.register(name)));
            let _ = writeln!(text, "    {}", words.collect::<Vec<_>>().join("  "));
        }
        let eip = self.register("eip");
        frame(text, "at", eip, &symbols.lines(eip));
        for &address in &self.backtrace {
            frame(text, "by", address, &symbols.lines(address.wrapping_sub(1)));
        }
        let skip = self.events.len().saturating_sub(SHOWN);
        if let Some(last) = self.events.last() {
            let _ =
                writeln!(text, "    its last events, by the time stamp counter ({skip} before):");
            for event in &self.events[skip..] {
                let before = last.tsc().wrapping_sub(event.tsc());
                let _ = writeln!(text, "      {:>20}  (-{before})  {event}", event.tsc());
            }
        }
    }

    /// For programs.
    pub fn json(&self, symbols: &Symbols) -> Value {
        let frame = |&address: &u32| json!({ "address": address, "lines": symbols.lines(address.wrapping_sub(1)) });
        let event = |event: &Event| json!({ "tsc": event.tsc(), "what": event.to_string() });
        json!({
            "cpu": self.cpu,
            "source": self.source,
            "process": self.process,
            "registers": self.registers,
            "interrupts": self.interrupts(),
            "halted": self.halted,
            "at": symbols.lines(self.register("eip")),
            "backtrace": self.backtrace.iter().map(frame).collect::<Vec<_>>(),
            "events": self.events.iter().map(event).collect::<Vec<_>>(),
        })
    }
}

/// One address with its source lines.
pub(super) fn frame(text: &mut String, word: &str, address: u32, lines: &[String]) {
    for (index, line) in lines.iter().enumerate() {
        let _ = match index {
            0 => writeln!(text, "    {word} {address:#010x}  {line}"),
            _ => writeln!(text, "       {:10}  inlined in {line}", ""),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use mmu386_wire::events::Kind;

    use super::*;

    #[test]
    fn a_cpu_is_told_with_its_process_its_place_and_its_events() {
        let registers = [("eip", 0xf010_1234), ("eflags", 0x200), ("cr3", 0x3000)];
        let cpu = Cpu {
            cpu: 3,
            source: Source::Qemu,
            process: Some(Process { index: 5, name: "worker".to_owned() }),
            registers: registers.map(|(name, value)| (name.to_owned(), value)).into(),
            halted: Some(true),
            backtrace: vec![0xf010_5678],
            events: vec![Event::new(100, Kind::Serving, 0, 0), Event::new(130, Kind::Enter, 5, 0)],
        };
        let symbols = Symbols::read(Path::new("no such file"));
        let mut text = String::new();
        cpu.describe(&symbols, &mut text);
        for words in [
            "CPU 3: process 5 (worker), interrupts on, halted",
            "at 0xf0101234",
            "by 0xf0105678",
            "cr3 0x00003000",
            "(-30)  flushes",
            "(-0)  enters process 5",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let json = cpu.json(&symbols);
        assert_eq!(json["process"]["name"], "worker");
        assert_eq!(json["events"][1]["what"], "enters process 5");
    }
}
