//! A thread per process, which needs a CPU to run, and a thread per CPU that answers while none does.
//!
//! What threads do at once is up to the host; seeded choices only stir. Interrupts are flags that a
//! CPU looks at between two accesses where they are on. A wait that outlasts its deadline is a panic
//! that names the word and shows every CPU.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::sync::{Parker, Unparker};
use mmu386::layout::Frame;
use mmu386::variant::Variant;
use parking_lot::{Condvar, Mutex};

use crate::config::{Chances, Config};
use crate::cpu::Cpu;
use crate::machine::Machine;
use crate::panics::caught;
use crate::word::Word;

/// Time between two ticks.
const TICK: Duration = Duration::from_millis(1);
/// How long a CPU without work rests before it looks again.
const REST: Duration = Duration::from_millis(2);
/// How long a wait may take.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// How far from the page that was given back last the next may come from.
const DEPTH: usize = 4;
/// What threads say that end because another has panicked.
const ENDED: &str = "another thread has panicked";

thread_local! {
    /// Accesses before something happens.
    static COUNTDOWN: Cell<u32> = const { Cell::new(1) };
}

/// Which thread has which CPU, and which is to wake which.
pub(crate) struct Threads {
    seed: u64,
    chances: Mutex<Chances>,
    /// A process's thread, or the CPU's own, has the CPU.
    taken: Mutex<Vec<bool>>,
    freed: Condvar,
    /// Processes that wait for a CPU.
    waiting: AtomicUsize,
    /// A tick is pending.
    ticks: Vec<AtomicBool>,
    /// Wakes the CPU's own thread.
    own: Mutex<Vec<Unparker>>,
    failed: AtomicBool,
    pages: Mutex<()>,
    page_freed: Condvar,
}

impl Threads {
    pub fn new(config: &Config, seed: u64) -> Self {
        Self {
            seed,
            chances: Mutex::new(Chances::NONE),
            taken: Mutex::new(vec![false; config.cpus]),
            freed: Condvar::new(),
            waiting: AtomicUsize::new(0),
            ticks: (0..config.cpus).map(|_| AtomicBool::new(false)).collect(),
            own: Mutex::default(),
            failed: AtomicBool::new(false),
            pages: Mutex::default(),
            page_freed: Condvar::new(),
        }
    }

    pub fn set_chances(&self, chances: Chances) {
        *self.chances.lock() = chances;
    }

    fn percent(&self, chance: impl FnOnce(&Chances) -> u8) -> bool {
        let chance = chance(&self.chances.lock());
        chance > 0 && fastrand::u8(..100) < chance
    }

    pub fn newpage_sleeps(&self) -> bool {
        self.percent(|chances| chances.sleep)
    }

    pub fn tick_preempts(&self) -> bool {
        self.waiting.load(Relaxed) > 0 && self.percent(|chances| chances.preempt)
    }

    pub fn point<V: Variant>(&self, cpu: &Cpu<V>) {
        let state = cpu.state();
        if state.lo() {
            if state.ipi.load(Relaxed) {
                cpu.take_ipi();
            }
            // Not `state`: the process may have moved.
            let tick = &self.ticks[cpu.id()];
            if tick.load(Relaxed) && tick.swap(false, Relaxed) {
                cpu.tick();
            }
        }
        let left = COUNTDOWN.get();
        COUNTDOWN.set(left.saturating_sub(1));
        if left == 1 {
            self.stir(cpu);
        }
    }

    /// Once in a while: walks for no reason, and lets other threads go first.
    fn stir<V: Variant>(&self, cpu: &Cpu<V>) {
        let mean = self.chances.lock().accesses;
        COUNTDOWN.set(if mean == 0 { 0 } else { fastrand::u32(1..=mean * 2) });
        self.expect_no_failure();
        let machine = cpu.machine();
        let n = if fastrand::bool() { cpu.id() } else { fastrand::usize(..machine.config.cpus) };
        machine.speculate(n, machine.interesting(&mut fastrand::Rng::new()));
        if fastrand::u8(..4) == 0 {
            thread::yield_now();
        }
    }

    /// The core has told of something: a moment at which it matters which thread comes first.
    pub fn event(&self) {
        if fastrand::u8(..4) == 0 {
            thread::yield_now();
        }
    }

    fn expect_no_failure(&self) {
        if self.failed.load(Relaxed) && !thread::panicking() {
            panic!("{ENDED}");
        }
    }

    pub fn wait<V: Variant>(&self, cpu: &Cpu<V>, seen: &[(&Word, u32)]) {
        let started = Instant::now();
        loop {
            for _ in 0..64 {
                if seen.iter().any(|(word, value)| word.value.load(SeqCst) != *value) {
                    return;
                }
                self.point(cpu);
                std::hint::spin_loop();
            }
            self.expect_no_failure();
            if started.elapsed() > DEADLINE {
                panic!("{}", cpu.why_stuck(seen, "for too long"));
            }
            thread::yield_now();
        }
    }

    fn take(&self, n: usize) -> bool {
        !std::mem::replace(&mut self.taken.lock()[n], true)
    }

    fn give(&self, n: usize) {
        self.taken.lock()[n] = false;
        self.freed.notify_one();
    }

    /// A CPU that nobody has, for the caller alone.
    fn take_any(&self) -> usize {
        let deadline = Instant::now() + DEADLINE;
        let mut taken = self.taken.lock();
        self.waiting.fetch_add(1, Relaxed);
        let n = loop {
            let first = fastrand::usize(..taken.len());
            let all = (0..taken.len()).map(|k| (first + k) % taken.len());
            if let Some(n) = all.into_iter().find(|&n| !taken[n]) {
                break n;
            }
            // The CPU's own thread may have it for a moment and wakes nobody in particular.
            self.freed.wait_for(&mut taken, REST);
            self.expect_no_failure();
            assert!(Instant::now() < deadline, "L1: no CPU became free for too long");
        };
        self.waiting.fetch_sub(1, Relaxed);
        taken[n] = true;
        n
    }

    /// Gives a CPU to others, for a while. Returns another, or the same.
    pub fn sleep(&self, cpu: usize) -> usize {
        self.give(cpu);
        self.wake(cpu);
        match fastrand::u8(..4) {
            0 => thread::sleep(Duration::from_micros(fastrand::u64(..200))),
            _ => thread::yield_now(),
        }
        self.expect_no_failure();
        self.take_any()
    }

    pub fn page<V: Variant>(&self, cpu: &Cpu<V>) -> Frame {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(page) = cpu.machine().memory.take(fastrand::usize(..DEPTH)) {
                return page;
            }
            self.expect_no_failure();
            assert!(Instant::now() < deadline, "L1: no page became free for too long");
            cpu.sleep();
            let mut pages = self.pages.lock();
            self.page_freed.wait_for(&mut pages, REST);
        }
    }

    /// A page is free again.
    pub fn page_freed(&self) {
        self.page_freed.notify_one();
    }

    /// Something is pending on a CPU: the thread that has it looks, or its own thread.
    pub fn wake(&self, cpu: usize) {
        if let Some(own) = self.own.lock().get(cpu) {
            own.unpark();
        }
    }
}

/// What a process does.
pub type Body<V> = Box<dyn FnOnce(&Cpu<V>) + Send>;

impl<V: Variant> Machine<V> {
    /// A machine whose CPUs are all online and idle, to be run by [`in_parallel`](Self::in_parallel).
    pub fn boot_threads(config: Config, seed: u64) -> Arc<Self> {
        Self::boot_with(config, crate::drive::Drive::Threads(Threads::new(&config, seed)))
    }

    /// Runs each process on a thread of its own: it gets a CPU, is born if it is not alive, does what
    /// it is to do, and leaves its CPU. CPUs without a process take ticks and IPIs. When this returns
    /// the machine stands still, and can be audited.
    ///
    /// # Errors
    /// The text of the first panic. The machine is of no use then.
    ///
    /// # Panics
    /// If the machine is in lockstep.
    pub fn in_parallel(self: &Arc<Self>, bodies: Vec<(usize, Body<V>)>) -> Result<(), String> {
        let crate::drive::Drive::Threads(threads) = &self.drive else {
            panic!("a machine in lockstep has no threads")
        };
        let first = Mutex::new(None);
        let failed = |text: String| {
            if text != ENDED {
                first.lock().get_or_insert(text);
            }
            threads.failed.store(true, SeqCst);
        };
        let over = AtomicBool::new(false);
        let parkers: Vec<Parker> = (0..self.config.cpus).map(|_| Parker::new()).collect();
        *threads.own.lock() = parkers.iter().map(|parker| parker.unparker().clone()).collect();
        thread::scope(|scope| {
            let processes: Vec<_> = bodies
                .into_iter()
                .map(|(p, body)| {
                    let failed = &failed;
                    scope.spawn(move || {
                        fastrand::seed(threads.seed ^ (p as u64 + 1) << 32);
                        COUNTDOWN.set(1);
                        if let Err(text) = caught(|| self.process(threads, p, body)) {
                            failed(text);
                        }
                    })
                })
                .collect();
            for (n, parker) in parkers.into_iter().enumerate() {
                let (over, failed) = (&over, &failed);
                scope.spawn(move || {
                    if let Err(text) = caught(|| self.idle(threads, n, &parker, over)) {
                        failed(text);
                    }
                });
            }
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    thread::sleep(TICK);
                    for (n, tick) in threads.ticks.iter().enumerate() {
                        tick.store(true, Relaxed);
                        threads.wake(n);
                    }
                }
            });
            for process in processes {
                let _ = process.join();
            }
            over.store(true, SeqCst);
        });
        first.into_inner().map_or(Ok(()), Err)
    }

    fn process(self: &Arc<Self>, threads: &Threads, p: usize, body: Body<V>) {
        let cpu = self.cpu(threads.take_any());
        if self.lives(p) {
            cpu.resume(p)
        } else {
            cpu.birth(p)
        }
        body(&cpu);
        if self.up(cpu.id()).is_some() {
            cpu.suspend();
        }
        threads.give(cpu.id());
    }

    /// What CPU `n` does while it has no process.
    fn idle(self: &Arc<Self>, threads: &Threads, n: usize, parker: &Parker, over: &AtomicBool) {
        let cpu = self.cpu(n);
        while !over.load(Relaxed) && !threads.failed.load(Relaxed) {
            parker.park_timeout(REST);
            let pending = self.is_kicked(n) || threads.ticks[n].load(Relaxed);
            if pending && threads.take(n) {
                cpu.touches();
                threads.point(&cpu);
                threads.give(n);
            }
        }
    }
}
