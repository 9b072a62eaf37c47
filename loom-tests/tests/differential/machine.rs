//! A program on the model machine, by the explorer.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use loom_tests::engine::explorer::{self, Found, Limits, explored};
use loom_tests::engine::{Choice, OwnedCell, Sharing, Word};
use loom_tests::machine::{Config, Cpu, GEOMETRY, Machine, Script, device};
use mmu386::arch::{Arch, Owned, WordName};
use mmu386::entry::{PTEVALID, PTEWRITE};
use mmu386::layout::{BY2PG, BY2WD, Frame};
use mmu386::shootdown::Handshake;
use mmu386::state::Proc;
use mmu386::variant::{Fixes, Variant};

use crate::program::{Op, Outcome, PAGES, Program, Value};
use crate::verdict::Verdict;

/// mmu386 whose ticks do what the program says.
pub struct Programmed;

impl Variant for Programmed {
    const FIXES: Fixes = Fixes::ALL;
    type Handshake = Handler;
}

/// The handler of ticks and IPIs.
pub struct Handler;

thread_local! {
    /// The program that this worker explores, in its current execution.
    static RUNNING: RefCell<Option<Rc<Running>>> = const { RefCell::new(None) };
}

impl Handshake for Handler {
    fn flush_everywhere<A: Arch>(_: &A) {}
    fn flush_processes<A: Arch>(_: &A, _: impl Fn(&Proc<A>) -> bool) {}
    fn online<A: Arch>(_: &A) {}
    fn offline<A: Arch>(_: &A) {}

    fn interrupt<A: Arch>(arch: &A) {
        let cpu: &dyn Any = arch;
        let cpu: &Cpu<Programmed> = cpu.downcast_ref().expect("programs run on the model machine");
        let running = RUNNING.with_borrow(Clone::clone).expect("a program runs");
        running.run(cpu, &running.handler, &mut Vec::new());
    }

    fn wait_turn<A: Arch>(arch: &A, seen: &[(&A::Word, u32)]) {
        arch.relax(seen);
    }
}

/// One execution of a program.
struct Running {
    program: Program,
    handler: Vec<Op>,
    words: Vec<Word>,
    cells: Vec<OwnedCell<u32>>,
    registers: RefCell<Vec<Vec<u32>>>,
    /// The page table, where the program has to do with translations, and its entries.
    table: Option<u32>,
    entries: Vec<Word>,
}

const FLAGS: u32 = PTEWRITE | PTEVALID;

/// The entry that leads to one of the frames, from 1 on; 0 is none.
fn entry_of(frame: u32) -> u32 {
    if frame == 0 { 0 } else { device(frame - 1) | FLAGS }
}

fn frame_of(pa: u32) -> u32 {
    (1..4).find(|&frame| device(frame - 1) == pa).unwrap_or(0)
}

fn address(page: usize) -> u32 {
    GEOMETRY.base(GEOMETRY.kmap) + page as u32 * BY2PG
}

/// Whether the code goes on.
#[derive(PartialEq, Eq)]
enum Goes {
    On,
    Back,
}

impl Running {
    fn run(&self, cpu: &Cpu<Programmed>, ops: &[Op], registers: &mut Vec<u32>) -> Goes {
        for op in ops {
            if self.one(cpu, op, registers) == Goes::Back {
                return Goes::Back;
            }
        }
        Goes::On
    }

    fn one(&self, cpu: &Cpu<Programmed>, op: &Op, registers: &mut Vec<u32>) -> Goes {
        let word = |n: usize| &self.words[n];
        let mine = || &self.words[self.program.answered(cpu.id())];
        let latest = registers.last().copied().unwrap_or(0);
        match *op {
            Op::Load(n) => registers.push(cpu.load(word(n))),
            Op::Store(n, value) => cpu.store(word(n), value),
            Op::Swap(n, value) => registers.push(cpu.swap(word(n), value)),
            Op::Add(n, value) => registers.push(cpu.fetch_add(word(n), value)),
            Op::Fence => cpu.fence(),
            Op::Wait(n, value) => registers.push(wait(cpu, word(n), value)),
            Op::Await(n) => {
                let seen = cpu.load(word(n));
                registers.push(seen);
                registers.push(wait(cpu, word(n), seen));
            }
            Op::Poll(n, value) => loop {
                let seen = cpu.load(word(n));
                if seen != value {
                    registers.push(seen);
                    break;
                }
            },
            Op::WaitEither(n, value, other, its) => registers.push(loop {
                let seen = cpu.load(word(n));
                if seen != value {
                    break seen;
                }
                let seen = cpu.load(word(other));
                if seen != its {
                    break seen;
                }
                cpu.relax(&[(word(n), value), (word(other), its)]);
            }),
            Op::Tries(n, value, times) => {
                let mut seen = value;
                for _ in 0..times {
                    seen = cpu.load(word(n));
                    if seen != value {
                        break;
                    }
                }
                registers.push(seen);
            }
            Op::Lock(n) => {
                while cpu.swap(word(n), 1) != 0 {
                    cpu.relax(&[(word(n), 1)]);
                }
            }
            Op::Hi => _ = cpu.splhi(),
            Op::Lo => _ = cpu.spllo(),
            Op::Get(n) => registers.push(self.cells[n].get()),
            Op::Put(n, value) => self.cells[n].set(value),
            Op::Maybe(ref inner) => {
                let chosen = Choice::new(1).poll();
                explorer::observe(("chosen", chosen));
                registers.push(chosen as u32);
                if chosen == 1 {
                    return self.one(cpu, inner, registers);
                }
            }
            Op::If(value, ref inner) => {
                if latest == value {
                    return self.one(cpu, inner, registers);
                }
            }
            Op::Call(ref ops, tells) => {
                let result = cpu.call(|| {
                    let mut inner = Vec::new();
                    self.run(cpu, ops, &mut inner);
                    if tells { inner.last().copied().unwrap_or(0) } else { 0 }
                });
                registers.push(result);
            }
            Op::SetPage(page, frame) => cpu.store(&self.entries[page], entry_of(frame)),
            Op::Uses(page) => {
                // A place for interrupts: could_use is none.
                cpu.machno();
                let all = cpu.could_use(address(page)).into_iter().map(|way| frame_of(way.pa));
                registers.push(all.fold(0, |set, frame| set | 1 << frame));
            }
            Op::Invlpg(page) => cpu.invlpg(address(page)),
            Op::Cr3 => cpu.putcr3(cpu.getcr3()),
            Op::Machno => registers.push(cpu.machno() as u32),
            Op::Advance => explorer::advance(),
            Op::LoadMine => registers.push(cpu.load(mine())),
            Op::StoreMine(value) => {
                let first = registers.first().copied().unwrap_or(0);
                let value = match value {
                    Value::Is(value) => value,
                    Value::First => first,
                    Value::FirstAndOne => first + 1,
                };
                cpu.store(mine(), value);
            }
            Op::QuitIfSame => {
                let before = registers.len().checked_sub(2).map_or(0, |n| registers[n]);
                if before == latest {
                    return Goes::Back;
                }
            }
            Op::QuitAt(least) if latest >= least => return Goes::Back,
            Op::QuitIf(value) if latest == value => return Goes::Back,
            Op::QuitAt(_) | Op::QuitIf(_) => {}
        }
        Goes::On
    }

    /// Shows the page table on the CPU, or takes it away.
    fn set_directory(&self, cpu: &Cpu<Programmed>, shows: bool) {
        let Some(table) = self.table else { return };
        let frame = Frame::containing(table - GEOMETRY.kzero_base());
        let entry = if shows { frame.pa() | FLAGS } else { 0 };
        let directory = GEOMETRY.kzero_base() + cpu.getcr3().pa();
        cpu.store(cpu.at(directory + GEOMETRY.kmap as u32 * BY2WD), entry);
    }

    /// Takes away what oracles would object to when all is over.
    fn clear(&self, cpu: &Cpu<Programmed>) {
        if self.table.is_none() {
            return;
        }
        cpu.splhi();
        self.set_directory(cpu, false);
        (0..GEOMETRY.entries()).for_each(|page| cpu.invlpg(address(page)));
        cpu.putcr3(cpu.getcr3());
        cpu.spllo();
    }

    fn outcome(&self) -> Outcome {
        let entries = self.entries.iter().map(|entry| frame_of(entry.peek() & !(BY2PG - 1)));
        Outcome {
            registers: self.registers.borrow().clone(),
            words: self.words.iter().map(Word::peek).chain(entries).collect(),
            cells: self.cells.iter().map(OwnedCell::peek).collect(),
        }
    }
}

fn wait(cpu: &Cpu<Programmed>, word: &Word, value: u32) -> u32 {
    loop {
        let seen = cpu.load(word);
        if seen != value {
            return seen;
        }
        cpu.relax(&[(word, value)]);
    }
}

/// One execution, for the explorer. Returns what it has come to, if it came to its end.
fn execute(program: &Program) -> Outcome {
    let cpus = program.cpus();
    let procs = if program.wanders() { program.threads.len() } else { 1 };
    let machine = Machine::<Programmed>::boot(Config::new(cpus, procs));
    let table =
        program.translates().then(|| machine.cpu(0).xspanalloc().expect("there are two tables"));
    let entry = |table, page| machine.cpu(0).at(table + page as u32 * BY2WD).clone();
    let entries =
        table.map_or_else(Vec::new, |table| (0..PAGES).map(|page| entry(table, page)).collect());
    let word = |n| Word::new(WordName::Other("program", n), 0, Sharing::Shared);
    let running = Rc::new(Running {
        program: program.clone(),
        handler: program.handler(),
        words: (0..program.all_words()).map(word).collect(),
        cells: (0..program.cells).map(|_| OwnedCell::new(0)).collect(),
        registers: RefCell::new(vec![Vec::new(); program.threads.len()]),
        table,
        entries,
    });
    RUNNING.set(Some(running.clone()));
    for n in 0..cpus {
        running.set_directory(&machine.cpu(n), true);
        machine.cpu(n).putcr3(machine.cpu(n).getcr3());
    }
    if program.wanders() {
        (0..program.threads.len()).for_each(|n| machine.run_process(n));
    }
    let scripts = program.threads.iter().enumerate().map(|(n, thread)| {
        let (ops, runs) = (thread.ops.clone(), running.clone());
        let script = Script::new(n, move |cpu| {
            let mut registers = Vec::new();
            runs.run(cpu, &ops, &mut registers);
            runs.clear(cpu);
            runs.registers.borrow_mut()[n] = registers;
        });
        let script = if thread.wanders { script.wandering(cpus) } else { script };
        let Some(ops) = thread.device.clone() else { return script };
        let runs = running.clone();
        script.interrupted(move |cpu| _ = runs.run(cpu, &ops, &mut Vec::new()))
    });
    let scripts = scripts.collect();
    machine.start(scripts);
    running.outcome()
}

/// What the explorer shows of a program.
pub fn explore(program: &Program, tso: bool, limits: Limits) -> Verdict {
    let program = program.clone();
    let search = move || explored(tso, limits, move |outcomes| outcomes.add(execute(&program)));
    match catch_unwind(AssertUnwindSafe(search)) {
        Ok((Found::Everything, _, outcomes)) => Verdict::of(outcomes),
        Ok((Found::Livelock(_), ..)) => Verdict { stuck: true, ..Verdict::default() },
        Ok((Found::OutOfMemory, size, _)) => Verdict::failed(format!("no end in {size:?}")),
        Err(panic) => Verdict::of_panic(&*panic),
    }
}

/// Limits for one worker.
pub fn limits(reduce: bool, check: bool) -> Limits {
    Limits {
        workers: 1,
        memory: 1 << 26,
        preemptions: None,
        reduce,
        check,
        backward: false,
        defect: None,
    }
}
