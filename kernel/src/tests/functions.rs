//! Every function of mmu.c has run in this boot.

use core::fmt::Write;

use alloc::borrow::Cow;
use alloc::vec::Vec;
use heapless::String;
use mmu386::function::Function;
use mmu386_wire::Line;

use super::context::{Context, Outcome};
use crate::{ran, report};

/// Tells the harness which have.
pub fn tell() {
    let all = Function::ALL.iter().filter(|function| ran::has(**function));
    let names: Vec<Cow<'_, str>> = all.map(|function| function.name().into()).collect();
    Line::functions(&names).for_each(|line| report::send(&line));
}

/// Which have not.
pub fn run(_: &Context) -> Outcome {
    let mut missing = String::<160>::new();
    let mut count = 0;
    for function in Function::ALL.iter().filter(|function| !ran::has(**function)) {
        count += 1;
        // Only a list for people.
        let _ = write!(missing, " {}", function.name());
    }
    let all = Function::ALL.len();
    Outcome::new(count, format_args!("{all} functions, {count} never called:{missing}"))
}
