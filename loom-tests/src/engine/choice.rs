//! Choices that an engine branches over.

use super::{explorer, loom, mode};

/// A number of the engine's choosing, up to a limit.
///
/// Under loom it never falls, and changes between polls only: polled n times, it yields every
/// sequence of n numbers that never falls. Under the explorer each poll is a choice of its own.
#[derive(Clone)]
pub struct Choice {
    coin: Option<loom::Coin>,
    limit: usize,
}

impl Choice {
    /// A choice of 0 to `limit`.
    pub fn new(limit: usize) -> Self {
        Self { coin: (!mode().explorer()).then(|| loom::Coin::new(limit)), limit }
    }

    /// Offers all values. Called by the first thread after it has spawned the poller.
    pub fn offer(&self) {
        if let Some(coin) = &self.coin {
            coin.offer();
        }
    }

    /// The current value.
    pub fn poll(&self) -> usize {
        match &self.coin {
            _ if self.limit == 0 => 0,
            Some(coin) => coin.poll(),
            None => explorer::choose(self.limit + 1),
        }
    }

    /// Whether there is anything to choose.
    pub fn offers(&self) -> bool {
        self.limit > 0
    }
}
