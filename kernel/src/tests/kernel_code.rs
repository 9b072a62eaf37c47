//! D1: no CPU can write the kernel's code.

use core::sync::atomic::{AtomicU32, Ordering};

use alloc::sync::Arc;

use super::context::{Context, Finding, Outcome};
use super::crew::crew;
use crate::layout::BY2PG;
use crate::mach::machno;
use crate::{paging, probe};

const WRITTEN: &str = "kernel code can be written";

/// Each CPU tries to write each page of code what it holds already.
pub fn run(context: &Context) -> Outcome {
    let tried = Arc::new(AtomicU32::new(0));
    let (sum, shared) = (tried.clone(), context.clone());
    crew(&"kernel-code", context.ncpu, Some, move |_| {
        for va in paging::text().step_by(BY2PG) {
            let Some(word) = probe::read(va) else { continue };
            sum.fetch_add(1, Ordering::Relaxed);
            // SAFETY: the value is what is there, so nothing changes if the write goes through.
            if unsafe { probe::write(va, word) } {
                let (hazard, cpu, why) = ("D1", machno(), WRITTEN);
                shared.finding(&Finding { hazard, cpu, va, expected: 0, seen: word, why });
            }
        }
    });
    let tried = tried.load(Ordering::Relaxed);
    let mut outcome = context.outcome(format_args!("{tried} writes on {} CPUs", context.ncpu));
    outcome.failures += u32::from(tried == 0);
    outcome
}
