//! A segment that processes share, and what is known of it from outside.

use std::ops::Range;

use auditor::{Access, Property};
use mmu386::error::SegmentError;
use mmu386::layout::{BY2PG, Frame};
use mmu386::segment::Segment;
use mmu386::state::Proc;
use mmu386::variant::Variant;
use parking_lot::Mutex;

use crate::cpu::Cpu;
use crate::machine::Machine;
use crate::walker::Fault;

/// Up to `N` pages from one user address on, shared by all processes that use them.
///
/// The first access to a page shows which one the segment took; from then on each process must see
/// that one, until the page is freed.
pub struct Shared<V: Variant, const N: usize> {
    segment: Segment<Cpu<V>, N>,
    base: u32,
    known: Mutex<Known<N>>,
}

/// A page, and how often it had been taken from the page allocator when it was seen.
type Seen = (Frame, usize);

/// What accesses have shown.
struct Known<const N: usize> {
    pages: [Option<Seen>; N],
    /// Frees that have not returned: number, and their pages.
    frees: Vec<(usize, Range<usize>)>,
    started: usize,
    /// What was seen where a free is under way: it may be a page that goes, or one that has come.
    during: Vec<(usize, Seen)>,
}

impl<const N: usize> Known<N> {
    fn new() -> Self {
        Self { pages: [None; N], frees: Vec::new(), started: 0, during: Vec::new() }
    }

    /// The page at `index`. What was freed since it was seen is not the segment's any more.
    fn now<V: Variant>(&self, machine: &Machine<V>, index: usize) -> Option<Seen> {
        self.pages[index].filter(|&seen| is_current(machine, seen))
    }

    fn is_freed(&self, index: usize) -> bool {
        self.frees.iter().any(|(_, pages)| pages.contains(&index))
    }

    /// A free of these pages begins; returns its number.
    fn begins(&mut self, pages: Range<usize>) -> usize {
        for index in pages.clone() {
            self.during.extend(self.pages[index].take().map(|seen| (index, seen)));
        }
        self.started += 1;
        self.frees.push((self.started, pages));
        self.started
    }

    /// A free has returned. What was seen meanwhile, and is not free, is the segment's from now on;
    /// returns pages of which two are at one index.
    fn ends<V: Variant>(&mut self, machine: &Machine<V>, free: usize) -> Vec<(usize, Frame)> {
        self.frees.retain(|(number, _)| *number != free);
        let mut doubles = Vec::new();
        for (index, seen) in std::mem::take(&mut self.during) {
            if self.is_freed(index) {
                self.during.push((index, seen));
            } else if is_current(machine, seen) {
                match self.pages[index].replace(seen) {
                    Some(other) if other != seen => doubles.push((index, seen.0)),
                    _ => machine.hold(seen.0),
                }
            }
        }
        doubles
    }
}

/// Whether a page has not been given back since it was seen.
fn is_current<V: Variant>(machine: &Machine<V>, (page, taken): Seen) -> bool {
    machine.memory.is_taken_since(page, taken)
}

impl<V: Variant, const N: usize> Shared<V, N> {
    /// A segment without pages that starts at `base`.
    pub fn new(base: u32) -> Self {
        Self { segment: Segment::new(base), base, known: Mutex::new(Known::new()) }
    }

    /// Address of page `index`.
    pub fn address(&self, index: usize) -> u32 {
        self.base + index as u32 * BY2PG
    }

    /// The page at `index`, if an access has shown it since it was last freed.
    pub fn page(&self, machine: &Machine<V>, index: usize) -> Option<Frame> {
        self.known.lock().now(machine, index).map(|(page, _)| page)
    }

    /// The process that runs on `cpu` accesses page `index`, with as many faults as that takes.
    /// Returns the physical address; one that is not the segment's is noticed (U1).
    ///
    /// # Errors
    /// As [`Segment::fault`].
    ///
    /// # Panics
    /// If `cpu` runs no process.
    pub fn touch(&self, cpu: &Cpu<V>, index: usize, write: bool) -> Result<u32, SegmentError> {
        let va = self.address(index);
        loop {
            match cpu.touch(va, write) {
                Ok(pa) => {
                    self.saw(cpu, index, Frame::containing(pa));
                    return Ok(pa);
                }
                Err(Fault::NotPresent) => self.segment.fault(cpu, va)?,
                Err(fault) => panic!("cpu{}: page fault at va={va:#x}: {fault}", cpu.id()),
            }
        }
    }

    /// The process that runs on `cpu` takes a page fault at page `index` and does not try again.
    ///
    /// # Errors
    /// As [`Segment::fault`].
    pub fn fault(&self, cpu: &Cpu<V>, index: usize) -> Result<(), SegmentError> {
        self.segment.fault(cpu, self.address(index))
    }

    /// An access to page `index` has led to `page`.
    fn saw(&self, cpu: &Cpu<V>, index: usize, page: Frame) {
        let machine = cpu.machine();
        let va = self.address(index);
        let Some(up) = machine.up(cpu.id()) else { return };
        if machine.ledger().access(up, va, page.pa()).is_some() {
            return;
        }
        let seen = (page, machine.memory.times_taken(page));
        let mut known = self.known.lock();
        let now = known.now(machine, index);
        let is_new = now != Some(seen) && !known.during.contains(&(index, seen));
        let wrong = match now {
            _ if !is_new => None,
            Some((now, _)) => Some(format!("which is at {:#x}", now.pa())),
            None if machine.memory.number(page).is_none() => Some("which is no page".into()),
            None if machine.memory.is_free(page) => Some("which is free".into()),
            None if machine.is_held(page) => Some("which is another's".into()),
            None => None,
        };
        if let Some(wrong) = wrong {
            let pa = page.pa();
            let what = format!("proc {up} sees {pa:#x} at {va:#x}, {wrong}");
            return machine.report(Property::U1, what);
        }
        if is_new && known.is_freed(index) {
            known.during.push((index, seen));
        } else if is_new {
            known.pages[index] = Some(seen);
            machine.hold(page);
        }
        machine.ledger().may_show(up, va, page.pa(), Access::Write);
        machine.interest(va);
    }

    /// Frees `count` pages from page `index` on. All processes that live use the segment.
    ///
    /// # Errors
    /// As [`Segment::free`].
    pub fn free(&self, cpu: &Cpu<V>, index: usize, count: usize) -> Result<(), SegmentError> {
        self.free_if(cpu, index, count, |_| true)
    }

    /// As [`free`](Self::free), where only processes that match use the segment.
    ///
    /// # Errors
    /// As [`Segment::free`].
    pub fn free_if(
        &self,
        cpu: &Cpu<V>,
        index: usize,
        count: usize,
        matches: impl Fn(&Proc<Cpu<V>>) -> bool,
    ) -> Result<(), SegmentError> {
        let machine = cpu.machine();
        let free = self.known.lock().begins(index.min(N)..N.min(index.saturating_add(count)));
        let result = self.segment.free(cpu, self.address(index), count, matches);
        for (at, page) in self.known.lock().ends(machine, free) {
            let (va, pa) = (self.address(at), page.pa());
            machine.report(Property::U1, format!("{pa:#x} was seen at {va:#x}, and another page"));
        }
        result
    }
}
