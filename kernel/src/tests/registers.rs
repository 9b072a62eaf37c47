//! Device registers whose values are known, mapped and read on every CPU.

use super::context::{Context, Finding, Outcome};
use super::crew::crew;
use crate::oracle::Register;
use crate::{mmu, probe};

const BYTES: usize = 4;
const WRONG: &str = "a device register does not show its known value";

/// Maps a register, has every CPU read it, and unmaps it.
pub fn cycle(context: &Context, register: &Register) {
    let Register { name, pa, value } = *register;
    let va = match mmu::vmap(pa, BYTES) {
        Ok(va) => va,
        Err(error) => panic!("{name}: {error}"),
    };
    for sight in probe::everywhere(va) {
        if sight.word != Some(value) {
            let hazard = if sight.idle { "A2" } else { "A3" };
            let (cpu, expected) = (sight.cpu, value);
            let seen = sight.word.unwrap_or(0);
            context.finding(&Finding { hazard, cpu, va, expected, seen, why: WRONG });
        }
    }
    if let Err(error) = mmu::vunmap(va, BYTES) {
        panic!("{name}: {error}");
    }
}

/// Each CPU maps, reads and unmaps each register, all at the same time.
pub fn run(context: &Context) -> Outcome {
    let shared = context.clone();
    let registers = context.devices.registers.clone();
    let count = registers.len();
    crew(&"registers", context.ncpu, Some, move |_| {
        mmu::upallocpdb();
        let mut limit = shared.limit(20, 1000);
        while limit.next() {
            registers.iter().for_each(|register| cycle(&shared, register));
        }
    });
    let mut outcome = context.outcome(format_args!("{count} registers on {} CPUs", context.ncpu));
    outcome.failures += u32::from(count < 3);
    outcome
}
