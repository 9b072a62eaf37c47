//! x86-TSO as Owens, Sarkar and Sewell give it in 2009: a FIFO store buffer per thread, and a memory.
//! It shares nothing with the engines but the form of programs and outcomes.

use std::collections::{BTreeSet, HashSet, VecDeque};

use loom_tests::engine::litmus::{Op, Outcome, Program};

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    memory: Vec<u32>,
    next: Vec<usize>,
    buffers: Vec<VecDeque<(usize, u32)>>,
    read: Vec<Vec<u32>>,
}

/// All outcomes of a program.
pub fn outcomes(tso: bool, program: &Program) -> BTreeSet<Outcome> {
    let words = program.iter().flatten().filter_map(|op| op.word()).max().map_or(0, |n| n + 1);
    let threads = program.len();
    let start = State {
        memory: vec![0; words],
        next: vec![0; threads],
        buffers: vec![VecDeque::new(); threads],
        read: vec![Vec::new(); threads],
    };
    let (mut met, mut found) = (HashSet::new(), BTreeSet::new());
    go_on(tso, program, start, &mut met, &mut found);
    found
}

fn go_on(
    tso: bool,
    program: &Program,
    state: State,
    met: &mut HashSet<State>,
    found: &mut BTreeSet<Outcome>,
) {
    if !met.insert(state.clone()) {
        return;
    }
    let mut ended = true;
    for t in 0..program.len() {
        let mut drained = state.clone();
        if let Some((word, value)) = drained.buffers[t].pop_front() {
            drained.memory[word] = value;
            go_on(tso, program, drained, met, found);
            ended = false;
        }
        let Some(&op) = program[t].get(state.next[t]) else { continue };
        ended = false;
        if let Some(after) = step(tso, &state, t, op) {
            go_on(tso, program, after, met, found);
        }
    }
    if ended {
        found.insert(state.read.concat().into_iter().chain(state.memory).collect());
    }
}

/// What thread `t` makes of the state by its next operation, unless that waits for its buffer.
fn step(tso: bool, state: &State, t: usize, op: Op) -> Option<State> {
    let mut after = state.clone();
    after.next[t] += 1;
    let own = |word| state.buffers[t].iter().rev().find(|(other, _)| *other == word);
    match op {
        Op::Load(word) => after.read[t].push(own(word).map_or(state.memory[word], |(_, v)| *v)),
        Op::Store(word, value) if tso => after.buffers[t].push_back((word, value)),
        Op::Store(word, value) => after.memory[word] = value,
        Op::Advance => {}
        Op::Swap(..) | Op::Add(..) | Op::Fence if !state.buffers[t].is_empty() => return None,
        Op::Swap(word, value) => {
            after.read[t].push(state.memory[word]);
            after.memory[word] = value;
        }
        Op::Add(word, value) => {
            after.read[t].push(state.memory[word]);
            after.memory[word] = state.memory[word].wrapping_add(value);
        }
        Op::Fence => {}
    }
    Some(after)
}
