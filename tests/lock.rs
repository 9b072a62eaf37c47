//! lock and ilock on the host machine.

mod common;

use common::{boot, enter, on};
use mmu386::arch::{Arch, Owned, WordName};
use mmu386::lock::{Lock, may_preempt};
use mmu386::variant::{Fixed, Seed, Upstream, Variant};

fn a_lock<V: Variant>() -> Lock<common::Cpu<V>> {
    Lock::new(WordName::Other("a test's lock", 0))
}

#[test]
fn lock_leaves_interrupts_as_they_are_and_keeps_the_process_on_its_cpu() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let up = cpu.up().expect("a process");
    let lock = a_lock();
    assert!(may_preempt(&cpu));
    {
        let _held = lock.lock(&cpu);
        assert!(cpu.islo());
        assert_eq!(up.nlocks.get(), 1);
        assert!(lock.try_lock(&cpu).is_none());
        assert_eq!(up.nlocks.get(), 1, "one that was not taken is not counted");
        assert!(!may_preempt(&cpu));
        assert!(up.delaysched.get());
        let other = a_lock();
        drop(other.lock(&cpu));
        assert!(up.delaysched.get(), "one is left");
    }
    assert_eq!(up.nlocks.get(), 0);
    assert!(!up.delaysched.get(), "the CPU was given away with the last lock");
    assert!(lock.try_lock(&cpu).is_some());
    assert!(may_preempt(&cpu));
}

#[test]
fn a_lock_released_with_interrupts_off_gives_way_later() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    enter(&cpu, 0);
    let up = cpu.up().expect("a process");
    let lock = a_lock();
    let held = lock.lock(&cpu);
    assert!(!may_preempt(&cpu));
    cpu.splhi();
    drop(held);
    assert!(up.delaysched.get());
    cpu.spllo();
    drop(lock.lock(&cpu));
    assert!(!up.delaysched.get());
}

#[test]
fn without_a_process_nothing_is_counted_or_preempted() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let lock = a_lock();
    assert!(!may_preempt(&cpu));
    drop(lock.lock(&cpu));
    drop(lock.ilock(&cpu));
}

#[test]
fn ilock_turns_interrupts_off_and_gives_the_level_back() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let lock = a_lock();
    for lo in [true, false] {
        if lo {
            cpu.spllo()
        } else {
            cpu.splhi()
        };
        let held = lock.ilock(&cpu);
        assert!(!cpu.islo());
        drop(held);
        assert_eq!(cpu.islo(), lo);
    }
}

/// Who finds the lock taken waits at the caller's level, and gets it when it is released.
fn waits<V: Variant>() {
    let machine = boot::<V>();
    let cpu = on(&machine, 0);
    let lock: &'static Lock<_> = Box::leak(Box::new(a_lock::<V>()));
    for lo in [true, false] {
        for with_ilock in [true, false] {
            if lo {
                cpu.spllo()
            } else {
                cpu.splhi()
            };
            common::held_until_the_next_interrupt(&machine, 1, lock);
            assert!(lock.try_lock(&cpu).is_none());
            if with_ilock {
                drop(lock.ilock(&cpu));
            } else {
                drop(lock.lock(&cpu));
            }
            assert_eq!(cpu.islo(), lo);
        }
    }
}

#[test]
fn a_lock_that_is_taken_is_waited_for() {
    waits::<Fixed>();
    waits::<Seed>();
    waits::<Upstream>();
}

#[test]
#[should_panic(expected = "L1: cpu0 waits while")]
fn a_lock_that_is_never_released_is_a_deadlock() {
    let machine = boot::<Fixed>();
    let (cpu, other) = (on(&machine, 0), on(&machine, 1));
    let lock = a_lock();
    let _held = lock.lock(&other);
    let _never = lock.lock(&cpu);
}
