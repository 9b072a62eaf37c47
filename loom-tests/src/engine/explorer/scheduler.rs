//! The explorer as a scheduler of shuttle's.

use std::sync::Arc;

use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};

use super::commute::{self, Here, Made, Part};
use super::digest::digest;
use super::execution::{Execution, with};
use super::forgotten::Way;
use super::path::Move;
use super::thread::{Pending, Thread};

/// The scheduler of a worker. Its state is the worker's execution.
pub(super) struct Explorer;

/// What the worker does next.
pub(super) enum Next {
    Run(usize),
    Drain(usize),
    /// The state was met before, or the search is over.
    Stop,
    Ended,
    /// Nobody can go on.
    Stuck,
    /// Somebody always can, but no end can be reached.
    Hopeless,
}

impl Scheduler for Explorer {
    fn new_execution(&mut self) -> Option<Schedule> {
        let search = with(|x| {
            x.reset();
            x.search.clone()
        });
        search.next_execution().then(|| Schedule::new(0))
    }

    fn next_task(&mut self, tasks: &[&Task], _: Option<TaskId>, _: bool) -> Option<TaskId> {
        // The first thread, which sets up, is not one of ours.
        const FIRST: usize = 0;
        if !with(|x| x.exploring) {
            // In set-up it is the only one to run; at the end, the last.
            return Some(if with(|x| x.leaving) { last(tasks) } else { FIRST.into() });
        }
        loop {
            match with(Execution::next) {
                Next::Run(n) => return Some((n + 1).into()),
                Next::Drain(n) => {
                    let (store, cpu, host) =
                        with(|x| (x.drained(n), x.threads[n].cpu, x.host.clone()));
                    let state = store.word.explored().expect("the explorer's word");
                    let old = store.word.write(state, store.value);
                    let host = host.expect("it is there while threads run");
                    host.reached_memory(cpu, &store.word, old);
                }
                Next::Stop => {
                    with(Execution::leave);
                    return Some(last(tasks));
                }
                Next::Ended => {
                    let host = with(|x| {
                        x.exploring = false;
                        x.host.clone()
                    });
                    host.expect("it is there while threads run").ended();
                    return Some(FIRST.into());
                }
                next @ (Next::Stuck | Next::Hopeless) => {
                    let host = with(|x| x.host.clone());
                    let somebody_can = matches!(next, Next::Hopeless);
                    host.expect("it is there while threads run").stuck(somebody_can);
                    with(Execution::leave);
                    return Some(last(tasks));
                }
            }
        }
    }

    fn next_u64(&mut self) -> u64 {
        unreachable!("choices are made by the explorer itself")
    }
}

/// The one that was started last of those that have not finished.
fn last(tasks: &[&Task]) -> TaskId {
    tasks.iter().map(|task| task.id()).max().expect("somebody can run")
}

impl Execution {
    /// Makes all threads end, from wherever they are.
    fn leave(&mut self) {
        self.exploring = false;
        self.leaving = true;
    }

    fn next(&mut self) -> Next {
        if let Some(n) = self.drains() {
            return Next::Drain(n);
        }
        if let Some(n) = (0..self.threads.len()).find(|&n| self.threads[n].ready()) {
            if self.proof.is_some() && n != self.current {
                return self.refute();
            }
            return self.run(n);
        }
        if let Some(proof) = self.proof
            && let Some(next) = self.go_on_with_proof(proof)
        {
            return next;
        }
        let mut known = false;
        let taken = loop {
            let taken = match self.path.replayed() {
                Some(taken) => taken,
                None if known => self.path.branch(self.moves(), self.path.state),
                None => match self.frontier() {
                    Ok(taken) => taken,
                    Err(next) => return next,
                },
            };
            if taken != Move::NotEndless {
                break taken;
            }
            known = true;
        };
        commute::begin();
        self.way = Way::default();
        match taken {
            Move::Run(n) => {
                let n = usize::from(n);
                self.threads[n].goes_by_rest();
                if n != self.current && self.threads[self.current].is_preempted() {
                    self.preemptions += 1;
                }
                self.current = n;
                self.run(n)
            }
            Move::Drain(n) => Next::Drain(n.into()),
            Move::Endless(period) => {
                self.begin_proof(period);
                self.run(self.current)
            }
            Move::NotEndless | Move::Choose(_) => unreachable!("a replay does what was done"),
        }
    }

    pub(super) fn run(&mut self, n: usize) -> Next {
        self.current = n;
        commute::writes(Part::Thread(n));
        self.goes_round = false;
        self.threads[n].observed.steps();
        self.threads[n].steps += 1;
        self.threads[n].pending = Pending::Ready;
        Next::Run(n)
    }

    /// A state at the end of what was explored before.
    fn frontier(&mut self) -> Result<Move, Next> {
        if self.search.over() {
            return Err(Next::Stop);
        }
        let touched = commute::end();
        let key = self.key();
        let commuting = self.search.commuting();
        let known = if commuting { self.path.arrives(key, &touched) } else { Vec::new() };
        self.hopeless |= self.search.hopeless.contains(&key);
        let (state, mut new) = self.search.seen.meet(key);
        if commuting {
            if let Some((from, step)) =
                self.path.came().filter(|(from, _)| self.search.compares(*from))
            {
                let what = (step, self.way.happened.as_slice());
                self.search.forgotten.leads((from, digest(what)), key, self.parts(), &what);
            }
            // What was forgotten on the way here must make no difference from here on.
            if self.search.compares(key) {
                new = self.search.forgotten.is_new(self.key_of_all());
            }
        }
        if let Some(from) = self.path.state {
            self.search.edge(from, state);
        }
        if !new {
            let rests = |(n, thread): (usize, &Thread)| {
                matches!(thread.pending, Pending::Rest { .. })
                    || thread.done()
                    || n == self.current && self.goes_round
                    || thread.observed.goes_round(2).is_some()
            };
            // Where all threads have come to rest, or go round, shows best which waits for what.
            let shows = self.hopeless && self.threads.iter().enumerate().all(rests);
            return Err(if shows { Next::Hopeless } else { Next::Stop });
        }
        let moves = self.moves();
        if moves.is_empty() {
            let ended = self.threads.iter().all(|thread| thread.done());
            if ended {
                self.search.end(state);
            }
            return Err(if ended { Next::Ended } else { Next::Stuck });
        }
        if let Some(period) = self.suspects() {
            return Ok(self.path.branch(vec![Move::Endless(period)], Some(state)));
        }
        if !commuting {
            return Ok(self.path.branch(moves, Some(state)));
        }
        let (moves, checked) = self.to_be_made(moves, (key, state), &known);
        if moves.is_empty() {
            return Err(Next::Stop);
        }
        Ok(self.path.branch_here(moves, Some(state), Some(Here::new(key, known, checked))))
    }

    /// Those of a state's steps of which it is not known that they lead to states that were met, and those
    /// that are to be made nevertheless.
    fn to_be_made(
        &self,
        moves: Vec<Move>,
        (key, state): (u128, u32),
        known: &[Arc<Made>],
    ) -> (Vec<Move>, Vec<Arc<Made>>) {
        let search = &self.search;
        let checks = search.compares(key);
        let mut checked = Vec::new();
        let made = |step: &Move| {
            let Some(made) = commute::known(known, *step) else { return true };
            if checks {
                checked.push(made.clone());
                return true;
            }
            let there = |adds: &u128| search.seen.number(key.wrapping_add(*adds));
            let Some(there) = made.adds.iter().map(there).collect::<Option<Vec<_>>>() else {
                return true;
            };
            there.into_iter().for_each(|there| search.edge(state, there));
            false
        };
        (moves.into_iter().filter(made).collect(), checked)
    }
}
