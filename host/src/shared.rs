//! A segment that processes share, and what is known of it from outside.

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
    /// Pages that are being freed: whoever has them mapped sees them until the free says otherwise.
    freeing: Vec<(usize, Seen)>,
}

impl<const N: usize> Known<N> {
    /// The page at `index`. What was freed since it was seen is not the segment's any more.
    fn now<V: Variant>(&self, machine: &Machine<V>, index: usize) -> Option<Seen> {
        self.pages[index].filter(|&(page, taken)| {
            taken == machine.memory.times_taken(page) && !machine.memory.is_free(page)
        })
    }
}

impl<V: Variant, const N: usize> Shared<V, N> {
    /// A segment without pages that starts at `base`.
    pub fn new(base: u32) -> Self {
        Self {
            segment: Segment::new(base),
            base,
            known: Mutex::new(Known { pages: [None; N], freeing: Vec::new() }),
        }
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
        let number = machine.memory.number(page);
        let seen = (page, machine.memory.times_taken(page));
        let mut known = self.known.lock();
        if !known.freeing.contains(&(index, seen)) {
            let wrong = match known.now(machine, index) {
                Some(now) if now == seen => None,
                Some((now, _)) => Some(format!("which is at {:#x}", now.pa())),
                None if number.is_none() => Some("which is no page".into()),
                None if machine.memory.is_free(page) => Some("which is free".into()),
                None if machine.is_held(page) => Some("which is another's".into()),
                None => None,
            };
            if let Some(wrong) = wrong {
                let pa = page.pa();
                let what = format!("proc {up} sees {pa:#x} at {va:#x}, {wrong}");
                return machine.report(Property::U1, what);
            }
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
        let mine: Vec<(usize, Seen)> = {
            let known = &mut *self.known.lock();
            let range = index.min(N)..N.min(index.saturating_add(count));
            let taken: Vec<_> =
                range.filter_map(|at| Some((at, known.pages[at].take()?))).collect();
            known.freeing.extend(&taken);
            taken
        };
        let result = self.segment.free(cpu, self.address(index), count, matches);
        let known = &mut *self.known.lock();
        known.freeing.retain(|one| !mine.contains(one));
        if result.is_err() {
            for (at, seen) in mine {
                known.pages[at] = Some(seen);
            }
        }
        result
    }
}
