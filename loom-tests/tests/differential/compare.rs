//! A program by the explorer, reduced and not, in both modes, against the reference; and programs that are
//! no larger than they need be to show a difference.

use std::fmt::Write;

use loom_tests::engine::explorer::Limits;

use crate::machine::{explore, limits};
use crate::program::{Op, Program};
use crate::reference;
use crate::verdict::Verdict;

/// How the explorer goes through a program.
pub struct Way {
    /// Its name.
    pub name: &'static str,
    /// How far.
    pub limits: fn() -> Limits,
}

/// Reduced, unreduced, and reduced with all that it leaves out put to the test.
pub const WAYS: [Way; 4] = [
    Way { name: "reduced", limits: || limits(true, false) },
    Way { name: "reduced, backward", limits: || Limits { backward: true, ..limits(true, false) } },
    Way { name: "reduced and checked", limits: || limits(true, true) },
    Way { name: "unreduced", limits: || limits(false, false) },
];

/// What a comparison says.
pub enum Compared {
    /// All agree on this, in `sc` and in `tso`.
    Same([Verdict; 2]),
    /// They do not, and how.
    Differs(String),
    /// The reference has too many states.
    TooLarge,
}

/// Compares the explorer's ways through a program with the reference.
pub fn compare(program: &Program, ways: &[Way]) -> Compared {
    let mut wanted = Vec::new();
    for tso in [false, true] {
        match reference::explore(program, tso) {
            Some(verdict) => wanted.push(verdict),
            None => return Compared::TooLarge,
        }
    }
    let mut text = String::new();
    for (tso, wanted) in [false, true].into_iter().zip(&wanted) {
        for way in ways {
            let found = explore(program, tso, (way.limits)());
            if let Some(difference) = wanted.differs(&found) {
                let mode = if tso { "tso" } else { "sc" };
                _ = write!(text, "  {mode}, {}:\n{difference}", way.name);
            }
        }
    }
    match <[Verdict; 2]>::try_from(wanted) {
        Ok(wanted) if text.is_empty() => Compared::Same(wanted),
        _ => Compared::Differs(text),
    }
}

/// A program that is no larger than it needs be to differ, and how it does.
pub fn shrink(program: &Program, differs: impl Fn(&Program) -> bool) -> Program {
    let mut smallest = program.clone();
    while let Some(smaller) = smaller(&smallest).into_iter().find(|program| differs(program)) {
        smallest = smaller;
    }
    smallest
}

/// Programs with less in them. What makes ticks find nothing in the end stays.
fn smaller(program: &Program) -> Vec<Program> {
    let mut all = Vec::new();
    if program.threads.len() > 1 {
        let last = program.threads.len() - 1;
        let mut fewer = program.clone();
        fewer.threads.pop();
        // Words of answers have other numbers then: without it only if it needs none of them.
        let beyond = |ops: &[Op]| ops.iter().any(|op| mentions(op, |w| w > program.words));
        if !program.threads.iter().any(|thread| beyond(&thread.ops)) && last > 0 {
            all.push(fewer);
        }
        for n in 0..program.threads.len() {
            let mut idle = program.clone();
            idle.threads[n].ops.clear();
            idle.threads[n].device = None;
            all.push(idle);
        }
    }
    if program.tick.is_some() {
        all.push(Program { tick: None, ..program.clone() });
    }
    for n in 0..program.threads.len() {
        for ops in fewer(&program.threads[n].ops) {
            let mut fewer = program.clone();
            fewer.threads[n].ops = ops;
            all.push(fewer);
        }
        if let Some(device) = &program.threads[n].device {
            let mut without = program.clone();
            without.threads[n].device = None;
            all.push(without);
            for ops in fewer(device) {
                let mut fewer = program.clone();
                fewer.threads[n].device = Some(ops);
                all.push(fewer);
            }
        }
        if program.threads[n].wanders && program.threads.iter().filter(|t| t.wanders).count() > 1 {
            let mut stays = program.clone();
            stays.threads[n].wanders = false;
            all.push(stays);
        }
    }
    for ops in program.tick.iter().flat_map(|tick| fewer(&tick.body)) {
        let mut fewer = program.clone();
        fewer.tick.as_mut().expect("it has one").body = ops;
        all.push(fewer);
    }
    all.retain(|smaller| smaller != program);
    all
}

fn mentions(op: &Op, which: impl Fn(usize) -> bool + Copy) -> bool {
    match op {
        Op::Load(w) | Op::Store(w, _) | Op::Swap(w, _) | Op::Add(w, _) => which(*w),
        Op::Wait(w, _) | Op::Await(w) | Op::Poll(w, _) | Op::Tries(w, ..) | Op::Lock(w) => {
            which(*w)
        }
        Op::WaitEither(w, _, u, _) => which(*w) || which(*u),
        Op::Maybe(op) | Op::If(_, op) => mentions(op, which),
        Op::Call(ops, _) => ops.iter().any(|op| mentions(op, which)),
        _ => false,
    }
}

/// The same with one operation less, or a simpler one.
fn fewer(ops: &[Op]) -> Vec<Vec<Op>> {
    let mut all = Vec::new();
    for n in 0..ops.len() {
        let without: Vec<_> = [&ops[..n], &ops[n + 1..]].concat();
        match ops[n] {
            // Interrupts that are off go on again.
            Op::Hi => {
                let lo = without[n..].iter().position(|op| *op == Op::Lo);
                let mut without = without.clone();
                if let Some(lo) = lo {
                    without.remove(n + lo);
                }
                all.push(without);
            }
            Op::Lo => {}
            _ => all.push(without),
        }
        let with = |inner: &[Op]| [&ops[..n], inner, &ops[n + 1..]].concat();
        match &ops[n] {
            Op::Maybe(inner) | Op::If(_, inner) => all.push(with(&[(**inner).clone()])),
            Op::Call(inner, tells) => {
                all.push(with(inner));
                all.extend(fewer(inner).into_iter().map(|ops| with(&[Op::Call(ops, *tells)])));
            }
            Op::Await(w) => all.push(with(&[Op::Wait(*w, 0)])),
            Op::Poll(w, v) | Op::WaitEither(w, v, ..) => all.push(with(&[Op::Wait(*w, *v)])),
            Op::Tries(w, v, times) if *times > 1 => {
                all.push(with(&[Op::Tries(*w, *v, times - 1)]));
            }
            _ => {}
        }
    }
    all
}
