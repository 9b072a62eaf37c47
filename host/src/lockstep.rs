//! All CPUs on one thread: the same seed, the same order of events.
//!
//! A call of the core runs on one CPU. Between its accesses, and while it waits or sleeps, a seeded
//! choice lets other CPUs take a tick or their IPI, provided that their interrupts are on, and fill
//! their TLBs. If somebody waits for what none of that changes, nobody ever will, and that is a panic
//! which names the word (L1).

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

use mmu386::layout::Frame;
use mmu386::variant::Variant;
use parking_lot::Mutex;

use crate::config::{Chances, Config};
use crate::cpu::Cpu;
use crate::machine::Machine;
use crate::owned::for_a_while;
use crate::word::Word;

/// Rounds of ticks after which a wait in which words keep changing is given up.
const ROUNDS: usize = 1000;
/// How far from the page that was given back last the next may come from.
const DEPTH: usize = 4;

/// Whose turn it is, and by which chances.
pub(crate) struct Lockstep {
    rng: Mutex<fastrand::Rng>,
    chances: Mutex<Chances>,
    /// Accesses before something happens; 0 if nothing is to.
    countdown: AtomicU32,
    /// Changes of words by the core.
    changes: AtomicU64,
    /// Locks that are held.
    locks: AtomicUsize,
    /// Threads of control that are in the middle of something, by CPU, while another runs.
    paused: Vec<AtomicUsize>,
}

impl Lockstep {
    pub fn new(config: &Config, seed: u64) -> Self {
        Self {
            rng: Mutex::new(fastrand::Rng::with_seed(seed)),
            chances: Mutex::new(Chances::NONE),
            countdown: AtomicU32::new(0),
            changes: AtomicU64::new(0),
            locks: AtomicUsize::new(0),
            paused: (0..config.cpus).map(|_| AtomicUsize::new(0)).collect(),
        }
    }

    pub fn set_chances(&self, chances: Chances) {
        *self.chances.lock() = chances;
        self.countdown.store(chances.accesses.min(1), Relaxed);
    }

    /// A word is about to be stored.
    pub fn stores(&self, word: &Word, value: u32) {
        if word.is_lock() {
            self.locks.fetch_sub(1, Relaxed);
        }
        if word.value.load(Relaxed) != value {
            self.changed();
        }
    }

    /// A word was exchanged.
    pub fn swapped(&self, word: &Word, old: u32, value: u32) {
        if old != value {
            self.changed();
            if word.is_lock() {
                self.locks.fetch_add(1, Relaxed);
            }
        }
    }

    /// A word was changed.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Relaxed);
    }

    pub fn locks_held(&self) -> usize {
        self.locks.load(Relaxed)
    }

    fn percent(&self, chance: impl FnOnce(&Chances) -> u8) -> bool {
        let chance = chance(&self.chances.lock());
        chance > 0 && self.rng.lock().u8(..100) < chance
    }

    pub fn newpage_sleeps(&self) -> bool {
        self.percent(|chances| chances.sleep)
    }

    /// Whether the tick on a CPU takes it away from its process. Not from one that is in the middle
    /// of something while another CPU runs: that one's handle would not know.
    pub fn tick_preempts(&self, cpu: usize) -> bool {
        self.percent(|chances| chances.preempt) && self.paused[cpu].load(Relaxed) == 0
    }

    pub fn point<V: Variant>(&self, cpu: &Cpu<V>) {
        let left = self.countdown.load(Relaxed);
        if left != 1 || std::thread::panicking() {
            self.countdown.store(left.saturating_sub(1), Relaxed);
            return;
        }
        let mean = self.chances.lock().accesses;
        let next = self.rng.lock().u32(1..=mean * 2);
        self.countdown.store(next, Relaxed);
        self.act(cpu);
    }

    /// Lets some CPU do something by itself.
    fn act<V: Variant>(&self, cpu: &Cpu<V>) {
        let machine = cpu.machine();
        let (n, walks) = {
            let mut rng = self.rng.lock();
            (rng.usize(..machine.config.cpus), rng.bool())
        };
        if walks {
            let va = machine.interesting(&mut self.rng.lock());
            machine.speculate(n, va);
        } else if machine.cpus[n].lo() {
            on(cpu, n, |cpu| {
                if !cpu.take_ipi() {
                    cpu.tick();
                }
            });
        }
    }

    /// Others act while a process sleeps.
    pub fn meanwhile<V: Variant>(&self, cpu: &Cpu<V>) {
        if self.chances.lock().accesses == 0 {
            return;
        }
        let turns = self.rng.lock().usize(..8);
        for _ in 0..turns {
            self.act(cpu);
        }
    }

    /// A CPU that runs nothing, for a process that left the CPU of `cpu`.
    pub fn free_cpu<V: Variant>(&self, cpu: &Cpu<V>) -> usize {
        let free = cpu.machine().idle_cpus();
        *self
            .rng
            .lock()
            .choice(&free)
            .unwrap_or_else(|| panic!("cpu{}: its process wakes, and no CPU is free", cpu.id()))
    }

    /// A page of the page allocator.
    pub fn page<V: Variant>(&self, cpu: &Cpu<V>) -> Frame {
        let depth = self.rng.lock().usize(..DEPTH);
        cpu.machine().memory.take(depth).unwrap_or_else(|| {
            panic!("cpu{}: newpage: no page is free, and nobody gives one back", cpu.id())
        })
    }

    pub fn wait<V: Variant>(&self, cpu: &Cpu<V>, seen: &[(&Word, u32)]) {
        let machine = cpu.machine();
        let changed = || seen.iter().any(|(word, value)| word.value.load(Relaxed) != *value);
        for _ in 0..ROUNDS {
            let before = self.changes.load(Relaxed);
            let mut cpus: Vec<_> = (0..machine.config.cpus).collect();
            self.rng.lock().shuffle(&mut cpus);
            for n in cpus {
                if changed() {
                    return;
                }
                if machine.cpus[n].lo() {
                    on(cpu, n, |cpu| {
                        cpu.take_ipi();
                    });
                }
                if machine.cpus[n].lo() && !changed() {
                    on(cpu, n, Cpu::tick);
                }
            }
            if changed() {
                return;
            }
            if self.changes.load(Relaxed) == before {
                break;
            }
        }
        panic!("{}", cpu.why_stuck(seen, "and nobody will change it"));
    }
}

/// Does something on CPU `n`, between two accesses of `cpu`.
fn on<V: Variant>(cpu: &Cpu<V>, n: usize, work: impl FnOnce(&Cpu<V>)) {
    if n == cpu.id() {
        work(cpu);
        cpu.touches();
    } else {
        cpu.paused(|| work(&cpu.machine().cpu(n)));
    }
}

impl<V: Variant> Cpu<V> {
    /// Other CPUs run, in whose way this one is not, while it is in the middle of something.
    pub(crate) fn paused(&self, work: impl FnOnce()) {
        let _back = for_a_while(self.context());
        let paused = self.machine().drive.lockstep().map(|lockstep| &lockstep.paused[self.id()]);
        let _resume = paused.map(Resume);
        if let Some(paused) = paused {
            paused.fetch_add(1, Relaxed);
        }
        work();
    }

    /// Why a wait ends in a panic.
    pub(crate) fn why_stuck(&self, seen: &[(&Word, u32)], how: &str) -> String {
        let words = seen.iter().map(|(word, value)| format!("{word} is still {value:#x}"));
        let words = words.collect::<Vec<_>>().join(" and ");
        format!("L1: cpu{} waits while {words}, {how}\n{}", self.id(), self.machine().describe())
    }
}

struct Resume<'a>(&'a AtomicUsize);

impl Drop for Resume<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl<V: Variant> Machine<V> {
    /// From here on things happen by these chances.
    pub fn set_chances(&self, chances: Chances) {
        self.drive.set_chances(chances);
    }

    /// CPUs that are online, run no process, and are not in the middle of something.
    pub fn idle_cpus(&self) -> Vec<usize> {
        let idle = |&n: &usize| {
            let online = self.machs[n].online.value.load(Relaxed) != 0;
            online && self.cpus[n].up().is_none() && !self.is_paused(n)
        };
        (0..self.config.cpus).filter(idle).collect()
    }

    /// Whether somebody on CPU `n` is in the middle of something.
    pub(crate) fn is_paused(&self, n: usize) -> bool {
        let lockstep = self.drive.lockstep();
        lockstep.is_some_and(|lockstep| lockstep.paused[n].load(Relaxed) > 0)
    }

    /// Each CPU whose interrupts are on takes its IPI, if one is pending, and a tick.
    pub fn tick_all(self: &std::sync::Arc<Self>) {
        for n in 0..self.config.cpus {
            if self.cpus[n].lo() {
                let cpu = self.cpu(n);
                cpu.take_ipi();
                cpu.tick();
            }
        }
    }

    /// CPU `n` walks to `va` for no reason, if its tables let it, and caches what it finds.
    pub fn walk_for_no_reason(&self, n: usize, va: u32) {
        self.speculate(n, va);
    }
}
