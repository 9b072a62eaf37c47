//! Small programs over all that the machine offers, as data.
//!
//! Words are numbered: first a program's own, then one in which interrupts are asked for, then one per CPU
//! in which they answer, then the entries of the page table that all CPUs can walk to.

use std::fmt;

/// Most entries of the page table that programs use.
pub const PAGES: usize = 2;

/// What a CPU does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A plain load; what it sees goes to the registers.
    Load(usize),
    /// A plain store.
    Store(usize, u32),
    /// A LOCKed exchange; the old value goes to the registers.
    Swap(usize, u32),
    /// A LOCKed add; the old value goes to the registers.
    Add(usize, u32),
    /// MFENCE.
    Fence,
    /// `while load(w) == v { relax }`; what ended it goes to the registers.
    Wait(usize, u32),
    /// `seen = load(w); while load(w) == seen { relax }`; both go to the registers.
    Await(usize),
    /// `while load(w) == v {}`; what ended it goes to the registers.
    Poll(usize, u32),
    /// `while load(w) == v && load(u) == x { relax }`; what ended it goes to the registers.
    WaitEither(usize, u32, usize, u32),
    /// At most so many loads, until one is not this; the latest goes to the registers.
    Tries(usize, u32, u32),
    /// `while swap(w, 1) != 0 { relax }`.
    Lock(usize),
    /// splhi.
    Hi,
    /// spllo.
    Lo,
    /// A look at an owned value, which goes to the registers.
    Get(usize),
    /// An owned value changes.
    Put(usize, u32),
    /// The explorer chooses whether this is done; the choice goes to the registers.
    Maybe(Box<Op>),
    /// Done if the latest register holds this.
    If(u32, Box<Op>),
    /// A call of which nothing is left but its result, which goes to the registers: its latest register
    /// if it tells that, otherwise 0.
    Call(Vec<Op>, bool),
    /// An entry of the page table becomes this: nothing, or one of three frames.
    SetPage(usize, u32),
    /// The frames that an access to a page could use, a bit each, go to the registers.
    Uses(usize),
    /// INVLPG.
    Invlpg(usize),
    /// A load of CR3 with what is in it.
    Cr3,
    /// The number of the CPU goes to the registers.
    Machno,
    /// No access: the code is further than it was, which the explorer's reduction goes by.
    Advance,
    /// In a handler: a load of the CPU's own word of answers.
    LoadMine,
    /// In a handler: a store to it.
    StoreMine(Value),
    /// In a handler: returns if the two latest registers are equal.
    QuitIfSame,
    /// In a handler: returns if the latest register is at least this.
    QuitAt(u32),
    /// In a handler: returns if the latest register is this.
    QuitIf(u32),
}

/// What a handler stores in its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Is(u32),
    /// The handler's first register.
    First,
    /// One more than its first register.
    FirstAndOne,
}

/// When a tick, or an IPI, has something to do. It looks at the CPU's own word of answers, so that it
/// finds nothing from some moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// If more was asked for than answered; it answers last.
    Asked,
    /// If the CPU's flag is up; it takes it down last.
    Flag,
    /// If the CPU's flag is up; it takes it down first.
    FlagFirst,
    /// So many times, asked or not.
    Times(u32),
    /// If the CPU's flag is up and this word is not 0; it takes the flag down last.
    Both(usize),
}

/// What a tick does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// Whether it does anything.
    pub guard: Guard,
    /// What it does then.
    pub body: Vec<Op>,
}

/// A thread: it starts on the CPU of its number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Thread {
    /// What it does.
    pub ops: Vec<Op>,
    /// What a device's driver does when that interrupts, once, at any point.
    pub device: Option<Vec<Op>>,
    /// It may be preempted once, and go on on any CPU that is free.
    pub wanders: bool,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Words of its own.
    pub words: usize,
    /// Owned values.
    pub cells: usize,
    /// The threads.
    pub threads: Vec<Thread>,
    /// What ticks do.
    pub tick: Option<Tick>,
}

impl Program {
    /// A program without interrupts, of threads that nobody preempts.
    pub fn of(words: usize, cells: usize, threads: Vec<Vec<Op>>) -> Self {
        let threads = threads.into_iter().map(|ops| Thread { ops, ..Thread::default() }).collect();
        Self { words, cells, threads, tick: None }
    }

    /// The same with ticks.
    pub fn ticking(self, guard: Guard, body: Vec<Op>) -> Self {
        Self { tick: Some(Tick { guard, body }), ..self }
    }

    /// CPUs of the machine: one is free where threads wander.
    pub fn cpus(&self) -> usize {
        self.threads.len() + usize::from(self.wanders())
    }

    /// Whether some thread may be preempted.
    pub fn wanders(&self) -> bool {
        self.threads.iter().any(|thread| thread.wanders)
    }

    /// The word in which interrupts are asked for.
    pub fn asked(&self) -> usize {
        self.words
    }

    /// The word in which those of a CPU answer.
    pub fn answered(&self, cpu: usize) -> usize {
        self.words + 1 + cpu
    }

    /// The word that is an entry of the page table.
    pub fn entry(&self, page: usize) -> usize {
        self.words + 1 + self.cpus() + page
    }

    /// All words, but for entries.
    pub fn all_words(&self) -> usize {
        self.words + 1 + self.cpus()
    }

    /// Whether it has to do with translations.
    pub fn translates(&self) -> bool {
        fn one(op: &Op) -> bool {
            match op {
                Op::SetPage(..) | Op::Uses(_) | Op::Invlpg(_) | Op::Cr3 => true,
                Op::Maybe(op) | Op::If(_, op) => one(op),
                Op::Call(ops, _) => ops.iter().any(one),
                _ => false,
            }
        }
        let device = |thread: &Thread| thread.device.iter().flatten().any(one);
        self.threads.iter().any(|thread| thread.ops.iter().any(one) || device(thread))
            || self.tick.iter().any(|tick| tick.body.iter().any(one))
    }

    /// All that a tick does, with its looks for something to do.
    pub fn handler(&self) -> Vec<Op> {
        use Op::*;
        let Some(Tick { guard, body }) = &self.tick else {
            // Nobody ever asks.
            return vec![Load(self.asked())];
        };
        let body = body.clone();
        let around = |first: Vec<Op>, last: Vec<Op>| [first, body, last].concat();
        match *guard {
            Guard::Asked => around(
                vec![Load(self.asked()), LoadMine, QuitIfSame],
                vec![StoreMine(Value::First)],
            ),
            Guard::Flag => around(vec![LoadMine, QuitIf(0)], vec![StoreMine(Value::Is(0))]),
            Guard::FlagFirst => {
                around(vec![LoadMine, QuitIf(0), StoreMine(Value::Is(0))], Vec::new())
            }
            Guard::Times(n) => {
                around(vec![LoadMine, QuitAt(n), StoreMine(Value::FirstAndOne)], Vec::new())
            }
            Guard::Both(word) => around(
                vec![LoadMine, QuitIf(0), Load(word), QuitIf(0)],
                vec![StoreMine(Value::Is(0))],
            ),
        }
    }
}

/// What a program has come to: all registers of each thread, then the words, the entries, the owned values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outcome {
    /// Per thread.
    pub registers: Vec<Vec<u32>>,
    /// Words and then entries.
    pub words: Vec<u32>,
    /// Owned values.
    pub cells: Vec<u32>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |list: &[u32]| list.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        let registers: Vec<_> = self.registers.iter().map(|of| list(of)).collect();
        write!(f, "{} / {}", registers.join(" | "), list(&self.words))?;
        if self.cells.is_empty() { Ok(()) } else { write!(f, " / {}", list(&self.cells)) }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} words, {} owned; asks by w{}, answers from w{}",
            self.words,
            self.cells,
            self.asked(),
            self.answered(0)
        )?;
        for (n, thread) in self.threads.iter().enumerate() {
            let wanders = if thread.wanders { " (may be preempted)" } else { "" };
            writeln!(f, "  cpu {n}{wanders}: {:?}", thread.ops)?;
            if let Some(device) = &thread.device {
                writeln!(f, "    its device: {device:?}")?;
            }
        }
        match &self.tick {
            Some(tick) => writeln!(f, "  tick, {:?}: {:?}", tick.guard, tick.body),
            None => Ok(()),
        }
    }
}
