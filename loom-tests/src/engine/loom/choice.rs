//! Choices that loom branches over.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A number that grows at moments of loom's choosing, up to a limit: polled n times, it
/// yields every sequence of n numbers that never falls. A coin that is "an interrupt arrives at one
/// of these points, or at none" has limit 1.
///
/// loom branches over every store that a Relaxed load may read, so one thread writes all values and
/// another polls. The writer cannot poll.
#[derive(Clone)]
pub struct Coin {
    value: Arc<AtomicUsize>,
    limit: usize,
}

impl Coin {
    /// A choice that starts at 0.
    pub fn new(limit: usize) -> Self {
        Self { value: Arc::new(AtomicUsize::new(0)), limit }
    }

    /// Offers all values. Called by the first thread after it has spawned the poller.
    pub fn offer(&self) {
        for value in 1..=self.limit {
            self.value.store(value, Relaxed);
        }
    }

    /// The current value; a later poll may see a larger one.
    pub fn poll(&self) -> usize {
        let value = self.value.load(Relaxed);
        super::steps::chosen(value);
        value
    }
}
