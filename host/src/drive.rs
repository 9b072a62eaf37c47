//! The two ways in which a machine runs: what happens between two accesses, in waits, and in sleep.

use mmu386::layout::Frame;
use mmu386::variant::Variant;

use crate::config::Chances;
use crate::cpu::Cpu;
use crate::lockstep::Lockstep;
use crate::threads::Threads;
use crate::word::Word;

pub(crate) enum Drive {
    /// One thread, all CPUs.
    Lockstep(Lockstep),
    /// A thread per process.
    Threads(Threads),
}

impl Drive {
    pub fn set_chances(&self, chances: Chances) {
        match self {
            Self::Lockstep(lockstep) => lockstep.set_chances(chances),
            Self::Threads(threads) => threads.set_chances(chances),
        }
    }

    /// All CPUs are on this thread.
    pub fn lockstep(&self) -> Option<&Lockstep> {
        match self {
            Self::Lockstep(lockstep) => Some(lockstep),
            Self::Threads(_) => None,
        }
    }

    /// Between two accesses.
    pub fn point<V: Variant>(&self, cpu: &Cpu<V>) {
        match self {
            Self::Lockstep(lockstep) => lockstep.point(cpu),
            Self::Threads(threads) => threads.point(cpu),
        }
    }

    /// Waits until one of the words is not as seen.
    pub fn wait<V: Variant>(&self, cpu: &Cpu<V>, seen: &[(&Word, u32)]) {
        match self {
            Self::Lockstep(lockstep) => lockstep.wait(cpu, seen),
            Self::Threads(threads) => threads.wait(cpu, seen),
        }
    }

    pub fn newpage_sleeps(&self) -> bool {
        match self {
            Self::Lockstep(lockstep) => lockstep.newpage_sleeps(),
            Self::Threads(threads) => threads.newpage_sleeps(),
        }
    }

    /// Whether the tick on a CPU takes it away from its process.
    pub fn tick_preempts(&self, cpu: usize) -> bool {
        match self {
            Self::Lockstep(lockstep) => lockstep.tick_preempts(cpu),
            Self::Threads(threads) => threads.tick_preempts(),
        }
    }

    /// A process has left the CPU of `cpu`: others use it. Returns the CPU on which it goes on.
    pub fn sleep<V: Variant>(&self, cpu: &Cpu<V>) -> usize {
        match self {
            Self::Lockstep(lockstep) => {
                lockstep.meanwhile(cpu);
                lockstep.free_cpu(cpu)
            }
            Self::Threads(threads) => threads.sleep(cpu.id()),
        }
    }

    /// Others act while a CPU that runs no process has nothing to do.
    pub fn rest<V: Variant>(&self, cpu: &Cpu<V>) {
        match self {
            Self::Lockstep(lockstep) => lockstep.meanwhile(cpu),
            Self::Threads(_) => std::thread::yield_now(),
        }
    }

    /// A page of the page allocator. May sleep.
    pub fn page<V: Variant>(&self, cpu: &Cpu<V>) -> Frame {
        match self {
            Self::Lockstep(lockstep) => lockstep.page(cpu),
            Self::Threads(threads) => threads.page(cpu),
        }
    }
}
