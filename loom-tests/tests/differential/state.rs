//! What the abstract machine is in.

use std::collections::VecDeque;

use crate::order::{Clock, Order};
use crate::program::PAGES;

/// Where a thread is in some code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Place {
    pub at: u16,
    pub registers: Vec<u32>,
    /// Where the registers of calls that have not returned begin.
    pub calls: Vec<u16>,
}

/// A process on its way from one CPU to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moves {
    No,
    Leaving,
    Entering,
}

/// Accesses to owned values: a bit for a look at each, and one for a change.
pub type Touched = u16;

/// A store on its way to memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Buffered {
    pub word: u8,
    pub value: u32,
    /// Touches since the store before.
    pub touched: Touched,
    /// What it passes on, where that is followed.
    pub clock: Clock,
}

/// A thread.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Thread {
    pub cpu: u8,
    pub place: Place,
    pub ended: bool,
    /// The handler that runs in its place: of the tick or the device.
    pub handler: Option<(bool, Place)>,
    pub device: bool,
    pub may_wander: bool,
    pub moves: Moves,
    pub buffer: VecDeque<Buffered>,
    /// Touches since the latest store.
    pub touched: Touched,
}

/// The whole machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub words: Vec<u32>,
    pub cells: Vec<u32>,
    pub threads: Vec<Thread>,
    /// Per CPU: interrupts are on, nobody runs there, the frames of each page that its TLB may hold.
    pub on: Vec<bool>,
    pub vacant: Vec<bool>,
    pub cached: Vec<[u8; PAGES]>,
    /// What happens before what, where that is followed.
    pub order: Option<Order>,
}

impl State {
    /// Where the code is that runs on a thread.
    pub fn place(&mut self, n: usize) -> &mut Place {
        let thread = &mut self.threads[n];
        thread.handler.as_mut().map_or(&mut thread.place, |(_, place)| place)
    }
}

impl Place {
    /// The latest register of the call that it is in.
    pub fn latest(&self) -> u32 {
        let from = self.calls.last().copied().unwrap_or(0).into();
        self.registers[from..].last().copied().unwrap_or(0)
    }
}
