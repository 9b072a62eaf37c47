//! Executions that loom need not branch in: sleep sets (Godefroid, "Partial-order methods for the verification of
//! concurrent systems", 1996, chapter 5), laid over loom as published.
//!
//! Once loom has explored all that follows a step of one thread, and goes back to let another thread step instead, the
//! first thread sleeps: what it would do next was seen already, until a step that conflicts with that step comes
//! before it. loom does not know of this, and tries the same order of conflicting steps again and again. It goes
//! through its tree depth first, so the tree can be told from the steps of each execution: where one differs from
//! the last, all below was explored. If loom takes a step of a thread that sleeps, it is told to branch no more in
//! this execution, which runs to its end.

use std::rc::Rc;

use super::steps::{Access, THREADS};

/// What a step accesses.
type Footprint = Vec<Access>;

fn conflict(one: &[Access], other: &[Access]) -> bool {
    one.iter().any(|a| other.iter().any(|b| a.key == b.key && (a.update || b.update)))
}

fn include(all: &mut Footprint, access: Access) {
    match all.iter_mut().find(|known| known.key == access.key) {
        Some(known) => known.update |= access.update,
        None => all.push(access),
    }
}

/// Where executions part.
struct Node {
    /// The thread whose step is explored.
    thread: usize,
    /// What the step accesses, whatever loom chooses in it.
    footprint: Footprint,
    /// What it has chosen.
    chosen: Option<usize>,
    /// The steps of other threads that were explored here.
    explored: [Option<Rc<Footprint>>; THREADS],
}

#[derive(Default)]
pub(super) struct Sleep {
    on: bool,
    path: Vec<Node>,
    /// Steps of this execution.
    at: usize,
    /// What the current one accesses; none between two.
    step: Option<Footprint>,
    /// Threads that sleep, by what they would access next.
    asleep: [Option<Rc<Footprint>>; THREADS],
    /// A thread that sleeps has taken a step: nothing new comes of this execution.
    over: bool,
}

impl Sleep {
    pub(super) fn new(on: bool) -> Self {
        Self { on, ..Self::default() }
    }

    pub(super) fn rewind(&mut self) {
        self.at = 0;
        self.step = None;
        self.asleep = Default::default();
        self.over = false;
    }

    /// Whether the current execution differs from another in the order of steps that commute alone.
    pub(super) fn over(&self) -> bool {
        self.over
    }

    /// A thread takes a step.
    pub(super) fn begin(&mut self, me: usize) {
        if !self.on || self.over {
            return;
        }
        let node = self.path.get_mut(self.at);
        if self.asleep[me].is_some()
            || node.as_ref().is_some_and(|node| node.explored[me].is_some())
        {
            self.over = true;
            self.path.truncate(self.at + 1);
            return loom::skip_branch();
        }
        match node {
            Some(node) if node.thread == me => {}
            Some(node) => {
                node.explored[node.thread] = Some(Rc::new(std::mem::take(&mut node.footprint)));
                node.thread = me;
                node.chosen = None;
                self.path.truncate(self.at + 1);
            }
            None => {
                let explored = Default::default();
                self.path.push(Node { thread: me, footprint: Vec::new(), chosen: None, explored });
            }
        }
        self.at += 1;
        self.step = Some(Vec::new());
    }

    /// It accesses a word.
    pub(super) fn accessed(&mut self, access: Access) {
        if let Some(step) = &mut self.step {
            include(step, access);
            include(&mut self.path[self.at - 1].footprint, access);
        }
    }

    /// loom chooses what comes of it.
    pub(super) fn chosen(&mut self, value: usize) {
        if self.step.is_none() {
            return;
        }
        let node = &mut self.path[self.at - 1];
        if node.chosen.replace(value).is_some_and(|before| before != value) {
            self.path.truncate(self.at);
        }
    }

    /// The step is over.
    pub(super) fn close(&mut self) {
        let Some(step) = self.step.take() else { return };
        let node = &self.path[self.at - 1];
        for (n, asleep) in self.asleep.iter_mut().enumerate() {
            let sleeps = asleep.take().or_else(|| node.explored[n].clone());
            *asleep = sleeps.filter(|next| n != node.thread && !conflict(next, &step));
        }
    }
}
