//! Devices of memory, every page of which has its tag: the framebuffer, by 4 MB pages and write
//! combining, and the window that is shared with the host, by small pages.

use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

use super::handler::Target;
use super::{Device, Life, Wrong, steps};
use mmu386_wire::soak::window;

use crate::finding::{Finding, Judge};
use crate::layout::{BY2LARGE, BY2PG};
use crate::mach::machno;
use crate::mapping::{Mapping, check_combining};
use crate::oracle::{large_pages, stamp, tag};
use crate::rng::Rng;
use crate::spl::{splhi, splx};
use crate::{mmu, probe, sched};

/// Parts of the window, each for one driver at a time.
const PARTS: usize = 16;
/// Most pages of the window that a driver maps.
const MOST: usize = 8;
/// Bytes at the beginning of each page that are for its tag and its stamp; at the end there is one more word.
const HEAD: usize = 64;
const FOOT: usize = BY2PG - window::TAIL;
/// Words that a driver writes and reads again.
const WORDS: usize = 4;

const REFUSED: &str = "patwc refuses, although the processor can";
const OTHER: &str = "what a driver wrote is not what another mapping of the same memory shows";

/// A device's memory in parts.
pub struct Memory {
    parts: heapless::Vec<Range<usize>, PARTS>,
    /// Parts that a driver has, a bit each.
    taken: AtomicU32,
    large: bool,
}

/// A word that a driver wrote: where, and what.
#[derive(Clone, Copy)]
struct Written {
    offset: usize,
    value: u32,
}

impl Memory {
    /// Video memory: its large pages.
    pub fn framebuffer(range: Range<usize>) -> Memory {
        let parts = large_pages(&range).map(|pa| pa..pa + BY2LARGE).take(PARTS).collect();
        Memory { parts, taken: AtomicU32::new(0), large: true }
    }

    /// The window in equal parts.
    pub fn window(range: Range<usize>) -> Memory {
        let each = ((range.end - range.start) / PARTS) & !(BY2PG - 1);
        let part = |n| range.start + n * each..range.start + (n + 1) * each;
        Memory { parts: (0..PARTS).map(part).collect(), taken: AtomicU32::new(0), large: false }
    }

    /// Waits for a part within a range, so that nobody else maps it meanwhile. `None` if there is no whole
    /// one.
    fn take(&self, within: &Range<usize>, first: usize) -> Option<(u32, &Range<usize>)> {
        let inside = |part: &Range<usize>| within.start <= part.start && part.end <= within.end;
        while self.parts.iter().any(inside) {
            for n in 0..self.parts.len() {
                let n = (first + n) % self.parts.len();
                let part = &self.parts[n];
                if inside(part) && self.taken.fetch_or(1 << n, Ordering::SeqCst) & 1 << n == 0 {
                    return Some((1 << n, part));
                }
            }
            sched::relax();
        }
        None
    }

    /// A mapping of its first page.
    pub fn sample(&self, judge: &impl Judge) -> Mapping {
        Mapping::new(judge, self.parts[0].start, BY2PG)
    }

    /// The control: whether a driver whose mapping leads elsewhere says so, and leaves its stamp there all the
    /// same.
    pub fn astray(&self, judge: &impl Judge) -> bool {
        let real = self.sample(judge);
        let lying = Mapping { va: real.va, pa: real.pa + BY2PG, size: BY2PG };
        let told = write(&lying, &mut heapless::Vec::new(), &mut Rng::new(1)).is_err();
        let stamped = probe::read(real.va + window::STAMP) == Some(window::stamp(lying.pa));
        stamp(real.va, real.pa);
        real.unmap(judge);
        told && stamped
    }

    /// One life of the driver, with memory within a range.
    pub fn life(
        &self,
        device: Device,
        judge: &impl Judge,
        within: &Range<usize>,
        rng: &mut Rng,
    ) -> Option<Life> {
        let (bit, part) = self.take(within, rng.below(PARTS))?;
        let (pa, size) = if self.large {
            (part.start, BY2LARGE)
        } else {
            let count = 1 + rng.below(MOST.min((part.end - part.start) / BY2PG));
            let room = (part.end - part.start) / BY2PG - count + 1;
            (part.start + rng.below(room) * BY2PG, count * BY2PG)
        };
        let mapping = Mapping::new(judge, pa, size);
        mapping.check_everywhere(judge, 0);
        if self.large {
            combine(judge, &mapping);
        }
        let mut written = heapless::Vec::<Written, WORDS>::new();
        let target = Target::Memory { va: mapping.va, pa, size };
        let (looks, handled) = steps(judge, rng, target, |rng| {
            target.look(rng.below(size / BY2PG))?;
            write(&mapping, &mut written, rng)?;
            reread(mapping.va, &written)
        });
        if !self.large {
            self.by_another(judge, &mapping, &written);
        }
        mapping.check_everywhere(judge, size - BY2PG);
        mapping.unmap(judge);
        self.taken.fetch_and(!bit, Ordering::SeqCst);
        Some(Life { device, looks, handled })
    }

    /// What was written shows at other addresses, too.
    fn by_another(&self, judge: &impl Judge, mapping: &Mapping, written: &[Written]) {
        let other = Mapping::new(judge, mapping.pa, mapping.size);
        other.check_here(judge);
        if let Err(wrong) = reread(other.va, written) {
            wrong.tell(judge, "A3", OTHER);
        }
        other.unmap(judge);
    }
}

/// Write combining from now on, on every CPU.
fn combine(judge: &impl Judge, mapping: &Mapping) {
    if !mmu::patwc(mapping.va, mapping.size) {
        let (hazard, cpu, va, why) = ("W1", machno(), mapping.va, REFUSED);
        judge.finding(&Finding { hazard, cpu, va, expected: 1, seen: 0, why });
        return;
    }
    for sight in probe::everywhere(mapping.va) {
        check_combining(judge, mapping.va, &sight);
    }
}

/// Stamps a page, whatever it shows: if the mapping leads elsewhere, the host sees the stamp where it does not
/// belong, which it cannot see while only pages are stamped that were found right. A word besides is written
/// beside a tag that shows.
fn write(
    mapping: &Mapping,
    written: &mut heapless::Vec<Written, WORDS>,
    rng: &mut Rng,
) -> Result<(), Wrong> {
    let page = rng.below(mapping.size / BY2PG) * BY2PG;
    let offset = page + HEAD + 4 * rng.below((BY2PG - HEAD - FOOT) / 4);
    let value = 0xD0_0000 | rng.below(1 << 16) as u32;
    if written.is_full() || written.iter().any(|word| word.offset == offset) {
        return Ok(());
    }
    // One CPU's look and write.
    let level = splhi();
    let seen =
        Wrong::unless(tag(mapping.pa + page), mapping.va + page, probe::read(mapping.va + page));
    if seen.is_ok() {
        // SAFETY: the word is the driver's, which has this part of the memory to itself.
        unsafe { probe::write(mapping.va + offset, value) };
    }
    stamp(mapping.va + page, mapping.pa + page);
    splx(level);
    seen?;
    // There is room, as was seen above.
    let _ = written.push(Written { offset, value });
    Ok(())
}

/// All words are as they were written, wherever the process is now.
fn reread(va: usize, written: &[Written]) -> Result<(), Wrong> {
    for Written { offset, value } in written {
        Wrong::unless(*value, va + offset, probe::read(va + offset))?;
    }
    Ok(())
}
