//! Programs as the reference has them: flat code, one step an instruction.

use crate::program::{Op, Program, Value};

/// An instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ins {
    Load(usize),
    Store(usize, u32),
    Swap(usize, u32),
    Add(usize, u32),
    Fence,
    Wait(usize, u32),
    /// Skips so many if a word does not hold this, which goes to the registers then.
    Unlike(usize, u32, u16),
    /// Goes so many back as soon as one of two words is not as seen.
    RestEither((usize, u32), (usize, u32), u16),
    /// A number goes to the registers.
    Push(u32),
    /// Waits until a word does not hold what the latest register does.
    WaitSeen(usize),
    Lock(usize),
    Hi,
    Lo,
    Get(usize),
    Put(usize, u32),
    /// Skips so many if 0 is chosen.
    Choose(u16),
    /// Skips so many if the latest register is another.
    Unless(u32, u16),
    Begin,
    Return(bool),
    Uses(usize),
    Invlpg(usize),
    Cr3,
    Machno,
    Advance,
    LoadMine,
    StoreMine(Value),
    QuitIfSame,
    QuitAt(u32),
    QuitIf(u32),
}

impl Ins {
    /// Whether it waits until the CPU's stores have reached memory.
    pub fn drains(self) -> bool {
        matches!(
            self,
            Self::Swap(..)
                | Self::Add(..)
                | Self::Fence
                | Self::Lock(_)
                | Self::Invlpg(_)
                | Self::Cr3
        )
    }
}

/// The code of some operations.
pub fn compile(ops: &[Op], program: &Program) -> Vec<Ins> {
    let mut code = Vec::new();
    ops.iter().for_each(|op| add(&mut code, op, program));
    code
}

fn add(code: &mut Vec<Ins>, op: &Op, program: &Program) {
    let guarded = |code: &mut Vec<Ins>, guard: fn(u16, u32) -> Ins, value, inner: &Op| {
        let at = code.len();
        code.push(Ins::Fence);
        add(code, inner, program);
        code[at] = guard((code.len() - at - 1) as u16, value);
    };
    match *op {
        Op::Load(w) => code.push(Ins::Load(w)),
        Op::Store(w, v) => code.push(Ins::Store(w, v)),
        Op::Swap(w, v) => code.push(Ins::Swap(w, v)),
        Op::Add(w, v) => code.push(Ins::Add(w, v)),
        Op::Fence => code.push(Ins::Fence),
        Op::Wait(w, v) | Op::Poll(w, v) => code.push(Ins::Wait(w, v)),
        Op::WaitEither(w, v, u, x) => code.extend([
            Ins::Unlike(w, v, 2),
            Ins::Unlike(u, x, 1),
            Ins::RestEither((w, v), (u, x), 2),
        ]),
        Op::Tries(w, v, times) => {
            let left = |n| (times - n) as u16;
            code.extend((0..times).map(|n| Ins::Unlike(w, v, left(n))));
            code.push(Ins::Push(v));
        }
        Op::Await(w) => code.extend([Ins::Load(w), Ins::WaitSeen(w)]),
        Op::Lock(w) => code.push(Ins::Lock(w)),
        Op::Hi => code.push(Ins::Hi),
        Op::Lo => code.push(Ins::Lo),
        Op::Get(c) => code.push(Ins::Get(c)),
        Op::Put(c, v) => code.push(Ins::Put(c, v)),
        Op::Maybe(ref inner) => guarded(code, |skip, _| Ins::Choose(skip), 0, inner),
        Op::If(v, ref inner) => guarded(code, |skip, v| Ins::Unless(v, skip), v, inner),
        Op::Call(ref ops, tells) => {
            code.push(Ins::Begin);
            ops.iter().for_each(|op| add(code, op, program));
            code.push(Ins::Return(tells));
        }
        Op::SetPage(p, frame) => code.push(Ins::Store(program.entry(p), frame)),
        Op::Uses(p) => code.push(Ins::Uses(p)),
        Op::Invlpg(p) => code.push(Ins::Invlpg(p)),
        Op::Cr3 => code.push(Ins::Cr3),
        Op::Machno => code.push(Ins::Machno),
        Op::Advance => code.push(Ins::Advance),
        Op::LoadMine => code.push(Ins::LoadMine),
        Op::StoreMine(value) => code.push(Ins::StoreMine(value)),
        Op::QuitIfSame => code.push(Ins::QuitIfSame),
        Op::QuitAt(v) => code.push(Ins::QuitAt(v)),
        Op::QuitIf(v) => code.push(Ins::QuitIf(v)),
    }
}
