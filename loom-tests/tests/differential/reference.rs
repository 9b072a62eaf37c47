//! An abstract machine by itself: all its states, one by one, with nothing left out.
//!
//! It is written from MODEL.md and the manual and shares nothing with engine and machine but the form of
//! programs and outcomes. Every operation is a step. An interrupt comes in any state in which its CPU has
//! interrupts on, as often as it likes. A thread that waits is blocked while it sees the value that it has seen.
//! In `tso` each CPU has a store buffer, first in, first out; LOCKed operations, MFENCE, CR3 loads,
//! INVLPG, interrupts and their IRET wait until it is empty. A CPU's own loads and walks find its own latest store.
//! A TLB holds all that could be walked since its last flush.
//!
//! A race: a thread touches an owned value that another has touched, one of them changed it, and since
//! its own touch the other has made no store that has reached memory, and no LOCKed operation. If two
//! accesses are not ordered at all, some execution has them like this.

use std::collections::{HashMap, VecDeque};

use crate::code::{Ins, compile};
use crate::order::Order;
use crate::program::{Op, Outcome, PAGES, Program};
use crate::state::{Buffered, Moves, Place, State, Thread};
use crate::verdict::Verdict;

/// States after which it gives up.
pub const TOO_MANY: usize = 400_000;

/// A program on the abstract machine.
pub struct Abstract<'a> {
    pub program: &'a Program,
    pub tso: bool,
    pub code: Vec<Vec<Ins>>,
    pub tick: Vec<Ins>,
    pub devices: Vec<Vec<Ins>>,
}

/// All that a program comes to; `None` if it has too many states.
pub fn explore(program: &Program, tso: bool) -> Option<Verdict> {
    explore_within(program, tso, TOO_MANY)
}

/// The same if there are no more than so many.
pub fn explore_within(program: &Program, tso: bool, most: usize) -> Option<Verdict> {
    go_through(program, tso, most, false)
}

/// The same, where races are told by what happens before what.
pub fn explore_ordered(program: &Program, tso: bool, most: usize) -> Option<Verdict> {
    go_through(program, tso, most, true)
}

fn go_through(program: &Program, tso: bool, most: usize, ordered: bool) -> Option<Verdict> {
    let machine = Abstract {
        program,
        tso,
        code: program.threads.iter().map(|thread| whole(&thread.ops, program)).collect(),
        tick: compile(&program.handler(), program),
        devices: program
            .threads
            .iter()
            .map(|thread| compile(thread.device.as_deref().unwrap_or(&[]), program))
            .collect(),
    };
    let mut verdict = Verdict::default();
    let mut numbers: HashMap<State, u32> = HashMap::new();
    let mut open = vec![machine.start(ordered)];
    let mut into: Vec<Vec<u32>> = vec![Vec::new()];
    let mut ends: Vec<u32> = Vec::new();
    numbers.insert(open[0].clone(), 0);
    while let Some(state) = open.pop() {
        let from = numbers[&state];
        if machine.has_ended(&state) {
            verdict.outcomes.insert(machine.outcome(&state));
            ends.push(from);
        }
        let (all, races) = machine.steps(&state);
        // What comes after a race counts as well: the explorer may find first that it never ends.
        verdict.race |= races;
        for to in all {
            let next = numbers.len() as u32;
            let number = *numbers.entry(to.clone()).or_insert(next);
            if number == next {
                into.push(Vec::new());
                open.push(to);
            }
            into[number as usize].push(from);
        }
        if numbers.len() > most {
            return None;
        }
    }
    let mut can_end = vec![false; into.len()];
    while let Some(state) = ends.pop() {
        if !std::mem::replace(&mut can_end[state as usize], true) {
            ends.extend(&into[state as usize]);
        }
    }
    verdict.stuck = can_end.contains(&false);
    Some(verdict)
}

/// A thread's code. One that has to do with translations flushes in the end, with interrupts off.
fn whole(ops: &[Op], program: &Program) -> Vec<Ins> {
    let clears: &[Op] = if program.translates() { &[Op::Hi, Op::Fence, Op::Lo] } else { &[] };
    compile(&[ops, clears].concat(), program)
}

impl Abstract<'_> {
    fn start(&self, ordered: bool) -> State {
        let program = self.program;
        let cpus = program.cpus();
        let thread = |n: usize| Thread {
            cpu: n as u8,
            place: Place::default(),
            ended: false,
            handler: None,
            device: program.threads[n].device.is_some(),
            may_wander: program.threads[n].wanders,
            moves: Moves::No,
            buffer: VecDeque::new(),
            touched: 0,
        };
        State {
            words: vec![0; program.all_words() + PAGES],
            cells: vec![0; program.cells],
            threads: (0..program.threads.len()).map(thread).collect(),
            on: vec![true; cpus],
            vacant: (0..cpus).map(|n| n >= program.threads.len()).collect(),
            cached: vec![[0; PAGES]; cpus],
            order: ordered.then(|| Order::new(program.all_words() + PAGES, program.cells)),
        }
    }

    fn has_ended(&self, state: &State) -> bool {
        let over = |thread: &Thread| {
            let still = thread.handler.is_none() && thread.moves == Moves::No;
            thread.ended && still && thread.buffer.is_empty()
        };
        state.threads.iter().all(over)
    }

    fn outcome(&self, state: &State) -> Outcome {
        let words = self.program.all_words() + if self.program.translates() { PAGES } else { 0 };
        Outcome {
            registers: state.threads.iter().map(|t| t.place.registers.clone()).collect(),
            words: state.words[..words].to_vec(),
            cells: state.cells.clone(),
        }
    }

    /// All states that one step leads to, and whether one of these races.
    fn steps(&self, state: &State) -> (Vec<State>, bool) {
        let (mut all, mut races) = (Vec::new(), false);
        let busy = state.threads.iter().any(|thread| !thread.ended);
        for n in 0..state.threads.len() {
            let thread = &state.threads[n];
            if !thread.buffer.is_empty() {
                let mut after = state.clone();
                self.drain(&mut after, n);
                all.push(after);
            }
            if thread.moves != Moves::No {
                self.moves(state, n, &mut all);
                continue;
            }
            if busy && thread.handler.is_none() && state.on[usize::from(thread.cpu)] {
                self.interrupts(state, n, &mut all);
            }
            races |= self.step(state, n, &mut all);
        }
        (all, races)
    }

    pub fn drain(&self, state: &mut State, n: usize) {
        if let Some(Buffered { word, value, clock, .. }) = state.threads[n].buffer.pop_front() {
            self.write(state, word.into(), value);
            if let Some(order) = &mut state.order {
                order.reaches(word.into(), clock);
            }
        }
    }

    /// Memory changes, and everybody walks.
    pub fn write(&self, state: &mut State, word: usize, value: u32) {
        state.words[word] = value;
        self.walk(state, word);
    }

    /// Every CPU walks to the entry, if the word is one: to its own latest store, or to what memory holds.
    pub fn walk(&self, state: &mut State, word: usize) {
        let Some(page) = word.checked_sub(self.program.entry(0)) else { return };
        for (cpu, cached) in state.cached.iter_mut().enumerate() {
            let buffers = state.threads.iter().filter(|thread| usize::from(thread.cpu) == cpu);
            let mut own = buffers.flat_map(|thread| &thread.buffer).rev();
            let own = own.find(|store| usize::from(store.word) == word).map(|store| store.value);
            let value = own.unwrap_or(state.words[word]);
            if value != 0 {
                cached[page] |= 1 << value;
            }
        }
    }

    fn interrupts(&self, state: &State, n: usize, all: &mut Vec<State>) {
        let thread = &state.threads[n];
        let cpu = usize::from(thread.cpu);
        if !thread.buffer.is_empty() {
            return;
        }
        let mut takes = |device: bool| {
            let mut after = state.clone();
            after.on[cpu] = false;
            after.threads[n].handler = Some((device, Place::default()));
            after.threads[n].device &= !device;
            all.push(after);
        };
        takes(false);
        if thread.device {
            takes(true);
        }
        if thread.may_wander {
            let mut after = state.clone();
            after.on[cpu] = false;
            after.threads[n].may_wander = false;
            after.threads[n].moves = Moves::Leaving;
            all.push(after);
        }
    }

    /// A process leaves its CPU or enters another. Both are LOCKed operations.
    fn moves(&self, state: &State, n: usize, all: &mut Vec<State>) {
        let thread = &state.threads[n];
        if !thread.buffer.is_empty() {
            return;
        }
        let mut goes = |cpu: usize, leaves: bool| {
            let mut after = state.clone();
            after.vacant[cpu] = leaves;
            after.on[cpu] = true;
            after.threads[n].cpu = cpu as u8;
            after.threads[n].moves = if leaves { Moves::Entering } else { Moves::No };
            after.threads[n].touched = 0;
            all.push(after);
        };
        match thread.moves {
            Moves::No => {}
            Moves::Leaving => goes(thread.cpu.into(), true),
            Moves::Entering => {
                (0..state.vacant.len())
                    .filter(|&n| state.vacant[n])
                    .for_each(|cpu| goes(cpu, false));
            }
        }
    }
}
