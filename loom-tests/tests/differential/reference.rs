//! An abstract machine by itself: all its states, one by one, with nothing left out.
//!
//! It is written from MODEL.md and the manual and shares nothing with engine and machine but the form of
//! programs and outcomes. Every operation is a step. An interrupt comes in any state in which its CPU has
//! interrupts on, as often as it likes. Who waits is blocked while it sees the value that it has seen.
//! In `tso` each CPU has a store buffer, first in, first out; LOCKed operations, MFENCE, CR3 loads,
//! INVLPG, interrupts and their IRET wait until it is empty. A TLB holds all that could be walked since its last flush.
//!
//! A race: a thread touches an owned value that another has touched, one of them changed it, and since
//! its own touch the other has made no store that has reached memory, and no LOCKed operation. If two
//! accesses are not ordered at all, some execution has them like this.

use std::collections::{HashMap, VecDeque};

use crate::code::{Ins, compile};
use crate::program::{Op, Outcome, PAGES, Program, Value};
use crate::verdict::Verdict;

/// States after which it gives up.
pub const TOO_MANY: usize = 400_000;

/// Where a thread is in some code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Place {
    at: u16,
    registers: Vec<u32>,
    /// Where the registers of calls that have not returned begin.
    calls: Vec<u16>,
}

/// A process on its way from one CPU to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Moves {
    No,
    Leaving,
    Entering,
}

/// Accesses to owned values: a bit for a look at each, and one for a change.
type Touched = u16;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Thread {
    cpu: u8,
    place: Place,
    ended: bool,
    /// The handler that runs in its place: of the tick or the device.
    handler: Option<(bool, Place)>,
    device: bool,
    may_wander: bool,
    moves: Moves,
    /// Stores on their way, each with the touches since the one before.
    buffer: VecDeque<(u8, u32, Touched)>,
    /// Touches since the latest store.
    touched: Touched,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    words: Vec<u32>,
    cells: Vec<u32>,
    threads: Vec<Thread>,
    /// Per CPU: interrupts are on, nobody runs there, the frames of each page that its TLB may hold.
    on: Vec<bool>,
    vacant: Vec<bool>,
    cached: Vec<[u8; PAGES]>,
}

/// A program on the abstract machine.
struct Abstract<'a> {
    program: &'a Program,
    tso: bool,
    code: Vec<Vec<Ins>>,
    tick: Vec<Ins>,
    devices: Vec<Vec<Ins>>,
}

/// What one step leads to.
enum After {
    States(Vec<State>),
    Race,
}

/// All that a program comes to; `None` if it has too many states.
pub fn explore(program: &Program, tso: bool) -> Option<Verdict> {
    explore_within(program, tso, TOO_MANY).map(|(verdict, _)| verdict)
}

/// The same with how many states there are, if there are no more than so many.
pub fn explore_within(program: &Program, tso: bool, most: usize) -> Option<(Verdict, usize)> {
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
    let mut open = vec![machine.start()];
    let mut into: Vec<Vec<u32>> = vec![Vec::new()];
    let mut ends: Vec<u32> = Vec::new();
    numbers.insert(open[0].clone(), 0);
    while let Some(state) = open.pop() {
        let from = numbers[&state];
        if machine.has_ended(&state) {
            verdict.outcomes.insert(machine.outcome(&state));
            ends.push(from);
        }
        match machine.steps(&state) {
            After::Race => {
                verdict.race = true;
                ends.push(from);
            }
            After::States(all) => {
                for to in all {
                    let next = numbers.len() as u32;
                    let number = *numbers.entry(to.clone()).or_insert(next);
                    if number == next {
                        into.push(Vec::new());
                        open.push(to);
                    }
                    into[number as usize].push(from);
                }
            }
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
    Some((verdict, numbers.len()))
}

/// A thread's code. One that has to do with translations flushes in the end, with interrupts off.
fn whole(ops: &[Op], program: &Program) -> Vec<Ins> {
    let clears: &[Op] = if program.translates() { &[Op::Hi, Op::Fence, Op::Lo] } else { &[] };
    compile(&[ops, clears].concat(), program)
}

impl Abstract<'_> {
    fn start(&self) -> State {
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

    /// All states that one step leads to.
    fn steps(&self, state: &State) -> After {
        let mut all = Vec::new();
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
            if self.step(state, n, &mut all) {
                return After::Race;
            }
        }
        After::States(all)
    }

    fn drain(&self, state: &mut State, n: usize) {
        if let Some((word, value, _)) = state.threads[n].buffer.pop_front() {
            self.write(state, word.into(), value);
        }
    }

    /// Memory changes, and everybody walks.
    fn write(&self, state: &mut State, word: usize, value: u32) {
        state.words[word] = value;
        let first = self.program.entry(0);
        if word >= first && value != 0 {
            state.cached.iter_mut().for_each(|cached| cached[word - first] |= 1 << value);
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
                (0..state.vacant.len()).filter(|&n| state.vacant[n]).for_each(|cpu| goes(cpu, false));
            }
        }
    }

    /// The next step of a thread's code, or of the handler that runs in its place. Returns whether it races.
    fn step(&self, state: &State, n: usize, all: &mut Vec<State>) -> bool {
        let thread = &state.threads[n];
        let (code, place) = match &thread.handler {
            Some((true, place)) => (&self.devices[n], place),
            Some((false, place)) => (&self.tick, place),
            None => (&self.code[n], &thread.place),
        };
        let Some(ins) = code.get(usize::from(place.at)) else {
            let mut after = state.clone();
            if thread.handler.is_some() {
                if !thread.buffer.is_empty() {
                    return false;
                }
                after.threads[n].handler = None;
                after.on[usize::from(thread.cpu)] = true;
                all.push(after);
            } else if !thread.ended {
                after.threads[n].ended = true;
                all.push(after);
            }
            return false;
        };
        if ins.drains() && !thread.buffer.is_empty() {
            return false;
        }
        if let Ins::Get(cell) | Ins::Put(cell, _) = *ins {
            let theirs = if matches!(ins, Ins::Put(..)) { 0b11 } else { 0b10 } << (2 * cell);
            let touches = |other: &Thread| {
                let on_their_way = other.buffer.iter().fold(0, |all, store| all | store.2);
                (other.touched | on_their_way) & theirs != 0
            };
            if state.threads.iter().enumerate().any(|(other, thread)| other != n && touches(thread))
            {
                return true;
            }
        }
        if let Ins::Choose(skip) = *ins {
            for chosen in [0, 1] {
                let mut after = state.clone();
                let place = after.place(n);
                place.registers.push(chosen);
                place.at += if chosen == 0 { skip + 1 } else { 1 };
                all.push(after);
            }
            return false;
        }
        let mut after = state.clone();
        if self.does(&mut after, n, *ins) {
            after.place(n).at += 1;
        }
        if after != *state {
            all.push(after);
        }
        false
    }

    /// Does an instruction. Returns whether the next one is the one behind it.
    fn does(&self, state: &mut State, n: usize, ins: Ins) -> bool {
        let cpu = usize::from(state.threads[n].cpu);
        let sees = |state: &State, word: usize| {
            let own = state.threads[n].buffer.iter().rev();
            own.clone().find(|store| usize::from(store.0) == word).map_or(state.words[word], |s| s.1)
        };
        let latest = state.place(n).latest();
        let mine = self.program.answered(cpu);
        match ins {
            Ins::Load(word) => {
                let seen = sees(state, word);
                state.place(n).registers.push(seen);
            }
            Ins::Store(word, value) => self.store(state, n, word, value),
            Ins::Swap(word, value) | Ins::Add(word, value) => {
                let old = state.words[word];
                let adds = matches!(ins, Ins::Add(..));
                self.write(state, word, if adds { old.wrapping_add(value) } else { value });
                state.threads[n].touched = 0;
                state.place(n).registers.push(old);
            }
            Ins::Lock(word) => {
                let old = state.words[word];
                self.write(state, word, 1);
                state.threads[n].touched = 0;
                return old == 0;
            }
            Ins::Fence | Ins::Advance => {}
            Ins::Wait(word, value) => {
                let seen = sees(state, word);
                if seen == value {
                    return false;
                }
                state.place(n).registers.push(seen);
            }
            Ins::WaitSeen(word) => {
                let seen = sees(state, word);
                if seen == latest {
                    return false;
                }
                state.place(n).registers.push(seen);
            }
            Ins::Hi => state.on[cpu] = false,
            Ins::Lo => state.on[cpu] = true,
            Ins::Get(cell) => {
                let value = state.cells[cell];
                state.threads[n].touched |= 0b01 << (2 * cell);
                state.place(n).registers.push(value);
            }
            Ins::Put(cell, value) => {
                state.threads[n].touched |= 0b10 << (2 * cell);
                state.cells[cell] = value;
            }
            Ins::Unless(value, skip) => {
                if latest != value {
                    state.place(n).at += skip;
                }
            }
            Ins::Begin => {
                let place = state.place(n);
                place.calls.push(place.registers.len() as u16);
            }
            Ins::Return(tells) => {
                let place = state.place(n);
                let from = place.calls.pop().expect("a call has begun");
                place.registers.truncate(from.into());
                place.registers.push(if tells { latest } else { 0 });
            }
            Ins::Uses(page) => {
                let cached = state.cached[cpu][page];
                state.place(n).registers.push(cached.into());
            }
            Ins::Invlpg(page) => self.flush(state, cpu, page),
            Ins::Cr3 => (0..PAGES).for_each(|page| self.flush(state, cpu, page)),
            Ins::Machno => state.place(n).registers.push(cpu as u32),
            Ins::LoadMine => {
                let seen = sees(state, mine);
                state.place(n).registers.push(seen);
            }
            Ins::StoreMine(value) => {
                let first = state.place(n).registers.first().copied().unwrap_or(0);
                let value = match value {
                    Value::Is(value) => value,
                    Value::First => first,
                    Value::FirstAndOne => first + 1,
                };
                self.store(state, n, mine, value);
            }
            Ins::QuitIfSame | Ins::QuitAt(_) | Ins::QuitIf(_) => {
                let place = state.place(n);
                let before = place.registers.iter().rev().nth(1).copied().unwrap_or(0);
                let quits = match ins {
                    Ins::QuitIfSame => before == latest,
                    Ins::QuitAt(least) => latest >= least,
                    Ins::QuitIf(value) => latest == value,
                    _ => false,
                };
                if quits {
                    place.at = u16::MAX - 1;
                }
            }
            Ins::Choose(_) => unreachable!("it leads to two states"),
        }
        true
    }

    fn store(&self, state: &mut State, n: usize, word: usize, value: u32) {
        let touched = std::mem::take(&mut state.threads[n].touched);
        if self.tso {
            state.threads[n].buffer.push_back((word as u8, value, touched));
        } else {
            self.write(state, word, value);
        }
    }

    fn flush(&self, state: &mut State, cpu: usize, page: usize) {
        let entry = state.words[self.program.entry(page)];
        state.cached[cpu][page] = if entry == 0 { 0 } else { 1 << entry };
    }
}

impl State {
    /// Where the code is that runs on a thread.
    fn place(&mut self, n: usize) -> &mut Place {
        let thread = &mut self.threads[n];
        thread.handler.as_mut().map_or(&mut thread.place, |(_, place)| place)
    }
}

impl Place {
    /// The latest register of the call that it is in.
    fn latest(&self) -> u32 {
        let from = self.calls.last().copied().unwrap_or(0).into();
        self.registers[from..].last().copied().unwrap_or(0)
    }
}
