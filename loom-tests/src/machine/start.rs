//! From set-up to the explored part: what each CPU does, and when it is over.

use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use mmu386::arch::Arch;
use mmu386::switch::mmuenter;
use mmu386::variant::Variant;

use super::interrupts::Handler;
use super::{Booted, Cpu, Machine};
use crate::engine::explorer::Defect;
use crate::engine::{self, Choice, explorer, loom, spawn};
use crate::oracle::audit;

/// How a CPU waits for a word to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It is set aside until the word has changed: a deadlock is a verdict.
    Park,
    /// It polls, yielding to the others: waking orders nothing, so nothing is hidden by it.
    Spin,
}

type Body<V> = Box<dyn FnOnce(&Cpu<V>)>;

/// What one thread of control does.
pub struct Script<V: Variant> {
    cpu: usize,
    ticks: usize,
    wakes: usize,
    preempts: usize,
    /// Process that has no CPU yet.
    ready: Option<usize>,
    /// Stands for all CPUs that processes leave.
    idles: bool,
    handler: Option<Handler<V>>,
    body: Option<Body<V>>,
}

impl<V: Variant> Script<V> {
    /// Starts on `cpu`, in whatever process that CPU runs, and does `body`.
    pub fn new(cpu: usize, body: impl FnOnce(&Cpu<V>) + 'static) -> Self {
        Self {
            cpu,
            ticks: 0,
            wakes: 0,
            preempts: 0,
            ready: None,
            idles: false,
            handler: None,
            body: Some(Box::new(body)),
        }
    }

    /// Does nothing on `cpu` but take interrupts.
    pub fn rest(cpu: usize) -> Self {
        Self { body: None, ..Self::new(cpu, |_| ()) }
    }

    /// Takes interrupts on every CPU that nobody runs on at the time.
    pub fn idle() -> Self {
        Self { idles: true, ..Self::rest(0) }
    }

    /// Runs process `proc` as soon as a CPU is free for it, and does `body`.
    pub fn ready(proc: usize, body: impl FnOnce(&Cpu<V>) + 'static) -> Self {
        Self { ready: Some(proc), ..Self::new(0, body) }
    }

    /// An unforced tick may arrive at any one point where interrupts are on.
    pub fn ticking(mut self) -> Self {
        self.ticks = 1;
        self
    }

    /// Where the script sleeps, it wakes at a moment of the explorer's choosing, or when nobody else
    /// has work.
    pub fn dozing(mut self) -> Self {
        self.wakes = 1;
        self
    }

    /// As [`dozing`](Self::dozing), and it wakes on any of so many CPUs.
    pub fn dozing_among(mut self, cpus: usize) -> Self {
        self.wakes = cpus;
        self
    }

    /// The process may be preempted at any one point where interrupts are on, unless it holds locks.
    pub fn preempted(mut self) -> Self {
        self.preempts = 1;
        self
    }

    /// A device may interrupt at any one point where interrupts are on; its driver does this then.
    pub fn interrupted(mut self, handler: impl FnOnce(&Cpu<V>) + 'static) -> Self {
        self.handler = Some(Box::new(handler));
        self
    }

    /// Where newpage sleeps, the process may wake on any free CPU.
    pub fn waking(mut self, cpus: usize) -> Self {
        self.wakes = cpus - 1;
        self
    }

    /// As [`waking`](Self::waking), and the process may be preempted, too.
    pub fn wandering(self, cpus: usize) -> Self {
        self.waking(cpus).preempted()
    }
}

impl<V: Variant> Booted<V> {
    /// CPU `n`, for set-up.
    pub fn cpu(&self, n: usize) -> Cpu<V> {
        Cpu::new(self.machine.clone(), n)
    }

    /// Process `n` is alive, and waits for a CPU.
    pub fn make_ready(&self, n: usize) {
        self.cpu(0).store(&self.machine.procs[n].state, 1);
    }

    /// Lets CPU `n` run process `n`, without a page directory of its own as yet.
    pub fn run_process(&self, n: usize) {
        self.run_on(n, n);
    }

    /// Lets CPU `cpu` run process `n`.
    pub fn run_on(&self, cpu: usize, n: usize) {
        let handle = self.cpu(cpu);
        let proc = &self.machine.procs[n];
        handle.store(&proc.state, 1);
        let level = handle.splhi();
        self.machine.cpu(cpu).up.set(Some(n));
        self.machine.vacant[cpu].swap(0);
        mmuenter(&handle, proc);
        handle.splx(level);
    }

    /// Ends set-up and explores the scripts. A CPU whose script has ended goes on taking interrupts
    /// until all have. The last thread audits what is left.
    pub fn start(self, scripts: Vec<Script<V>>) {
        let machine = self.machine.clone();
        let busy = scripts.iter().filter(|script| script.body.is_some()).count();
        machine.busy.store(busy as u32);
        let threads: Vec<Cpu<V>> = scripts.iter().map(|script| self.thread(script)).collect();
        machine.present.store(scripts.len(), Relaxed);
        machine.running.store(true, Relaxed);
        machine.log.clear();
        let mut choices: Vec<Choice> = Vec::new();
        for (script, cpu) in scripts.into_iter().zip(threads) {
            cpu.handler.replace(script.handler);
            let coins = [&cpu.tick, &cpu.wakes, &cpu.preempt, &cpu.device];
            choices.extend(coins.map(Clone::clone));
            let witness = self.witness();
            spawn(move || {
                explorer::runs_on(cpu.id());
                if let Some(proc) = script.ready {
                    cpu.enter(proc, true);
                }
                if script.idles {
                    cpu.idle_everywhere();
                } else {
                    follow(&cpu, script.body);
                }
                if cpu.machine.present.fetch_sub(1, Relaxed) == 1 && !engine::explored() {
                    engine::loom::steps::end();
                    audit::at_end(&cpu.machine);
                }
                drop(witness);
            });
        }
        if engine::explored() {
            return explorer::explore_from_here(machine);
        }
        for choice in &choices {
            choice.offer();
        }
        loom::explore_from_here();
    }

    /// What follows the script.
    fn thread(&self, script: &Script<V>) -> Cpu<V> {
        let mut cpu = self.cpu(script.cpu);
        cpu.tick = Choice::new(script.ticks);
        cpu.wakes = Choice::new(script.wakes);
        cpu.preempt = Choice::new(script.preempts);
        cpu.device = Choice::new(usize::from(script.handler.is_some()));
        if !script.idles && script.ready.is_none() {
            cpu.quiet_at_first();
        }
        cpu
    }

    fn witness(&self) -> std::rc::Rc<dyn super::Witness> {
        self._witness.clone()
    }
}

impl<V: Variant> Cpu<V> {
    /// The script is through. That is a step: what others do before it may make interrupts come before it, too.
    fn ends(&self) {
        if explorer::has(Defect::ScriptsEndAtOnce) {
            return;
        }
        explorer::step(false);
        self.explored_points();
    }
}

fn follow<V: Variant>(cpu: &Cpu<V>, body: Option<Body<V>>) {
    let machine: &Rc<Machine<V>> = &cpu.machine;
    if let Some(body) = body {
        let before = cpu.takes_interrupts();
        body(cpu);
        if before && !cpu.gone.get() {
            cpu.expect_level(before, "what the script calls");
        }
        if !cpu.gone.get() {
            cpu.ends();
        }
        machine.busy.fetch_add(u32::MAX);
        if cpu.gone.get() {
            return;
        }
    }
    *machine.lo(cpu.id()) = true;
    cpu.rest_until_all_have_ended();
}
