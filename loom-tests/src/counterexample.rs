//! The steps of an execution, kept cheaply while it runs and written out if it breaks a property.

use std::sync::Mutex;

use mmu386::arch::WordName;
use mmu386::event::Event;
use serde::Serialize;

use crate::machine::Translation;

/// What a CPU did.
#[derive(Debug, Clone, Copy)]
pub enum Op {
    /// Plain load; the value read.
    Load(WordName, u32),
    /// Plain store; the value written.
    Store(WordName, u32),
    /// A plain store has left the store buffer; the value written.
    Reached(WordName, u32),
    /// LOCKed operation; the values before and after.
    Locked(WordName, u32, u32),
    /// CR3 load; physical address of the page directory.
    Cr3(u32),
    /// INVLPG; virtual address.
    Invlpg(u32),
    /// An IPI to a CPU.
    Kick(usize),
    /// A clock tick was taken.
    Tick,
    /// A shootdown IPI was taken.
    Ipi,
    /// A device's interrupt was taken.
    Device,
    /// The TLB filled.
    Fill(Translation),
    /// An access at a virtual address that a program makes.
    Access(u32),
    /// The CPU waits until a word no longer holds the value.
    Wait(WordName, u32),
    /// The process left this CPU, and went on another.
    Moved(usize, usize),
    /// The core says what it does.
    Core(Event),
}

/// The steps of one execution.
#[derive(Default)]
pub struct Log(Mutex<Vec<(usize, Op)>>);

/// A step, for people and programs.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Position in the interleaving, from 1.
    pub step: usize,
    /// CPU that made it.
    pub cpu: usize,
    /// Kind of step.
    pub op: String,
    /// Word, address or CPU that it concerns.
    pub target: String,
    /// Value read or written.
    pub value: String,
    /// What it means.
    pub note: String,
}

/// An execution that broke a property.
#[derive(Debug, Clone, Serialize)]
pub struct Counterexample {
    /// What went wrong, in a sentence.
    pub summary: String,
    /// Name of the property that broke.
    pub property: String,
    /// All steps, in order.
    pub steps: Vec<Step>,
    /// State at the end: per CPU, its page directory and what its TLB may hold.
    #[serde(rename = "final")]
    pub end: Vec<String>,
}

impl Log {
    /// Appends a step of `cpu`.
    pub fn push(&self, cpu: usize, op: Op) {
        self.0.lock().expect("no panic while it is held").push((cpu, op));
    }

    /// The words that a CPU waits for, if waiting is the last that it did.
    pub fn waits(&self, cpu: usize) -> Vec<String> {
        let log = self.0.lock().expect("no panic while it is held");
        let last = log.iter().rev().filter(|(n, op)| *n == cpu && !matches!(op, Op::Reached(..)));
        let waits = last.map_while(|(_, op)| match op {
            Op::Wait(word, value) => {
                Some(format!("cpu {cpu} for {} to leave {value:#x}", name(*word)))
            }
            _ => None,
        });
        waits.collect()
    }

    /// Forgets the steps of set-up.
    pub fn clear(&self) {
        self.0.lock().expect("no panic while it is held").clear();
    }

    /// The steps so far, written out.
    pub fn steps(&self) -> Vec<Step> {
        let log = self.0.lock().expect("no panic while it is held");
        log.iter().enumerate().map(|(i, &(cpu, op))| describe(i + 1, cpu, op)).collect()
    }
}

/// A word's name as a person would write it.
pub fn name(word: WordName) -> String {
    match word {
        WordName::FlushMmu(n) => format!("MACHP({n})->flushmmu"),
        WordName::Flushed(n) => format!("MACHP({n})->flushed"),
        WordName::Online(n) => format!("active.machs[{n}]"),
        WordName::NewTlb(n) => format!("proc {n} newtlb"),
        WordName::State(n) => format!("proc {n} state"),
        WordName::Running(n) => format!("MACHP({n})->proc"),
        WordName::Flushes(n) => format!("proc {n} flushes"),
        WordName::SegmentLock(base) => format!("lock of the segment at {base:#x}"),
        WordName::VmapLock => "vmaplock".into(),
        WordName::FlushGen => "flushgen".into(),
        WordName::SlotGen => "slotgen".into(),
        WordName::Other(what, n) => format!("{what} of cpu {n}"),
        WordName::Entry(frame, index) => match crate::machine::role_of(frame) {
            Some(role) => format!("{role}[{index}]"),
            None => format!("entry {index} of frame {:#x}", frame.pa()),
        },
    }
}

fn describe(step: usize, cpu: usize, op: Op) -> Step {
    let hex = |v: u32| format!("{v:#x}");
    let (op, target, value, note) = match op {
        Op::Load(word, v) => ("load", name(word), hex(v), String::new()),
        Op::Store(word, v) => ("store", name(word), hex(v), String::new()),
        Op::Reached(word, v) => {
            ("memory", name(word), hex(v), "an earlier store is visible to all".into())
        }
        Op::Locked(word, old, new) => {
            ("lock", name(word), hex(new), format!("was {old:#x}; LOCKed"))
        }
        Op::Cr3(pa) => ("cr3", "CR3".into(), hex(pa), "drops the TLB".into()),
        Op::Invlpg(va) => ("invlpg", hex(va), String::new(), "drops one page".into()),
        Op::Kick(n) => ("ipi", format!("cpu {n}"), String::new(), "asks it to flush".into()),
        Op::Device => ("device", String::new(), String::new(), "device interrupt".into()),
        Op::Tick => ("tick", String::new(), String::new(), "clock interrupt".into()),
        Op::Ipi => ("irq", String::new(), String::new(), "shootdown interrupt".into()),
        Op::Fill(Translation { va, pa, .. }) => {
            ("fill", hex(va), hex(pa), "the TLB may hold this from here".into())
        }
        Op::Access(va) => ("use", hex(va), String::new(), "a program uses the address".into()),
        Op::Wait(word, v) => ("wait", name(word), hex(v), "until it changes".into()),
        Op::Moved(from, to) => {
            ("move", format!("cpu {from} -> {to}"), String::new(), "slept and woke".into())
        }
        Op::Core(event) => ("mmu", String::new(), String::new(), event.to_string()),
    };
    Step { step, cpu, op: op.into(), target, value, note }
}

/// A row for people: the verdict with its bounds, and the counterexample as a timeline with a column
/// per CPU.
pub fn text(row: &crate::verdict::Row) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    let bound = match row.preemption_bound {
        Some(bound) => format!("at most {bound} preemptions"),
        None if row.exhaustive => "exhaustive".into(),
        None => "no preemption bound".into(),
    };
    let _ = writeln!(
        out,
        "{}: {:?} ({} CPUs, {bound}, {} executions, {:.1} s); expected: {}",
        row.id, row.verdict, row.cpus, row.executions, row.seconds, row.expected
    );
    if let Some(note) = &row.note {
        let _ = writeln!(out, "  {note}");
    }
    let Some(shown) = &row.counterexample else { return out };
    let _ = writeln!(out, "{} is broken: {}", shown.property, shown.summary);
    for step in &shown.steps {
        let indent = " ".repeat(step.cpu * 4);
        let Step { step, cpu, op, target, value, note } = step;
        let _ = writeln!(out, "{step:4} {indent}cpu{cpu} {op:6} {target} {value} {note}");
    }
    for line in &shown.end {
        let _ = writeln!(out, "  {line}");
    }
    out
}
