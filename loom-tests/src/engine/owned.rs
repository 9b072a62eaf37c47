//! Values with one owner at a time.

use std::sync::Mutex;

use mmu386::arch::Owned;

use super::explorer::{self, CellState, Digestible};
use super::loom::Watched;
use super::mode;

enum Watch {
    Loom(Watched),
    Explorer(CellState),
}

/// A value that is watched: two accesses that nothing orders are reported, whatever the values are.
pub struct OwnedCell<T> {
    watch: Watch,
    value: Mutex<T>,
}

impl<T: Copy + 'static> Owned<T> for OwnedCell<T> {
    fn new(value: T) -> Self {
        let watch = if mode().explorer() {
            Watch::Explorer(CellState::new(value.digest()))
        } else {
            Watch::Loom(Watched::default())
        };
        Self { watch, value: Mutex::new(value) }
    }

    fn get(&self) -> T {
        let value = self.raw();
        match &self.watch {
            Watch::Loom(watched) => watched.read(),
            Watch::Explorer(cell) => explorer::owned_read(cell, value.digest()),
        }
        value
    }

    fn set(&self, value: T) {
        match &self.watch {
            Watch::Loom(watched) => watched.write(),
            Watch::Explorer(cell) => explorer::owned_write(cell, value.digest()),
        }
        *self.value.lock().expect("no panic while it is held") = value;
    }
}

impl<T: Copy> OwnedCell<T> {
    /// The value, for an oracle: not an access of the machine.
    pub fn peek(&self) -> T {
        if let Watch::Explorer(cell) = &self.watch {
            explorer::owned_look(cell);
        }
        self.raw()
    }

    fn raw(&self) -> T {
        *self.value.lock().expect("no panic while it is held")
    }
}
