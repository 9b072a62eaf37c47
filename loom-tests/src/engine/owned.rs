//! Values with one owner at a time.

use std::sync::Mutex;

use loom::cell::UnsafeCell;
use mmu386::arch::Owned;

/// A value that loom watches for accesses by two threads that nothing orders. Such a pair is
/// reported as a race, whatever the values are.
pub struct OwnedCell<T> {
    watched: UnsafeCell<()>,
    value: Mutex<T>,
}

impl<T: Copy> Owned<T> for OwnedCell<T> {
    fn new(value: T) -> Self {
        Self { watched: UnsafeCell::new(()), value: Mutex::new(value) }
    }

    fn get(&self) -> T {
        self.watched.with(|_| ());
        self.peek()
    }

    fn set(&self, value: T) {
        self.watched.with_mut(|_| ());
        *self.value.lock().expect("no panic while it is held") = value;
    }
}

impl<T: Copy> OwnedCell<T> {
    /// The value, for an oracle: not an access of the machine.
    pub fn peek(&self) -> T {
        *self.value.lock().expect("no panic while it is held")
    }
}
