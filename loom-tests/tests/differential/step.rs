//! A step of the abstract machine.

use crate::code::Ins;
use crate::program::{PAGES, Value};
use crate::reference::Abstract;
use crate::state::{Buffered, State, Thread};

impl Abstract<'_> {
    /// The next step of a thread's code, or of the handler that runs in its place. Returns whether it races.
    pub fn step(&self, state: &State, n: usize, all: &mut Vec<State>) -> bool {
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
        let mut races = false;
        if let (Ins::Get(cell) | Ins::Put(cell, _), None) = (*ins, &state.order) {
            let theirs = if matches!(ins, Ins::Put(..)) { 0b11 } else { 0b10 } << (2 * cell);
            let touches = |other: &Thread| {
                let on_their_way = other.buffer.iter().fold(0, |all, store| all | store.touched);
                (other.touched | on_their_way) & theirs != 0
            };
            let mut others = state.threads.iter().enumerate().filter(|(other, _)| *other != n);
            races = others.any(|(_, other)| touches(other));
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
        races |= self.orders(&mut after, n, *ins);
        if self.does(&mut after, n, *ins) {
            after.place(n).at += 1;
        }
        if after != *state {
            all.push(after);
        }
        races
    }

    /// Follows what happens before what, if it is to be. Returns whether the instruction races.
    fn orders(&self, state: &mut State, n: usize, ins: Ins) -> bool {
        let mine = self.program.answered(state.threads[n].cpu.into());
        let buffer = &state.threads[n].buffer;
        let from_memory = |word: usize| buffer.iter().all(|store| usize::from(store.word) != word);
        let Some(order) = &mut state.order else { return false };
        let loads: &[usize] = match ins {
            Ins::Load(word) | Ins::Wait(word, _) | Ins::WaitSeen(word) | Ins::Unlike(word, ..) => {
                &[word]
            }
            Ins::RestEither((one, _), (other, _), _) => &[one, other],
            Ins::LoadMine => &[mine],
            // A thread that does not get a lock passes nothing on that another needs, and may try for ever.
            Ins::Lock(word) if state.words[word] != 0 => &[word],
            Ins::Swap(word, _) | Ins::Add(word, _) | Ins::Lock(word) => {
                order.locks(n, word);
                &[]
            }
            Ins::Get(cell) => return order.touches(n, cell, false),
            Ins::Put(cell, _) => return order.touches(n, cell, true),
            _ => &[],
        };
        loads.iter().filter(|&&word| from_memory(word)).for_each(|&word| order.loads(n, word));
        false
    }

    /// Does an instruction. Returns whether the next one is the one behind it.
    fn does(&self, state: &mut State, n: usize, ins: Ins) -> bool {
        let cpu = usize::from(state.threads[n].cpu);
        let sees = |state: &State, word: usize| {
            let own = state.threads[n].buffer.iter().rev();
            own.clone().find(|s| usize::from(s.word) == word).map_or(state.words[word], |s| s.value)
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
            Ins::Unlike(word, value, skip) => {
                let seen = sees(state, word);
                if seen != value {
                    let place = state.place(n);
                    place.registers.push(seen);
                    place.at += skip;
                }
            }
            Ins::RestEither(one, other, back) => {
                if [one, other].iter().all(|&(word, value)| sees(state, word) == value) {
                    return false;
                }
                state.place(n).at -= back;
                return false;
            }
            Ins::Push(value) => state.place(n).registers.push(value),
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
        let clock = state.order.as_mut().map_or_else(Default::default, |order| order.stores(n));
        state.threads[n].buffer.push_back(Buffered { word: word as u8, value, touched, clock });
        if self.tso {
            self.walk(state, word);
        } else {
            self.drain(state, n);
        }
    }

    fn flush(&self, state: &mut State, cpu: usize, page: usize) {
        let entry = state.words[self.program.entry(page)];
        state.cached[cpu][page] = if entry == 0 { 0 } else { 1 << entry };
    }
}
