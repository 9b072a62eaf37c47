//! The way to the current state: depth-first search by replaying.

use std::sync::Arc;

use super::commute::{Footprint, Here, Made};

/// What was done at a node, or can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Move {
    /// A thread takes its step.
    Run(u8),
    /// A thread's oldest store reaches memory.
    Drain(u8),
    /// The running thread's choice.
    Choose(u8),
    /// The thread that ran last is shown to be in a loop without an end, of so many observations a turn.
    Endless(u8),
    /// That was tried here, and is not so.
    NotEndless,
}

/// A place where the execution can go on in several ways.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) taken: Move,
    /// Not tried yet; the last one is tried next.
    pub(super) rest: Vec<Move>,
    /// Number of the state, unless the node is a choice.
    pub(super) state: Option<u32>,
    /// What is known of its steps, where that is told.
    here: Option<Box<Here>>,
}

/// The nodes that lead to where the execution is.
#[derive(Debug, Default)]
pub(super) struct Path {
    nodes: Vec<Node>,
    /// How many of them the current execution has passed.
    depth: usize,
    /// Nodes below this are another worker's to go back over.
    fixed: usize,
    /// The last of several moves is tried first.
    backward: bool,
    /// State that the execution was in last.
    pub(super) state: Option<u32>,
}

impl Path {
    /// Starts where another worker has left off, or at the beginning.
    pub(super) fn start(nodes: Vec<Node>, backward: bool) -> Self {
        Self { fixed: nodes.len(), nodes, depth: 0, backward, state: None }
    }

    /// Starts the next execution of the search; `false` if there is none.
    pub(super) fn next(&mut self) -> bool {
        self.depth = 0;
        self.state = None;
        while self.nodes.len() > self.fixed {
            let node = self.nodes.last_mut().expect("it is longer than what is fixed");
            if let Some(next) = node.rest.pop() {
                if let Some(here) = &mut node.here {
                    here.made();
                }
                node.taken = next;
                return true;
            }
            self.nodes.pop();
        }
        false
    }

    /// The move that a replay makes here, or `None` if the execution is at its frontier.
    pub(super) fn replayed(&mut self) -> Option<Move> {
        let node = self.nodes.get(self.depth)?;
        self.depth += 1;
        if node.state.is_some() {
            self.state = node.state;
        }
        Some(node.taken)
    }

    /// At the frontier: takes the first of some moves, and leaves the others for later.
    pub(super) fn branch(&mut self, moves: Vec<Move>, state: Option<u32>) -> Move {
        self.branch_here(moves, state, None)
    }

    /// The same at a state, with what is known of its steps.
    pub(super) fn branch_here(
        &mut self,
        mut moves: Vec<Move>,
        state: Option<u32>,
        here: Option<Here>,
    ) -> Move {
        if !self.backward {
            moves.reverse();
        }
        let taken = moves.pop().expect("there is a move");
        self.nodes.push(Node { taken, rest: moves, state, here: here.map(Box::new) });
        self.depth += 1;
        if state.is_some() {
            self.state = state;
        }
        taken
    }

    /// At the frontier, which has this digest: what is known of the steps there.
    pub(super) fn arrives(&mut self, there: u128, touched: &Footprint) -> Vec<Arc<Made>> {
        let from = self.nodes.iter_mut().rev().find(|node| node.state.is_some());
        let Some(Node { taken, here: Some(here), .. }) = from else { return Vec::new() };
        here.goes_to(there, *taken, touched)
    }

    /// At the frontier: the digest of the state that the execution was in last, and the step that was
    /// taken there, if its steps are told.
    pub(super) fn came(&self) -> Option<(u128, Move)> {
        let node = self.nodes.iter().rev().find(|node| node.state.is_some())?;
        Some((node.here.as_ref()?.key, node.taken))
    }

    /// The move that was taken last leads nowhere: there is another instead.
    pub(super) fn also(&mut self, other: Move) {
        self.nodes[self.depth - 1].rest.push(other);
    }

    /// Gives away the earliest moves that were not tried, as ways for others to start from.
    pub(super) fn donate(&mut self) -> Vec<Vec<Node>> {
        let open = (self.fixed..self.nodes.len()).find(|&n| !self.nodes[n].rest.is_empty());
        let Some(n) = open else { return Vec::new() };
        let rest = std::mem::take(&mut self.nodes[n].rest);
        if self.nodes[n].state.is_none() {
            let from = self.nodes[..n].iter_mut().rev().find(|node| node.state.is_some());
            if let Some(Node { here: Some(here), .. }) = from {
                here.shares();
            }
        }
        let way = |&taken: &Move| {
            let mut nodes: Vec<Node> = self.nodes[..n]
                .iter()
                .map(|node| Node {
                    taken: node.taken,
                    rest: Vec::new(),
                    state: node.state,
                    here: None,
                })
                .collect();
            let Node { state, here, .. } = &self.nodes[n];
            let here = here.as_ref().map(|here| Box::new(here.given_away()));
            nodes.push(Node { taken, rest: Vec::new(), state: *state, here });
            nodes
        };
        rest.iter().map(way).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moves(n: u8) -> Vec<Move> {
        (0..n).map(Move::Choose).collect()
    }

    /// All ways through two choices of two, by walking a path again and again.
    fn walk(path: &mut Path) -> Vec<Vec<Move>> {
        let mut ways = Vec::new();
        loop {
            let mut way = Vec::new();
            for _ in 0..2 {
                way.push(path.replayed().unwrap_or_else(|| path.branch(moves(2), None)));
            }
            ways.push(way);
            if !path.next() {
                return ways;
            }
        }
    }

    #[test]
    fn every_way_is_walked_once() {
        assert_eq!(walk(&mut Path::default()).len(), 4);
    }

    #[test]
    fn what_is_given_away_is_walked_by_the_other_alone() {
        let mut path = Path::default();
        path.branch(moves(2), None);
        path.branch(moves(2), None);
        let given = path.donate();
        assert_eq!(given.len(), 1);
        path.next();
        let mine = walk(&mut path);
        assert_eq!(mine, vec![vec![Move::Choose(0), Move::Choose(1)]]);
        let mut other = Path::start(given[0].clone(), false);
        assert_eq!(walk(&mut other).len(), 2);
    }
}
