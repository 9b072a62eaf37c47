//! Values with one owner at a time.

use std::cell::OnceCell;
use std::sync::Mutex;

use loom::cell::UnsafeCell;
use mmu386::arch::Owned;

/// What loom watches for accesses by two threads that nothing orders. Such a pair is reported as a
/// race, whatever the values are. Made at the first access, which counts as a write: most owned
/// values of a machine are never looked at in an execution, and each that is watched costs.
#[derive(Default)]
pub(super) struct Watched(OnceCell<UnsafeCell<()>>);

impl Watched {
    fn cell(&self) -> &UnsafeCell<()> {
        self.0.get_or_init(|| UnsafeCell::new(()))
    }
    pub(super) fn read(&self) {
        self.cell().with(|_| ());
    }
    pub(super) fn write(&self) {
        self.cell().with_mut(|_| ());
    }
}

/// A value that is watched.
pub struct OwnedCell<T> {
    watched: Watched,
    value: Mutex<T>,
}

impl<T: Copy> Owned<T> for OwnedCell<T> {
    fn new(value: T) -> Self {
        Self { watched: Watched::default(), value: Mutex::new(value) }
    }

    fn get(&self) -> T {
        self.watched.read();
        self.peek()
    }

    fn set(&self, value: T) {
        self.watched.write();
        *self.value.lock().expect("no panic while it is held") = value;
    }
}

impl<T: Copy> OwnedCell<T> {
    /// The value, for an oracle: not an access of the machine.
    pub fn peek(&self) -> T {
        *self.value.lock().expect("no panic while it is held")
    }
}
