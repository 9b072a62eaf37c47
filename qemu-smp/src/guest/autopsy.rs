//! A guest that says nothing any more: its CPUs, stacks and events, out of QEMU.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use mmu386_wire::events::{Event, HEAD, KZERO, NO_PROCESS, RING, RING_WORDS, RINGS, SYMBOL, WORDS};
use mmu386_wire::{NAME, REGISTERS};
use serde_json::json;

use super::crash::{Cpu, Process, Source};
use super::qmp::Qmp;
use super::symbols::Symbols;

/// Return addresses of a backtrace.
const FRAMES: usize = 32;
const PAGE: u32 = 4096;

/// What QEMU says of a guest that has stopped or hangs.
#[derive(Debug, Clone)]
pub struct Autopsy {
    /// Every CPU's registers, as QEMU prints them.
    pub registers: String,
    /// Where each CPU was.
    pub cpus: Vec<Cpu>,
}

/// Stops the machine and looks. `room` is a folder that QEMU can write to.
pub(super) fn examine(qmp: &mut Qmp, symbols: &Symbols, room: PathBuf) -> Result<Autopsy> {
    // Refused where the machine has stopped by itself.
    let _ = qmp.ask("stop", json!({}));
    let registers = qmp.monitor("info registers -a")?;
    let told = parse(&registers);
    let mut memory = Memory { qmp, file: room.join("memory"), pages: HashMap::new() };
    let rings = symbols.address(SYMBOL);
    let cpus = told.into_iter().map(|seen| {
        let Seen { cpu, registers, halted } = seen;
        let user = registers.get("cs").is_some_and(|cs| cs & 3 != 0);
        let ebp = registers.get("ebp").copied().filter(|_| !user);
        let backtrace = ebp.map_or_else(Vec::new, |ebp| memory.backtrace(cpu, ebp));
        let ring = rings.filter(|_| (cpu as usize) < RINGS);
        let ring = ring.map(|rings| rings + cpu * RING_WORDS as u32 * 4);
        let (process, events) = ring.map_or((None, Vec::new()), |ring| memory.ring(cpu, ring));
        Cpu { cpu, source: Source::Qemu, process, registers, halted, backtrace, events }
    });
    let cpus = cpus.collect();
    Ok(Autopsy { registers, cpus })
}

/// A CPU in QEMU's list.
struct Seen {
    cpu: u32,
    registers: BTreeMap<String, u32>,
    halted: Option<bool>,
}

/// Reads what `info registers -a` prints.
fn parse(text: &str) -> Vec<Seen> {
    let mut cpus: Vec<Seen> = Vec::new();
    for line in text.lines() {
        if let Some(number) = line.trim().strip_prefix("CPU#") {
            let cpu = number.parse().unwrap_or(u32::MAX);
            cpus.push(Seen { cpu, registers: BTreeMap::new(), halted: None });
        }
        let Some(seen) = cpus.last_mut() else { continue };
        // Segment registers have a blank before the sign.
        let line = line.replace(" =", "=");
        for (name, value) in line.split_whitespace().filter_map(|word| word.split_once('=')) {
            if name == "HLT" {
                seen.halted = Some(value != "0");
            }
            let name = if name == "EFL" { "eflags".to_owned() } else { name.to_lowercase() };
            if let (true, Ok(value)) =
                (REGISTERS.contains(&name.as_str()), u32::from_str_radix(value, 16))
            {
                seen.registers.entry(name).or_insert(value);
            }
        }
    }
    cpus.retain(|seen| seen.registers.contains_key("eip"));
    cpus
}

/// The guest's memory, a page at a time.
struct Memory<'a> {
    qmp: &'a mut Qmp,
    file: PathBuf,
    pages: HashMap<(u32, u32), Option<Vec<u8>>>,
}

impl Memory<'_> {
    /// The word that a CPU sees at an address.
    fn word(&mut self, cpu: u32, va: u32) -> Option<u32> {
        if !va.is_multiple_of(4) {
            return None;
        }
        let page = va & !(PAGE - 1);
        if !self.pages.contains_key(&(cpu, page)) {
            let bytes = self.page(cpu, page);
            self.pages.insert((cpu, page), bytes);
        }
        let bytes = self.pages.get(&(cpu, page))?.as_ref()?;
        let at = (va - page) as usize;
        Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
    }

    /// Through the CPU's page tables; where those are broken, through the kernel's window as it ought
    /// to be.
    fn page(&mut self, cpu: u32, va: u32) -> Option<Vec<u8>> {
        let file = self.file.display().to_string();
        let virtually = json!({ "val": va, "size": PAGE, "filename": file, "cpu-index": cpu });
        let physically = va.checked_sub(KZERO);
        let saved = self.qmp.ask("memsave", virtually).is_ok()
            || physically.is_some_and(|pa| {
                let what = json!({ "val": pa, "size": PAGE, "filename": file });
                self.qmp.ask("pmemsave", what).is_ok()
            });
        let bytes = if saved { fs::read(&self.file).ok() } else { None };
        bytes.filter(|bytes| bytes.len() == PAGE as usize)
    }

    fn backtrace(&mut self, cpu: u32, mut ebp: u32) -> Vec<u32> {
        let mut list = Vec::new();
        while list.len() < FRAMES {
            let next = self.word(cpu, ebp);
            let pc = ebp.checked_add(4).and_then(|va| self.word(cpu, va));
            let (Some(next), Some(pc)) = (next, pc) else { break };
            if pc == 0 {
                break;
            }
            list.push(pc);
            // Frames of one stack go up; anything else is not a frame.
            if next <= ebp {
                break;
            }
            ebp = next;
        }
        list
    }

    /// What a CPU runs and did last, from its ring.
    fn ring(&mut self, cpu: u32, ring: u32) -> (Option<Process>, Vec<Event>) {
        let mut word = |index: usize| self.word(cpu, ring + index as u32 * 4);
        let (Some(count), Some(index), Some(name), Some(length)) =
            (word(0), word(1), word(2), word(3))
        else {
            return (None, Vec::new());
        };
        let mut events = Vec::new();
        // The oldest may be half overwritten.
        for number in count.saturating_sub(RING as u32 - 1)..count {
            let first = HEAD + number as usize % RING * WORDS;
            let mut words = [0; WORDS];
            for (at, slot) in words.iter_mut().enumerate() {
                *slot = word(first + at).unwrap_or(0);
            }
            events.push(Event(words));
        }
        let process = (index != NO_PROCESS)
            .then(|| Process { index, name: self.text(cpu, name, (length as usize).min(NAME)) });
        (process, events)
    }

    fn text(&mut self, cpu: u32, va: u32, length: usize) -> String {
        let bytes = (0..length as u32).map_while(|at| {
            let va = va.checked_add(at)?;
            let word = self.word(cpu, va & !3)?;
            Some(word.to_le_bytes()[(va & 3) as usize])
        });
        String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_of_every_cpu_are_read() {
        let text = "\nCPU#0\nEAX=00000001 EBX=0000000a ECX=00000000 EDX=00000663\n\
            ESI=00000000 EDI=00000000 EBP=ff004f90 ESP=ff004f80\n\
            EIP=f0101234 EFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\n\
            CS =0010 00000000 ffffffff 00cf9a00 DPL=0 CS32 [-R-]\n\
            CR0=80010011 CR2=0000000c CR3=00012000 CR4=00000090\n\nCPU#1\n\
            EIP=f0105678 EFL=00000006 [-----P-] CPL=0 II=0 A20=1 SMM=0 HLT=0\n";
        let cpus = parse(text);
        assert_eq!(cpus.len(), 2);
        let value = |name: &str| cpus[0].registers.get(name).copied();
        assert_eq!(value("eip"), Some(0xf010_1234));
        assert_eq!(value("ebp"), Some(0xff00_4f90));
        assert_eq!(value("eflags"), Some(0x246));
        assert_eq!(value("cs"), Some(0x10));
        assert_eq!(value("cr3"), Some(0x1_2000));
        assert_eq!((cpus[0].halted, cpus[1].halted), (Some(true), Some(false)));
        assert_eq!((cpus[0].cpu, cpus[1].cpu), (0, 1));
    }

    #[test]
    fn what_is_no_list_of_registers_is_no_cpu() {
        assert!(parse("unknown command\nEIP=12").is_empty());
        assert!(parse("CPU#0\nEIP=zz").is_empty());
    }
}
