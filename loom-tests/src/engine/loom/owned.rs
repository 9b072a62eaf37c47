//! Values with one owner at a time, watched by loom.

use std::cell::OnceCell;

use loom::cell::UnsafeCell;

/// What loom watches for accesses by two threads that nothing orders. Such a pair is reported as a
/// race, whatever the values are. Made at the first access, which counts as a write: most owned
/// values of a machine are never looked at in an execution, and each that is watched costs.
#[derive(Default)]
pub(in crate::engine) struct Watched(OnceCell<UnsafeCell<()>>);

impl Watched {
    fn cell(&self) -> &UnsafeCell<()> {
        self.0.get_or_init(|| UnsafeCell::new(()))
    }
    pub(in crate::engine) fn read(&self) {
        self.cell().with(|_| ());
    }
    pub(in crate::engine) fn write(&self) {
        self.cell().with_mut(|_| ());
    }
}
