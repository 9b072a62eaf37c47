//! Calls that the code must answer with a panic.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mmu386::variant::Variant;

use super::{Cpu, Machine};
use crate::engine::{Held, explorer};

impl<V: Variant> Cpu<V> {
    /// Makes a call that the code may answer with a panic which says `sign`. Returns what the call
    /// returned, or `None` after that panic. Any other panic ends the run.
    pub fn unless_refused<R>(&self, sign: &'static str, call: impl FnOnce() -> R) -> Option<R> {
        self.machine.refusals().push(sign);
        let result = catch_unwind(AssertUnwindSafe(call));
        let mut waiting = self.machine.refusals();
        if let Some(at) = waiting.iter().position(|one| *one == sign) {
            waiting.swap_remove(at);
        }
        drop(waiting);
        if result.is_err() {
            explorer::unwinds(false);
        }
        match result {
            Ok(value) => Some(value),
            Err(payload) if payload.downcast_ref::<String>().is_some_and(|it| says(it, sign)) => {
                None
            }
            // The engine's own way to end a thread.
            Err(payload) => resume_unwind(payload),
        }
    }
}

/// A panic of the code begins with its CPU.
fn says(text: &str, sign: &str) -> bool {
    text.starts_with("cpu") && text.contains(sign)
}

impl<V: Variant> Machine<V> {
    fn refusals(&self) -> Held<'_, Vec<&'static str>> {
        self.refusals.hold()
    }

    /// Whether somebody waits for this panic.
    pub(super) fn is_refusal(&self, text: &str) -> bool {
        self.refusals().iter().any(|sign| says(text, sign))
    }
}
