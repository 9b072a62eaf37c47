//! A run of the guest, told to a person or to a program.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::crash::{Cpu, frame};
use super::kept::Kept;
use super::{Autopsy, Boot, Outcome, Panic, Symbols, Transcript, can_be_steady};

/// Console lines that a report ends with, and garbled lines that it shows.
const LAST_WORDS: usize = 20;

/// Everything that is known about one boot.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was asked for.
    pub boot: Boot,
    /// QEMU's command line.
    pub command: String,
    /// Where instructions were counted: that the run comes back, or why that cannot be promised.
    pub comes_back: Option<Result<(), String>>,
    /// How long it took.
    pub time: Duration,
    /// The judgement.
    pub outcome: Outcome,
    /// Of every line on the serial port.
    pub digest: String,
    /// What the kernel said.
    pub said: Transcript,
    /// What QEMU wrote to its standard error.
    pub complaints: Kept,
    /// After a hang or a reset: where every CPU was, or why QEMU would not tell.
    pub autopsy: Option<Result<Autopsy, String>>,
}

impl Report {
    /// Where each CPU was when the run went wrong, by whoever told it.
    pub fn cpus(&self) -> &[Cpu] {
        match &self.autopsy {
            Some(Ok(autopsy)) => &autopsy.cpus,
            _ => &self.said.cpus,
        }
    }

    /// Whether the command that runs it again gives the same run: only with proof.
    pub fn is_the_same_again(&self) -> bool {
        self.comes_back == Some(Ok(()))
    }

    /// One line: what ran and how it ended.
    pub fn headline(&self) -> String {
        let Boot { variant, smp, accel, .. } = &self.boot;
        let online = self.said.all_online.map_or(String::new(), |(cpus, us)| {
            format!(", {cpus} CPUs online after {:.2} s", Duration::from_micros(us).as_secs_f64())
        });
        format!(
            "{variant} on {smp} CPUs ({}): {} tests, {} findings{online}, {:.1} s: {}",
            accel.resolve().name(),
            self.said.tests.len(),
            self.said.findings.len(),
            self.time.as_secs_f64(),
            self.outcome.summary()
        )
    }

    /// What a person needs: the headline, tests and findings, and after a failure the evidence.
    pub fn text(&self, symbols: &Symbols) -> String {
        let mut text = format!("{}\n", self.headline());
        for test in &self.said.tests {
            let mark = if test.pass { "ok    " } else { "FAILED" };
            let _ = writeln!(text, "  {mark} {}: {}", test.name, test.detail);
        }
        for finding in &self.said.findings {
            let _ = writeln!(
                text,
                "  finding {} on CPU {} at {:#010x}: expected {:#x}, saw {:#x}: {}",
                finding.hazard,
                finding.cpu,
                finding.va,
                finding.expected,
                finding.seen,
                finding.detail
            );
        }
        for bench in &self.said.benches {
            let _ = writeln!(
                text,
                "  bench {}: median {} over {} samples ({} to {})",
                bench.name,
                nanoseconds(bench.median_ns),
                bench.samples,
                nanoseconds(bench.min_ns),
                nanoseconds(bench.max_ns)
            );
        }
        if let Some(comes_back) = &self.comes_back {
            let _ = writeln!(text, "  digest of all that the kernel said: {}", self.digest);
            if let Err(why) = comes_back {
                let _ = writeln!(text, "  another run may differ: {why}");
            }
        }
        if !self.outcome.passed() {
            self.evidence(symbols, &mut text);
        }
        text
    }

    /// The same with the whole console.
    pub fn full_text(&self, symbols: &Symbols) -> String {
        let mut text = self.text(symbols);
        if let Some(Ok(Autopsy { registers, .. })) = &self.autopsy {
            let _ = writeln!(text, "--- info registers -a\n{registers}");
        }
        let _ = writeln!(text, "--- console");
        for line in self.said.console.iter() {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    fn evidence(&self, symbols: &Symbols, text: &mut String) {
        for problem in &self.outcome.problems {
            let _ = writeln!(text, "  problem: {}", problem.words());
        }
        if let Some(panic) = &self.said.panic {
            let told = self.said.cpus.iter().any(|cpu| cpu.cpu == panic.cpu);
            describe_panic(panic, told, symbols, text);
        }
        if let Some(Err(why)) = &self.autopsy {
            let _ = writeln!(text, "  QEMU did not tell where the CPUs were: {why}");
        }
        for cpu in self.cpus() {
            cpu.describe(symbols, text);
        }
        for line in self.said.garbled.iter().take(LAST_WORDS) {
            let _ = writeln!(text, "  garbled: {line}");
        }
        let more = self.said.garbled.len().saturating_sub(LAST_WORDS);
        if more > 0 {
            let _ = writeln!(text, "  garbled: {more} more lines, all in the report as JSON");
        }
        let skip = self.complaints.len().saturating_sub(LAST_WORDS);
        if skip + self.complaints.dropped() > 0 {
            let before = skip + self.complaints.dropped();
            let _ = writeln!(text, "  qemu: {before} lines, and then:");
        }
        for line in &self.complaints[skip..] {
            let _ = writeln!(text, "  qemu: {line}");
        }
        let console = &self.said.console;
        let skip = console.len().saturating_sub(LAST_WORDS);
        if !self.outcome.only_tests_failed() && !console.is_empty() {
            let before = skip + console.dropped();
            let _ = writeln!(text, "  last words of the console ({before} lines before them):");
            for line in &console[skip..] {
                let _ = writeln!(text, "    | {line}");
            }
        }
        let _ = writeln!(text, "  command: {}", self.command);
        let again = self.boot.again();
        let _ = match &self.comes_back {
            Some(Ok(())) => writeln!(text, "  the same again: {again}"),
            None if can_be_steady() => writeln!(
                text,
                "  again, in an order that the host chooses (--icount 2 makes one that comes back): {again}"
            ),
            _ => writeln!(text, "  again, in an order that the host chooses: {again}"),
        };
    }

    /// For programs.
    pub fn json(&self, symbols: &Symbols) -> Value {
        let backtrace = |panic: &Panic| -> Vec<Value> {
            let lines = |&address: &u32| json!({ "address": address, "lines": symbols.lines(address.wrapping_sub(1)) });
            panic.backtrace.iter().map(lines).collect()
        };
        json!({
            "schema": 1,
            "variant": self.boot.variant,
            "smp": self.boot.smp,
            "accel": self.boot.accel.resolve().name(),
            "append": self.boot.append(),
            "icount": self.boot.icount,
            "digest": self.digest,
            "again": self.boot.again(),
            "again_is_the_same_run": self.is_the_same_again(),
            "another_run_may_differ": self.comes_back.as_ref().and_then(|proof| proof.as_ref().err()),
            "passed": self.outcome.passed(),
            "summary": self.outcome.summary(),
            "problems": self.outcome.problems,
            "seconds": self.time.as_secs_f64(),
            "said": self.said,
            "at": self.said.panic.as_ref().map(|panic| symbols.lines(panic.regs[0])),
            "backtrace": self.said.panic.as_ref().map(backtrace),
            "cpus": self.cpus().iter().map(|cpu| cpu.json(symbols)).collect::<Vec<_>>(),
            "registers": self.autopsy.as_ref().and_then(|told| told.as_ref().ok()).map(|told| &told.registers),
            "qemu_silent": self.autopsy.as_ref().and_then(|told| told.as_ref().err()),
            "qemu": self.complaints,
            "dropped": {
                "console": self.said.console.dropped(),
                "garbled": self.said.garbled.dropped(),
                "qemu": self.complaints.dropped(),
            },
            "command": self.command,
        })
    }
}

/// `told` is whether the CPU is described with the others.
fn describe_panic(panic: &Panic, told: bool, symbols: &Symbols, text: &mut String) {
    let [eip, esp, cr2, cr3] = panic.regs;
    let _ = writeln!(text, "  panic on CPU {}: {}", panic.cpu, panic.message);
    if told {
        return;
    }
    let _ =
        writeln!(text, "    eip {eip:#010x}  esp {esp:#010x}  cr2 {cr2:#010x}  cr3 {cr3:#010x}");
    frame(text, "at", eip, &symbols.lines(eip));
    for &address in &panic.backtrace {
        frame(text, "by", address, &symbols.lines(address.wrapping_sub(1)));
    }
}

/// Nanoseconds in a readable unit.
pub fn nanoseconds(ns: u64) -> String {
    let ns = ns as f64;
    match ns {
        _ if ns >= 1e9 => format!("{:.2} s", ns / 1e9),
        _ if ns >= 1e6 => format!("{:.2} ms", ns / 1e6),
        _ if ns >= 1e3 => format!("{:.2} us", ns / 1e3),
        _ => format!("{ns:.0} ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(nanoseconds(999), "999 ns");
        assert_eq!(nanoseconds(12_340_000), "12.34 ms");
    }
}
