//! Waiting: what a CPU goes on for, and the interrupts that it takes meanwhile.

use mmu386::variant::Variant;

use super::{Cpu, Wait};
use crate::counterexample::Op;
use crate::engine::explorer::{self, Defect, Rested, has};
use crate::engine::loom::{park, yield_now};
use crate::engine::{self, Word};

impl<V: Variant> Cpu<V> {
    /// Takes the interrupts of every CPU while nobody runs on it, until all scripts have ended.
    pub(super) fn idle_everywhere(&self) {
        let machine = &self.machine;
        loop {
            let busy = self.look_round(&machine.idle.hold());
            if busy == 0 {
                return;
            }
            let mut seen = vec![(machine.busy.clone(), busy)];
            let mut stirred = false;
            for n in 0..machine.config.cpus {
                if stirred && engine::joins() {
                    // Steps later than the last look: this CPU's words may be others by now.
                    self.look_round(&machine.idle.hold());
                }
                let quiet = machine.idle.hold()[n].clone();
                let vacant = &machine.vacant[n];
                let nothing = |quiet: &[(Word, u32)]| {
                    !quiet.is_empty() && quiet.iter().all(|(word, value)| word.peek() == *value)
                };
                if vacant.peek() == 0 {
                    seen.push((vacant.clone(), 0));
                } else if !machine.cpu(n).ipi.look() && nothing(&quiet) {
                    seen.extend(quiet.iter().cloned());
                    if engine::joins() {
                        seen.push((machine.stirs[n].clone(), machine.stirs[n].peek()));
                    }
                } else {
                    stirred = true;
                    if vacant.swap(0) == 1 {
                        self.move_to(n);
                        self.look_for_stirs();
                        if !self.take_ipi() {
                            let tick = self.take_tick();
                            machine.idle.hold()[n] =
                                if tick.stirs() { Vec::new() } else { tick.read };
                        }
                        self.vacate();
                    }
                }
            }
            if !stirred {
                self.wait_for_change(&seen);
            }
        }
    }

    /// Scripts that have not ended. One step that everything that such a CPU waits for conflicts with.
    fn look_round(&self, quiet: &[Vec<(Word, u32)>]) -> u32 {
        let machine = &self.machine;
        let busy = machine.unfinished(self.id());
        if engine::joins() {
            engine::joined(|| {
                machine
                    .vacant
                    .iter()
                    .chain(&machine.stirs)
                    .for_each(|word| _ = word.load(self.id()));
                quiet.iter().flatten().for_each(|(word, _)| _ = word.load(self.id()));
            });
        }
        busy
    }

    /// Waits until one of the words is not as seen \[M9\]. Interrupts are taken meanwhile if they are on; ticks
    /// come for ever, so one that would find nothing changed since the last is left out.
    #[track_caller]
    pub(super) fn wait(&self, seen: &[(&Word, u32)]) {
        let seen: Vec<(Word, u32)> = seen.iter().map(|&(w, v)| (w.clone(), v)).collect();
        if engine::explored() {
            self.rest(seen);
        } else if engine::joins() {
            self.note_wait(&seen);
            self.sleep_until_woken(seen);
        } else {
            self.wait_as_written(seen);
        }
    }

    /// Rests until one of the words is not as seen, or an interrupt might find something: it is taken at the next
    /// point, which is before the caller looks again. Whether this CPU rests at all is no matter, as what
    /// wakes it was seen by steps: it goes on with the same step in any case.
    fn sleep_until_woken(&self, mut seen: Vec<(Word, u32)>) {
        if self.takes_interrupts() && !self.in_interrupt.get() {
            self.woken.set(true);
            let Some(quiet) = self.last_tick() else { return };
            seen.extend(quiet);
            seen.push((self.machine.stirs[self.id()].clone(), self.stirs_seen.get()));
        }
        self.wait_for_change(&seen);
    }

    /// What the last tick has read, if it did nothing.
    fn last_tick(&self) -> Option<Vec<(Word, u32)>> {
        let remembered = self.idle_tick.borrow();
        let last = self.last_tick.borrow();
        let quiet = if remembered.is_empty() { &*last } else { &*remembered };
        (!quiet.is_empty()).then(|| quiet.clone())
    }

    /// At the first point after a rest: the interrupt that has come meanwhile, if it finds something. Returns
    /// whether there was one.
    pub(super) fn take_tick_of_rest(&self) -> bool {
        if !self.woken.take() {
            return false;
        }
        let quiet = self.last_tick();
        engine::joined(|| quiet.iter().flatten().for_each(|(word, _)| _ = word.load(self.id())));
        let same = |(word, value): &(Word, u32)| word.now() == *value;
        let nothing = || quiet.is_some_and(|quiet| quiet.iter().all(same));
        if self.take_ipi() {
            return true;
        }
        let comes = !nothing();
        if comes {
            self.quiet_or_not();
        }
        comes
    }

    /// Rests on a CPU that has nothing else to do, and takes its interrupts, until all scripts have ended.
    pub(super) fn rest_until_all_have_ended(&self) {
        let machine = &self.machine;
        if !engine::joins() {
            loop {
                match machine.unfinished(self.id()) {
                    0 => return,
                    busy => self.wait(&[(&machine.busy, busy)]),
                }
            }
        }
        // What ends it is no step: interrupts that have come before are taken before in any case.
        loop {
            match machine.busy.peek() {
                0 => self.woken.set(true),
                busy => self.sleep_until_woken(vec![(machine.busy.clone(), busy)]),
            }
            let same = |(word, value): &(Word, u32)| word.peek() == *value;
            let stirred = machine.stirs[self.id()].peek() != self.stirs_seen.get();
            let quiet = !stirred && self.last_tick().is_some_and(|quiet| quiet.iter().all(same));
            if quiet && machine.busy.peek() == 0 {
                return;
            }
            if !quiet {
                self.point();
            }
        }
    }

    fn note_wait(&self, seen: &[(Word, u32)]) {
        for (word, value) in seen {
            self.note(Op::Wait(word.name(), *value));
        }
    }

    /// The same where looks cost no step.
    fn wait_as_written(&self, mut seen: Vec<(Word, u32)>) {
        let asked = seen.len();
        if *self.machine.lo(self.id()) && !self.in_interrupt.get() {
            // What comes later finds the watcher.
            if self.take_ipi() {
                return;
            }
            if self.tick_would_stir() {
                let took = self.take_tick();
                seen.extend(took.read.iter().cloned());
                if self.settle(took) {
                    return;
                }
            } else {
                seen.extend(self.idle_tick.borrow().iter().cloned());
            }
        }
        self.note_wait(&seen[..asked]);
        self.wait_for_change(&seen);
    }

    /// Rests until one of the words is not as seen, and takes the interrupts that would find something.
    #[track_caller]
    fn rest(&self, seen: Vec<(Word, u32)>) {
        loop {
            let lo = *self.machine.lo(self.id()) && !self.in_interrupt.get();
            // What is no tick may come at any time.
            let others = self.device_may_interrupt() || self.may_be_preempted();
            let quiet = || if others { Vec::new() } else { self.idle_tick.borrow().clone() };
            let alarm = (lo && !has(Defect::RestsAreDeaf)).then(quiet);
            for (word, value) in &seen {
                self.note(Op::Wait(word.name(), *value));
            }
            if explorer::rest(seen.clone(), alarm) == Rested::Changed {
                return;
            }
            explorer::while_resting(&seen, || {
                if others { self.explored_point() } else { self.quiet_or_not() }
            });
        }
    }

    /// Rests until one of the words is not as seen.
    #[track_caller]
    pub(super) fn wait_for_change(&self, seen: &[(Word, u32)]) {
        if engine::explored() {
            explorer::rest(seen.to_vec(), None);
            return;
        }
        if self.machine.config.wait == Wait::Spin {
            yield_now();
            return;
        }
        // Watch first, look then: a store after the look finds the watcher.
        for (word, value) in seen {
            word.watch(*value);
        }
        if seen.iter().all(|(word, value)| word.peek() == *value) {
            park();
        } else if !engine::joins() {
            // The caller's load was overtaken by a store that it is bound to see soon.
            yield_now();
        }
        for (word, _) in seen {
            word.unwatch();
        }
    }
}
