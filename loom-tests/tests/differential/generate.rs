//! Random programs: each follows from a seed and a number.

use crate::program::{Guard, Op, PAGES, Program, Thread, Tick};

/// Random numbers (SplitMix64).
pub struct Random(u64);

impl Random {
    /// Numbers that follow from these.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0xd134_2543_de82_ef95) ^ number);
        random.next();
        Self(random.next() ^ number.rotate_left(32))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    /// A number below this.
    pub fn below(&mut self, of: usize) -> usize {
        (self.next() % of as u64) as usize
    }

    /// Whether something of this chance, in a hundred, happens.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these, by weight.
    fn among<T: Copy>(&mut self, of: &[(usize, T)]) -> T {
        let mut left = self.below(of.iter().map(|(weight, _)| weight).sum());
        for &(weight, one) in of {
            if left < weight {
                return one;
            }
            left -= weight;
        }
        unreachable!("it is below the sum")
    }
}

/// What programs are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Words, waits, choices, calls.
    Plain,
    /// Owned values.
    Owned,
    /// Ticks and IPIs.
    Ticks,
    /// Ticks beside waits.
    Waits,
    /// A device.
    Device,
    /// Preemption and migration.
    Wanders,
    /// Translations.
    Pages,
}

impl Shape {
    /// All, with how many of a hundred programs are so.
    const WEIGHTS: [(usize, Self); 7] = [
        (16, Self::Plain),
        (14, Self::Owned),
        (26, Self::Ticks),
        (18, Self::Waits),
        (8, Self::Device),
        (8, Self::Wanders),
        (10, Self::Pages),
    ];

    fn ticks(self) -> bool {
        !matches!(self, Self::Plain | Self::Owned)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Load,
    Store,
    Swap,
    Add,
    Fence,
    Wait,
    Await,
    Poll,
    Either,
    Tries,
    Section,
    Get,
    Put,
    Maybe,
    If,
    Call,
    SetPage,
    Uses,
    Invlpg,
    Cr3,
    Machno,
    Advance,
    Ask,
    Raise,
    AwaitAnswer,
}

struct Making<'a> {
    random: &'a mut Random,
    shape: Shape,
    words: usize,
    cells: usize,
    threads: usize,
    /// Handlers touch owned values, so that threads do so with interrupts off.
    handled: bool,
    guard: Option<Guard>,
    program: Program,
}

/// A program that follows from a seed and a number.
pub fn program(random: &mut Random) -> Program {
    let shape = random.among(&Shape::WEIGHTS);
    let threads = random.among(&[(if shape.ticks() { 25 } else { 5 }, 1), (60, 2), (20, 3)]);
    let words = random.among(&[(70, 2), (20, 1), (30, 3)]);
    let cells = match shape {
        Shape::Owned => random.among(&[(70, 1), (30, 2)]),
        Shape::Pages | Shape::Wanders => 0,
        _ => random.among(&[(80, 0), (20, 1)]),
    };
    let guard = shape.ticks().then(|| {
        let word = random.below(words);
        let both = Guard::Both(word);
        let times = Guard::Times(1 + random.below(2) as u32);
        let guards = [
            (35, Guard::Asked),
            (20, Guard::Flag),
            (15, Guard::FlagFirst),
            (20, times),
            (10, both),
        ];
        random.among(&guards)
    });
    let guard = guard.filter(|_| shape != Shape::Device || random.chance(50));
    let handled = cells > 0 && random.chance(50);
    let wanders = shape == Shape::Wanders;
    let shell = Thread { wanders, ..Thread::default() };
    let mut making = Making {
        random,
        shape,
        words,
        cells,
        threads,
        handled,
        guard,
        program: Program { words, cells, threads: vec![shell; threads], tick: None },
    };
    let tick = guard.map(|guard| Tick { guard, body: making.handler() });
    for n in 0..threads {
        let most = if threads == 3 { 3 } else { 4 };
        let ops = 1 + making.random.below(most);
        let ops = making.ops(ops);
        making.program.threads[n].ops = ops;
        let device = shape == Shape::Device && (n == 0 || making.random.chance(20));
        if device {
            making.program.threads[n].device = Some(making.handler());
        }
        if wanders && n > 0 {
            making.program.threads[n].wanders = making.random.chance(50);
        }
    }
    Program { tick, ..making.program }
}

impl Making<'_> {
    fn word(&mut self) -> usize {
        self.random.below(self.words)
    }

    fn value(&mut self) -> u32 {
        1 + self.random.below(2) as u32
    }

    fn cpu(&mut self) -> usize {
        self.random.below(self.threads)
    }

    fn page(&mut self) -> usize {
        if self.random.chance(75) { 0 } else { self.random.below(PAGES) }
    }

    fn handler(&mut self) -> Vec<Op> {
        let ops = 1 + self.random.below(3);
        let mut kinds = vec![
            (30, Kind::Load),
            (40, Kind::Store),
            (6, Kind::Swap),
            (8, Kind::Add),
            (3, Kind::Fence),
            (10, Kind::If),
            (3, Kind::Maybe),
        ];
        if self.handled {
            kinds.extend([(12, Kind::Get), (12, Kind::Put)]);
        }
        if self.shape == Shape::Pages {
            kinds.extend([(25, Kind::Invlpg), (20, Kind::Cr3), (10, Kind::SetPage)]);
        }
        let mut body: Vec<_> = (0..ops).flat_map(|_| self.op(&kinds, true)).collect();
        if self.random.chance(20) {
            // It may find nothing to do for another reason than its guard, and more than once.
            let looks = if self.handled && self.random.chance(60) {
                Op::Get(self.random.below(self.cells))
            } else {
                Op::Load(self.word())
            };
            body.splice(0..0, [looks, Op::QuitIf(self.random.below(2) as u32)]);
        }
        body
    }

    fn ops(&mut self, ops: usize) -> Vec<Op> {
        let mut kinds = vec![
            (34, Kind::Load),
            (34, Kind::Store),
            (7, Kind::Swap),
            (7, Kind::Add),
            (4, Kind::Fence),
            (5, Kind::Maybe),
            (8, Kind::If),
            (8, Kind::Call),
            (8, Kind::Advance),
        ];
        let waits = match self.shape {
            Shape::Waits => 30,
            Shape::Device => 0,
            _ => 8,
        };
        kinds.extend([(waits, Kind::Wait), (waits / 2, Kind::Await), (waits / 8, Kind::Poll)]);
        kinds.extend([(waits / 5, Kind::Either), (1 + waits / 8, Kind::Tries)]);
        if self.cells > 0 {
            let often = if self.shape == Shape::Owned { 35 } else { 12 };
            kinds.extend([(often / 2, Kind::Get), (often, Kind::Put)]);
        }
        if self.shape.ticks() {
            kinds.push((14, Kind::Section));
        }
        match self.guard {
            Some(Guard::Asked) => kinds.extend([(22, Kind::Ask), (12, Kind::AwaitAnswer)]),
            Some(Guard::Times(_)) | None => {}
            Some(_) => kinds.extend([(22, Kind::Raise), (12, Kind::AwaitAnswer)]),
        }
        if self.shape == Shape::Pages {
            let pages =
                [(40, Kind::SetPage), (50, Kind::Uses), (25, Kind::Invlpg), (12, Kind::Cr3)];
            kinds.extend(pages);
        }
        if self.shape == Shape::Wanders {
            kinds.push((25, Kind::Machno));
        }
        (0..ops).flat_map(|_| self.op(&kinds, false)).collect()
    }

    /// An operation, or a few that belong together.
    fn op(&mut self, kinds: &[(usize, Kind)], handler: bool) -> Vec<Op> {
        let kind = self.random.among(kinds);
        let (word, value) = (self.word(), self.value());
        let one = match kind {
            Kind::Load => Op::Load(word),
            Kind::Store => Op::Store(word, value),
            Kind::Swap => Op::Swap(word, if self.random.chance(25) { 0 } else { value }),
            Kind::Add => Op::Add(word, 1),
            Kind::Fence => Op::Fence,
            Kind::Wait => Op::Wait(word, if self.random.chance(70) { 0 } else { value }),
            Kind::Await => Op::Await(word),
            Kind::Poll => Op::Poll(word, if self.random.chance(70) { 0 } else { value }),
            Kind::Either => {
                let other =
                    if self.words == 1 { self.program.asked() } else { (word + 1) % self.words };
                Op::WaitEither(word, 0, other, if self.random.chance(70) { 0 } else { value })
            }
            Kind::Tries => {
                let times = 2 + self.random.below(7) as u32;
                Op::Tries(word, if self.random.chance(70) { 0 } else { value }, times)
            }
            Kind::Get | Kind::Put => {
                let cell = self.random.below(self.cells);
                let op = if matches!(kind, Kind::Get) {
                    Op::Get(cell)
                } else {
                    Op::Put(cell, if self.random.chance(20) { 0 } else { value })
                };
                if handler {
                    return vec![op];
                }
                return self.owned(op);
            }
            Kind::Maybe | Kind::If => {
                let inner = self.random.among(&[(3, Kind::Load), (6, Kind::Store), (2, Kind::Add)]);
                let inner = match inner {
                    Kind::Load => Op::Load(word),
                    Kind::Store => Op::Store(word, value),
                    _ => Op::Add(word, 1),
                };
                if matches!(kind, Kind::Maybe) {
                    Op::Maybe(Box::new(inner))
                } else {
                    Op::If(self.random.below(2) as u32, Box::new(inner))
                }
            }
            Kind::Call => {
                let simple = [(5, Kind::Load), (3, Kind::Store), (2, Kind::Add), (1, Kind::Wait)];
                let ops = 1 + self.random.below(2);
                let inner = (0..ops).flat_map(|_| self.op(&simple, handler)).collect();
                Op::Call(inner, self.random.chance(50))
            }
            Kind::Section => {
                let inner: Vec<_> = kinds
                    .iter()
                    .copied()
                    .filter(|(_, kind)| {
                        use Kind::*;
                        matches!(
                            kind,
                            Load | Store | Swap | Add | Fence | If | Uses | Invlpg | SetPage
                        )
                    })
                    .collect();
                let ops = 1 + self.random.below(2);
                let inner: Vec<_> = (0..ops).flat_map(|_| self.op(&inner, handler)).collect();
                return [vec![Op::Hi], inner, vec![Op::Lo]].concat();
            }
            Kind::SetPage => Op::SetPage(self.page(), self.random.below(4) as u32),
            Kind::Uses => Op::Uses(self.page()),
            Kind::Invlpg => Op::Invlpg(self.page()),
            Kind::Cr3 => Op::Cr3,
            Kind::Machno => Op::Machno,
            Kind::Advance => Op::Advance,
            Kind::Ask => Op::Add(self.program.asked(), 1),
            Kind::Raise => Op::Store(self.program.answered(self.random.below(self.threads)), 1),
            Kind::AwaitAnswer => {
                let cpu = self.cpu();
                let word = self.program.answered(cpu);
                match self.guard {
                    _ if self.random.chance(35) => Op::Load(word),
                    Some(Guard::Asked) => Op::Wait(word, 0),
                    _ => Op::Wait(word, 1),
                }
            }
        };
        vec![one]
    }

    /// How an owned value is touched: as it is, with a word that says so, or under a lock.
    fn owned(&mut self, op: Op) -> Vec<Op> {
        if self.handled {
            return vec![Op::Hi, op, Op::Lo];
        }
        let word = self.word();
        match self.random.below(10) {
            0..4 => vec![op],
            4..6 => vec![op, Op::Store(word, 1)],
            6 => vec![Op::Wait(word, 0), op],
            7 => vec![op, Op::Swap(word, 1)],
            _ => vec![Op::Lock(word), op, Op::Store(word, 0)],
        }
    }
}
