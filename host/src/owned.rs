//! Values with one owner at a time, which notice another.
//!
//! What a CPU owns may be touched on that CPU alone, with interrupts off; what a process owns, on the
//! CPU that runs it. Both are known when the value is made, so a wrong owner panics at once, in
//! whatever order threads run. What a lock guards is not known here.

use std::cell::Cell;

use crossbeam::atomic::AtomicCell;
use mmu386::arch::Owned;

/// Whose a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A CPU's, with interrupts off.
    Cpu(usize),
    /// A process's.
    Proc(usize),
    /// The thread that holds the right lock, or list.
    Unknown,
}

/// The owner that touches values now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    pub cpu: usize,
    pub up: Option<usize>,
    pub lo: bool,
}

thread_local! {
    /// Owner of the values that are being made.
    static MAKING: Cell<Owner> = const { Cell::new(Owner::Unknown) };
    /// `None`: anybody may touch anything.
    static NOW: Cell<Option<Context>> = const { Cell::new(None) };
}

/// Makes values that belong to `owner`.
pub(crate) fn made_for<T>(owner: Owner, make: impl FnOnce() -> T) -> T {
    let before = MAKING.replace(owner);
    let made = make();
    MAKING.set(before);
    made
}

/// From here on values are touched by this CPU, on this thread.
pub(crate) fn touching(context: Option<Context>) {
    NOW.set(context);
}

/// Puts the context back when it goes, panic or not.
pub(crate) struct Restore(Option<Context>);

/// The context from here on is somebody else's, until what this returns goes.
pub(crate) fn for_a_while(context: Option<Context>) -> Restore {
    Restore(NOW.replace(context))
}

impl Drop for Restore {
    fn drop(&mut self) {
        NOW.set(self.0);
    }
}

/// A value that one owner at a time reads and writes.
pub struct OwnedCell<T> {
    value: AtomicCell<T>,
    owner: Owner,
}

impl<T: Copy> OwnedCell<T> {
    /// The value, for onlookers.
    pub fn peek(&self) -> T {
        self.value.load()
    }

    #[track_caller]
    fn expect_owner(&self) {
        let Some(now) = NOW.get() else { return };
        match self.owner {
            Owner::Cpu(n) if n != now.cpu => {
                panic!("cpu{} touches what belongs to cpu{n}", now.cpu)
            }
            Owner::Cpu(n) if now.lo => panic!("cpu{n} touches its own with interrupts on"),
            Owner::Proc(n) if now.up != Some(n) => {
                let runs = now.up.map_or("no proc".into(), |up| format!("proc {up}"));
                panic!("cpu{}, running {runs}, touches what belongs to proc {n}", now.cpu)
            }
            _ => {}
        }
    }
}

impl<T: Copy + 'static> Owned<T> for OwnedCell<T> {
    fn new(value: T) -> Self {
        Self { value: AtomicCell::new(value), owner: MAKING.get() }
    }
    #[track_caller]
    fn get(&self) -> T {
        self.expect_owner();
        self.value.load()
    }
    #[track_caller]
    fn set(&self, value: T) {
        self.expect_owner();
        self.value.store(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(owner: Owner) -> OwnedCell<u32> {
        made_for(owner, || OwnedCell::new(1))
    }

    #[test]
    fn the_owner_may() {
        let (cpu, proc) = (cell(Owner::Cpu(1)), cell(Owner::Proc(2)));
        let _back = for_a_while(Some(Context { cpu: 1, up: Some(2), lo: false }));
        cpu.set(cpu.get() + 1);
        proc.set(proc.get() + 1);
        assert_eq!((cpu.peek(), proc.peek()), (2, 2));
    }

    #[test]
    #[should_panic(expected = "cpu0 touches what belongs to cpu1")]
    fn another_cpu_may_not() {
        let _back = for_a_while(Some(Context { cpu: 0, up: None, lo: false }));
        cell(Owner::Cpu(1)).get();
    }

    #[test]
    #[should_panic(expected = "cpu1 touches its own with interrupts on")]
    fn with_interrupts_on_it_may_not() {
        let _back = for_a_while(Some(Context { cpu: 1, up: None, lo: true }));
        cell(Owner::Cpu(1)).set(3);
    }

    #[test]
    #[should_panic(expected = "cpu1, running proc 3, touches what belongs to proc 2")]
    fn another_process_may_not() {
        let _back = for_a_while(Some(Context { cpu: 1, up: Some(3), lo: false }));
        cell(Owner::Proc(2)).get();
    }
}
