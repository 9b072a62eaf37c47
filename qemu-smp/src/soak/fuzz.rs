//! Random programs in ring 3: what they have to show before their silence means something, and which of
//! them ran when something broke.

use std::fmt::Write as _;

use kernel_abi::fuzz::{CORPUS, program};
use serde_json::{Value, json};

use super::plan::Plan;
use crate::guest::Fuzzed;

/// Exceptions that any run of the fuzzer has to meet: a fuzzer that never meets them tries nothing.
const WANTED: [(usize, &str); 7] = [
    (0, "divide errors"),
    (1, "debug exceptions"),
    (6, "invalid opcodes"),
    (7, "uses of the floating point unit"),
    (10, "invalid task state segments"),
    (13, "general protection violations"),
    (14, "page faults"),
];

/// What the programs did not do.
pub fn doubts(fuzzed: Option<&Fuzzed>, run: u32) -> Vec<String> {
    let Some(fuzzed) = fuzzed else { return vec!["no random program was run".to_owned()] };
    let mut doubts = Vec::new();
    if (run as usize) < 4 * CORPUS.len() {
        doubts.push(format!("no more than {run} random programs were run"));
    }
    for (vector, name) in WANTED {
        if fuzzed.vectors.get(vector).is_none_or(|count| *count == 0) {
            doubts.push(format!("no process in ring 3 met {name}: the fuzzer tries too little"));
        }
    }
    doubts
}

/// The bytes of a program, as a person reads them.
fn hex(seed: u32, number: u32) -> String {
    program(seed, number).bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The plan that begins with the programs that ran.
fn with_those_that_ran(plan: &Plan, fuzzed: &Fuzzed) -> Option<Plan> {
    let first = fuzzed.alive.iter().min()?;
    Some(Plan { fuzz: Some(*first), ..plan.clone() })
}

/// For people; with `failed`, the programs that ran, to the byte.
pub fn text(plan: &Plan, fuzzed: &Fuzzed, failed: bool, text: &mut String) {
    let met = fuzzed.vectors.iter().enumerate().filter(|(_, count)| **count > 0);
    let met: Vec<_> = met.map(|(vector, count)| format!("{vector}: {count}")).collect();
    let _ = writeln!(
        text,
        "  random programs up to number {} of seed {}; exceptions by vector: {}",
        fuzzed.next,
        plan.seed,
        met.join(", ")
    );
    if !failed {
        return;
    }
    for number in &fuzzed.alive {
        let name =
            CORPUS.get(*number as usize).map_or(String::new(), |(name, _)| format!(" ({name})"));
        let _ = writeln!(text, "    ran: program {number}{name}: {}", hex(plan.seed, *number));
    }
    if let Some(first) = with_those_that_ran(plan, fuzzed) {
        let _ = writeln!(text, "    these first: {}", first.again(plan.icount));
    }
}

/// For programs.
pub fn json(plan: &Plan, fuzzed: &Fuzzed) -> Value {
    let ran = fuzzed
        .alive
        .iter()
        .map(|&number| json!({ "number": number, "bytes": hex(plan.seed, number) }));
    json!({
        "from": plan.fuzz,
        "next": fuzzed.next,
        "exceptions_by_vector": fuzzed.vectors,
        "ran_at_the_end": ran.collect::<Vec<_>>(),
        "these_first": with_those_that_ran(plan, fuzzed).map(|first| first.again(plan.icount)),
    })
}

#[cfg(test)]
mod tests {
    use kernel_abi::fuzz::{MOST_BYTES, Rng, alone};

    use super::*;

    #[test]
    fn a_program_follows_from_its_seed_and_number() {
        assert_eq!(program(7, 1000), program(7, 1000));
        assert_ne!(program(7, 1000), program(8, 1000));
        assert_ne!(program(7, 1000), program(7, 1001));
        assert!((0..).zip(CORPUS).all(|(n, _)| program(1, n) == program(2, n) && !alone(n)));
    }

    /// What a process does that turned interrupts off in virtual-8086 mode cannot be stopped.
    #[test]
    fn no_program_goes_to_virtual_8086_mode_with_interrupts_off() {
        const IRETD: u8 = 0xCF;
        const PUSH: u8 = 0x68;
        let mut frames = 0;
        for number in CORPUS.len() as u32..20_000 {
            let program = program(3, number);
            let bytes = program.bytes();
            for at in (15..bytes.len()).filter(|at| bytes[*at] == IRETD) {
                // The pushes before it, if it is the end of a frame: flags, code, place.
                let [flags, code, place] = [15, 10, 5].map(|back| &bytes[at - back..]);
                if [flags, code, place].iter().all(|push| push[0] == PUSH) {
                    let flags = u32::from_le_bytes(flags[1..5].try_into().unwrap());
                    frames += u32::from(flags & 1 << 17 != 0);
                    assert!(
                        flags & 1 << 17 == 0 || flags & 0x3200 == 0x200,
                        "{number}: {flags:#x}"
                    );
                }
            }
        }
        assert!(frames > 500, "{frames}");
    }

    #[test]
    fn programs_differ_in_length_and_fit_their_page() {
        let lengths: Vec<_> = (100..400).map(|number| program(1, number).bytes().len()).collect();
        assert!(lengths.iter().all(|length| *length <= MOST_BYTES + 8));
        assert!(lengths.iter().max().unwrap() - lengths.iter().min().unwrap() > 200, "{lengths:?}");
        let mut rng = Rng::new(1, 1);
        let low = (0..1000).filter(|_| rng.word() & 1 == 0).count();
        assert!((400..600).contains(&low), "{low}");
    }

    fn fuzzed(vectors: &[usize]) -> Fuzzed {
        let count = |vector| u32::from(vectors.contains(&vector));
        Fuzzed { alive: vec![9, 8], next: 10, vectors: (0..32).map(count).collect() }
    }

    #[test]
    fn a_fuzzer_that_does_nothing_is_doubted() {
        let all: Vec<_> = WANTED.map(|(vector, _)| vector).to_vec();
        assert!(doubts(Some(&fuzzed(&all)), 1000).is_empty());
        assert_eq!(doubts(Some(&fuzzed(&all)), 3).len(), 1);
        assert_eq!(doubts(Some(&fuzzed(&all[1..])), 1000).len(), 1);
        assert_eq!(doubts(None, 0).len(), 1);
    }
}
