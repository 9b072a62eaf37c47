//! What the kernel said over the serial port.

use std::collections::BTreeSet;

use mmu386_wire::events::{Event, NO_PROCESS};
use mmu386_wire::soak::Counters;
use mmu386_wire::{Line, PREFIX, REGISTERS};
use serde::Serialize;

use super::Runs;
use super::crash::{Cpu, Process, Source};
use super::kept::{Kept, MOST};

/// A test that reported.
#[derive(Debug, Clone, Serialize)]
pub struct TestResult {
    /// Its name.
    pub name: String,
    /// Whether it passed.
    pub pass: bool,
    /// What it did and what went wrong.
    pub detail: String,
}

/// Something that the oracle caught.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Ledger entry.
    pub hazard: String,
    /// CPU that made the access.
    pub cpu: u32,
    /// Address.
    pub va: u32,
    /// Tag that should have been read.
    pub expected: u32,
    /// Tag that was read.
    pub seen: u32,
    /// What this means.
    pub detail: String,
}

/// A measurement.
#[derive(Debug, Clone, Serialize)]
pub struct Bench {
    /// What was measured.
    pub name: String,
    /// How many samples.
    pub samples: u32,
    /// Their median.
    pub median_ns: u64,
    /// The smallest.
    pub min_ns: u64,
    /// The largest.
    pub max_ns: u64,
}

/// The kernel's last words.
#[derive(Debug, Clone, Serialize)]
pub struct Panic {
    /// CPU that panicked.
    pub cpu: u32,
    /// Its message.
    pub message: String,
    /// Program counter, stack pointer, CR2 and CR3.
    pub regs: [u32; 4],
    /// Return addresses, innermost first.
    pub backtrace: Vec<u32>,
}

/// How far a soak came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Soaked {
    /// Milliseconds of guest time.
    pub ms: u32,
    /// What happened.
    pub counters: Counters,
    /// Calls of vunmap by their time, in the wire's buckets.
    pub latencies: Vec<u32>,
}

/// Random programs in ring 3, as the kernel told last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fuzzed {
    /// Numbers of those that ran.
    pub alive: Vec<u32>,
    /// The number of the next one.
    pub next: u32,
    /// Exceptions that ended processes in ring 3, by vector.
    pub vectors: Vec<u32>,
}

/// Everything that came over the wire, sorted.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Transcript {
    /// What the kernel says it runs.
    pub boot: Option<Runs>,
    /// CPUs that entered the scheduler, in order of arrival.
    pub online: Vec<u32>,
    /// All CPUs online: how many, and microseconds after power-on.
    pub all_online: Option<(u32, u64)>,
    /// How many tests were announced.
    pub planned: Option<u32>,
    /// Tests that reported.
    pub tests: Vec<TestResult>,
    /// What the oracle caught.
    pub findings: Vec<Finding>,
    /// Measurements.
    pub benches: Vec<Bench>,
    /// Functions of mmu.c that the kernel says have run.
    pub functions: BTreeSet<String>,
    /// The first panic.
    pub panic: Option<Panic>,
    /// Where each CPU was when the kernel panicked.
    #[serde(skip)]
    pub cpus: Vec<Cpu>,
    /// How far a soak came, as it told last.
    pub soaked: Option<Soaked>,
    /// Random programs in ring 3.
    pub fuzzed: Option<Fuzzed>,
    /// The kernel's own count of tests passed and failed.
    pub done: Option<(u32, u32)>,
    /// Lines that should have been events and could not be read.
    pub garbled: Kept,
    /// Console text; of a flood, the end.
    pub console: Kept,
}

/// Adds to a list, unless there are more already than any guest has a reason to send.
fn add<T>(list: &mut Vec<T>, item: T) -> bool {
    let room = list.len() < MOST;
    if room {
        list.push(item);
    }
    room
}

impl Transcript {
    /// Takes one line in.
    pub fn feed(&mut self, line: &str) {
        if let Some(json) = line.strip_prefix(PREFIX) {
            match serde_json::from_str::<Line<'static>>(json) {
                Ok(event) if event.within_bounds() => {
                    if !self.event(event) {
                        self.garbled(format!("{line}  [more than {MOST} of a kind]"));
                    }
                }
                Ok(_) => self.garbled(format!("{line}  [out of bounds]")),
                Err(error) => self.garbled(format!("{line}  [{error}]")),
            }
        } else if line.contains(PREFIX) {
            self.garbled(format!("{line}  [an event in the middle of a line]"));
        } else {
            self.console.keep(line.to_owned());
        }
    }

    fn garbled(&mut self, line: String) {
        self.garbled.keep(line);
    }

    /// Takes an event in; `false` where there are too many of its kind.
    fn event(&mut self, event: Line<'static>) -> bool {
        match event {
            Line::Boot { variant, cpus, options } => {
                self.boot = Some(Runs { variant: variant.into_owned(), cpus, options });
            }
            Line::CpuOnline { cpu } => return add(&mut self.online, cpu),
            Line::CpusOnline { cpus, us } => self.all_online = Some((cpus, us)),
            Line::Plan { tests } => self.planned = Some(self.planned.unwrap_or(0) + tests),
            Line::Test { name, pass, detail } => {
                let (name, detail) = (name.into_owned(), detail.into_owned());
                return add(&mut self.tests, TestResult { name, pass, detail });
            }
            Line::Finding { hazard, cpu, va, expected, seen, detail } => {
                let (hazard, detail) = (hazard.into_owned(), detail.into_owned());
                let finding = Finding { hazard, cpu, va, expected, seen, detail };
                return add(&mut self.findings, finding);
            }
            Line::Bench { name, samples, median_ns, min_ns, max_ns } => {
                let name = name.into_owned();
                return add(&mut self.benches, Bench { name, samples, median_ns, min_ns, max_ns });
            }
            Line::Functions { names } => {
                self.functions.extend(names.iter().map(|name| name.clone().into_owned()));
                return self.functions.len() <= MOST;
            }
            Line::Panic { cpu, message, regs, backtrace } => {
                let backtrace = backtrace.into_iter().take_while(|&address| address != 0).collect();
                let panic = Panic { cpu, message: message.into_owned(), regs, backtrace };
                self.panic.get_or_insert(panic);
            }
            Line::Cpu { cpu, process, name, regs, backtrace } => {
                let process = (process != NO_PROCESS)
                    .then(|| Process { index: process, name: name.into_owned() });
                let registers = REGISTERS.iter().map(|&name| name.to_owned()).zip(regs).collect();
                let backtrace = backtrace.into_iter().take_while(|&address| address != 0).collect();
                let (source, halted, events) = (Source::Kernel, None, Vec::new());
                let cpu = Cpu { cpu, source, process, registers, halted, backtrace, events };
                return add(&mut self.cpus, cpu);
            }
            Line::Events { cpu, events } => {
                let known = self.cpus.iter_mut().rfind(|known| known.cpu == cpu);
                match known {
                    Some(known) if known.events.len() > MOST => return false,
                    Some(known) => known.events.extend(events.iter().copied().map(Event)),
                    None => self.console.keep(format!("events of CPU {cpu}, which did not stop:")),
                }
            }
            Line::Soak { ms, counters } => {
                let soaked = self.soaked.get_or_insert_default();
                (soaked.ms, soaked.counters) = (ms, counters);
            }
            Line::Latency { buckets } => {
                self.soaked.get_or_insert_default().latencies = buckets.into_owned();
            }
            Line::Fuzz { alive, next, vectors } => {
                let (alive, vectors) = (alive.into_owned(), vectors.into_owned());
                self.fuzzed = Some(Fuzzed { alive, next, vectors });
            }
            Line::Done { passed, failed } => self.done = Some((passed, failed)),
        }
        true
    }

    /// CPUs of `0..smp` that never said they were online.
    pub fn lost_cpus(&self, smp: u32) -> Vec<u32> {
        (0..smp).filter(|cpu| !self.online.contains(cpu)).collect()
    }

    /// The hazards that the oracle caught, each once.
    pub fn hazards(&self) -> Vec<String> {
        let mut hazards: Vec<String> =
            self.findings.iter().map(|finding| finding.hazard.clone()).collect();
        hazards.sort();
        hazards.dedup();
        hazards
    }
}

#[cfg(test)]
mod tests {
    use mmu386_wire::{NAMES, Options};
    use serde_json::json;

    use super::*;

    #[test]
    fn events_and_console_text_are_told_apart() {
        let mut said = Transcript::default();
        said.feed("hello");
        let boot = Line::Boot { variant: "seed".into(), cpus: 2, options: Options::default() };
        said.feed(&format!("{PREFIX}{}", json!(boot)));
        said.feed(r#"@smp {"event":"cpu_online","cpu":1}"#);
        assert_eq!(*said.console, ["hello"]);
        let runs = said.boot.as_ref().unwrap();
        assert_eq!((runs.variant.as_str(), runs.cpus), ("seed", 2));
        assert_eq!(runs.options, Options::default());
        assert_eq!(said.lost_cpus(2), [0]);
        assert!(said.garbled.is_empty());
    }

    #[test]
    fn a_guest_that_sends_events_for_ever_fills_no_memory_and_cannot_pass() {
        let mut said = Transcript::default();
        for _ in 0..MOST + 5 {
            said.feed(r#"@smp {"event":"cpu_online","cpu":1}"#);
        }
        assert_eq!((said.online.len(), said.garbled.len()), (MOST, 5));
    }

    #[test]
    fn garbled_lines_are_kept_and_do_no_harm() {
        let mut said = Transcript::default();
        for line in [
            "@smp {\"event\":\"do",
            "@smp ",
            "@smp {\"event\":\"nonsense\"}",
            "x@smp {}",
            "@smp \u{fffd}",
        ] {
            said.feed(line);
        }
        assert_eq!(said.garbled.len(), 5, "{:?}", said.garbled);
        assert!(said.done.is_none());
    }

    #[test]
    fn the_functions_of_all_lines_are_one_set() {
        let mut said = Transcript::default();
        said.feed(r#"@smp {"event":"functions","names":["vunmap","vmap"]}"#);
        said.feed(r#"@smp {"event":"functions","names":["vmap","mmuwalk"]}"#);
        assert_eq!(json!(said)["functions"], json!(["mmuwalk", "vmap", "vunmap"]));
        assert!(said.garbled.is_empty());
    }

    #[test]
    fn garbled_functions_are_kept_and_do_not_count_as_run() {
        let mut said = Transcript::default();
        let many = json!({ "event": "functions", "names": vec!["vmap"; NAMES + 1] });
        for line in [
            r#"@smp {"event":"functions","names":["vmap","vun"#,
            r#"@smp {"event":"functions","names":"vmap"}"#,
            r#"@smp {"event":"functions","names":[""]}"#,
            r#"@smp {"event":"functions"}"#,
            &format!("{PREFIX}{many}"),
        ] {
            said.feed(line);
        }
        assert_eq!(said.garbled.len(), 5, "{:?}", said.garbled);
        assert!(said.functions.is_empty());
    }
}
