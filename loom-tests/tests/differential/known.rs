//! Programs that showed faults of the explorer, each with what it must come to.

use std::collections::BTreeSet;

use crate::compare::{Compared, WAYS, compare};
use crate::program::{Guard, Op, Op::*, Program, Thread};
use crate::verdict::Verdict;

const BOTH: [bool; 2] = [false, true];

/// The registers that its executions come to, as they are printed.
fn registers(verdict: &Verdict) -> BTreeSet<String> {
    let text = |outcome: &crate::program::Outcome| {
        let text = outcome.to_string();
        text.split(" / ").next().unwrap_or_default().trim().to_owned()
    };
    verdict.outcomes.iter().map(text).collect()
}

/// Explorer and reference agree. Returns what on, in `sc` and in `tso`.
fn agreed(program: &Program) -> [Verdict; 2] {
    match compare(program, &WAYS) {
        Compared::Same(verdicts) => verdicts,
        Compared::Differs(how) => panic!("explorer and reference differ:\n{program}{how}"),
        Compared::TooLarge => panic!("too many states:\n{program}"),
    }
}

/// In both modes all executions end, and these are all registers that they come to.
fn comes_to(program: &Program, wanted: &[&str]) {
    let wanted: BTreeSet<_> = wanted.iter().map(ToString::to_string).collect();
    for (tso, verdict) in BOTH.into_iter().zip(agreed(program)) {
        assert_eq!((verdict.race, verdict.stuck), (false, false), "tso {tso}:\n{program}");
        assert_eq!(registers(&verdict), wanted, "tso {tso}:\n{program}");
    }
}

fn never_ends(program: &Program) {
    for verdict in agreed(program) {
        assert!(verdict.stuck, "{program}");
    }
}

fn races(program: &Program) {
    for verdict in agreed(program) {
        assert!(verdict.race, "{program}");
    }
}

/// A thread that looks before it waits keeps what it saw. Whichever of the two is the later thread.
#[test]
fn a_look_before_a_wait_is_remembered() {
    let (adds, waits) = (vec![Add(0, 1)], vec![Await(0)]);
    never_ends(&Program::of(1, 0, vec![adds.clone(), waits.clone()]));
    never_ends(&Program::of(1, 0, vec![waits, adds]));
}

/// So does an exchange that changes nothing.
#[test]
fn an_exchange_before_a_wait_is_remembered() {
    never_ends(&Program::of(2, 0, vec![vec![Swap(1, 0), Wait(1, 0)]]));
    never_ends(&Program::of(2, 0, vec![vec![Store(1, 1)], vec![Swap(1, 0), Wait(1, 0)]]));
}

/// One wait follows another for the same word: that is not one more turn of the first.
#[test]
fn a_wait_after_a_wait_is_another() {
    let waits = vec![Wait(0, 0), Wait(0, 1), Wait(0, 2)];
    let stores = vec![Store(0, 1), Store(0, 2), Store(0, 3)];
    comes_to(&Program::of(1, 0, vec![waits[..1].to_vec(), stores.clone()]), &["1 |", "2 |", "3 |"]);
    never_ends(&Program::of(1, 0, vec![vec![Wait(0, 0), Wait(0, 3)], stores.clone()]));
    agreed(&Program::of(1, 0, vec![waits, stores]));
}

/// CPU 0 asks, and looks once whether CPU 1 has answered.
#[test]
fn ticks_after_the_end_of_a_script_are_learnt_of() {
    let mut program = Program::of(1, 0, vec![vec![], vec![]]).ticking(Guard::Asked, vec![]);
    program.threads[0].ops = vec![Add(program.asked(), 1), Load(program.answered(1))];
    comes_to(&program, &["0 0 |", "0 1 |"]);
}

/// A tick that nobody has asked for comes to a script that does nothing.
#[test]
fn ticks_come_to_a_script_without_accesses() {
    let program = Program::of(1, 0, vec![vec![], vec![Load(0)]]);
    comes_to(&program.ticking(Guard::Times(1), vec![Store(0, 1)]), &["| 0", "| 1"]);
    let program = Program::of(1, 0, vec![vec![Load(0)]]);
    comes_to(&program.ticking(Guard::Times(1), vec![Store(0, 1)]), &["0", "1"]);
}

fn with_device(ops: Vec<Op>, device: Vec<Op>) -> Program {
    let thread = Thread { ops, device: Some(device), wanders: false };
    Program { words: 2, cells: 0, threads: vec![thread], tick: None }
}

/// A device that may interrupt may do so to the end, and wakes a thread that waits for what its driver does.
#[test]
fn a_device_interrupts_at_the_end_and_while_its_cpu_waits() {
    let [sc, _] = agreed(&with_device(vec![], vec![Store(0, 1)]));
    assert_eq!(sc.outcomes.len(), 2, "it comes, or does not");
    comes_to(&with_device(vec![Wait(0, 0)], vec![Store(0, 1)]), &["1"]);
    comes_to(&with_device(vec![Load(0), Load(0)], vec![Add(0, 1)]), &["0 0", "0 1", "1 1"]);
}

/// Two CPUs change an owned value, each before a store, or a LOCKed operation, that nobody looks at.
#[test]
fn a_store_that_nobody_looks_at_hides_no_race() {
    for release in [|n| Store(n, 1), |n| Swap(n, 1), |n| Add(n, 1)] {
        races(&Program::of(2, 1, vec![vec![Put(0, 1), release(0)], vec![Put(0, 1), release(1)]]));
        races(&Program::of(2, 1, vec![vec![Put(0, 1), release(0)], vec![Get(0), release(1)]]));
        races(&Program::of(2, 1, vec![vec![Put(0, 1), release(0)], vec![Put(0, 1)]]));
    }
    let looks = Program::of(2, 1, vec![vec![Get(0), Store(0, 1)], vec![Get(0), Store(1, 1)]]);
    comes_to(&looks, &["0 | 0"]);
}

/// A thread that races and then waits for ever is wrong either way, whichever the explorer finds first.
#[test]
fn a_race_and_a_wait_without_an_end_are_both_told() {
    let program = Program::of(2, 1, vec![vec![Put(0, 1), Wait(1, 0)], vec![Put(0, 1)]]);
    for verdict in agreed(&program) {
        assert_eq!((verdict.race, verdict.stuck), (true, true));
    }
}

/// What is handed over by a word, or held under a lock, does not race.
#[test]
fn an_owned_value_that_is_handed_over_does_not_race() {
    let gives = vec![Put(0, 2), Store(0, 1)];
    comes_to(&Program::of(1, 1, vec![gives.clone(), vec![Wait(0, 0), Get(0)]]), &["| 1 2"]);
    races(&Program::of(1, 1, vec![gives.clone(), vec![Load(0), If(0, Box::new(Get(0)))]]));
    comes_to(
        &Program::of(1, 1, vec![gives, vec![Load(0), If(1, Box::new(Get(0)))]]),
        &["| 0", "| 1 2"],
    );
    let holds = |value| vec![Lock(0), Get(0), Put(0, value), Store(0, 0)];
    comes_to(&Program::of(1, 1, vec![holds(1), holds(2)]), &["0 | 1", "2 | 0"]);
}

fn against(cpu0: Vec<Op>, cpu1: fn(&Program) -> Vec<Op>) -> Program {
    let mut program = Program::of(2, 0, vec![cpu0, vec![]]).ticking(Guard::Asked, vec![]);
    program.threads[1].ops = cpu1(&program);
    program
}

/// An interrupt comes between a load and a store.
#[test]
fn an_interrupt_comes_between_a_load_and_a_store() {
    let program = against(vec![Load(0), Store(1, 1)], |program| {
        let answered = Wait(program.answered(0), 0);
        vec![Store(0, 1), Add(program.asked(), 1), answered, Load(1)]
    });
    comes_to(&program, &["0 | 0 1 0", "0 | 0 1 1", "1 | 0 1 0", "1 | 0 1 1"]);
}

/// And between two stores.
#[test]
fn an_interrupt_comes_between_two_stores() {
    let program = against(vec![Store(0, 1), Store(1, 1)], |program| {
        vec![Wait(0, 0), Add(program.asked(), 1), Wait(program.answered(0), 0), Load(1)]
    });
    comes_to(&program, &["| 1 0 1 0", "| 1 0 1 1"]);
}

/// Two interrupts come between an exchange and whatever is next.
#[test]
fn two_interrupts_come_at_one_point() {
    // They count those of them that come after the exchange.
    let counts = || vec![Load(0), If(1, Box::new(Add(1, 1)))];
    for next in [vec![Hi, Load(1), Lo], vec![Machno, Hi, Load(1), Lo], vec![Fence, Hi, Load(1), Lo]]
    {
        let number = if next[0] == Machno { "0 " } else { "" };
        let program = Program::of(2, 0, vec![[vec![Swap(0, 1)], next].concat()]);
        let wanted = [0, 1, 2].map(|n| format!("0 {number}{n}"));
        comes_to(&program.ticking(Guard::Times(2), counts()), &wanted.each_ref().map(|s| &**s));
    }
}

/// None comes before interrupts are on, and one before they go off.
#[test]
fn no_interrupt_comes_between_splhi_and_splx() {
    let high = vec![Hi, Load(0), Load(0), Lo, Load(0)];
    let program = Program::of(1, 0, vec![high]).ticking(Guard::Times(1), vec![Add(0, 1)]);
    comes_to(&program, &["0 0 0", "0 0 1", "1 1 1"]);
}

/// A thread that writes the same value again is further than before.
#[test]
fn an_owned_value_that_is_written_again_is_progress() {
    let waits = vec![Put(0, 1), Wait(0, 1), Put(0, 1), Wait(0, 1), Put(0, 1), Wait(0, 1)];
    let stores = vec![Store(0, 1), Store(0, 0), Store(0, 1)];
    never_ends(&Program::of(1, 1, vec![waits.clone(), stores.clone()]));
    let handler = vec![Get(0), Put(0, 1)];
    agreed(
        &Program::of(1, 1, vec![vec![Hi, Put(0, 1), Lo, Load(0)], vec![Store(0, 1)]])
            .ticking(Guard::Times(1), handler),
    );
}

/// A handler that looks at an owned value is no tick that finds nothing.
#[test]
fn a_handler_goes_by_an_owned_value() {
    let ops = vec![Load(0), Hi, Put(0, 1), Lo, Load(0)];
    let handler = vec![Get(0), If(1, Box::new(Store(0, 1)))];
    let program = Program::of(1, 1, vec![ops]).ticking(Guard::Times(1), handler);
    comes_to(&program, &["0 0", "0 1"]);
}

/// A process is preempted once, at any point, and goes on on any CPU that is free.
#[test]
fn a_preempted_process_goes_on_on_any_free_cpu() {
    let thread = Thread { ops: vec![Machno, Load(0), Machno], device: None, wanders: true };
    let program = Program { words: 1, cells: 0, threads: vec![thread], tick: None };
    comes_to(&program, &["0 0 0", "0 0 1", "1 0 1"]);
}

/// A CPU's own walks find what it has just stored, though the store is still on its way to memory.
#[test]
fn a_cpu_uses_a_page_that_it_has_just_mapped() {
    let maps = vec![SetPage(0, 1), Uses(0), SetPage(0, 2), Uses(0)];
    comes_to(&Program::of(1, 0, vec![maps]), &[&format!("{} {}", 1 << 1, 1 << 1 | 1 << 2)]);
}

/// Pages: what changes is stale until it is flushed, on each CPU by itself.
#[test]
fn a_page_is_stale_until_its_cpu_flushes() {
    let (a, b, both) = (1 << 1, 1 << 2, 1 << 1 | 1 << 2);
    let changes =
        vec![SetPage(0, 1), Invlpg(0), Uses(0), SetPage(0, 2), Fence, Uses(0), Invlpg(0), Uses(0)];
    comes_to(&Program::of(1, 0, vec![changes]), &[&format!("{a} {both} {b}")]);
    // The tick flushes.
    let asked = vec![SetPage(0, 1), Cr3, SetPage(0, 2), Fence, Uses(0), Hi, Uses(0), Lo];
    let program = Program::of(1, 0, vec![asked]).ticking(Guard::Times(1), vec![Cr3]);
    let wanted = [format!("{both} {both}"), format!("{both} {b}"), format!("{b} {b}")];
    comes_to(&program, &wanted.each_ref().map(|s| &**s));
}
