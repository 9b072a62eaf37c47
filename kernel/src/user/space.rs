//! An address space: the segments of one process, and what it may do to them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use kernel_abi::{Error, USTKTOP, UTZERO};

use super::page;
use super::seg::{Kind, Seg};
use crate::layout::BY2PG;
use crate::mach::up;
use crate::{book, heap, mmu};

/// Most pages of a heap.
const MOST_HEAP: usize = 256;
/// Most segments of a process that others may share.
pub const NSHARED: usize = 4;

/// A segment where a process sees it.
struct Attached {
    base: usize,
    seg: Arc<Seg>,
}

impl Attached {
    fn end(&self) -> usize {
        self.base + self.seg.count() * BY2PG
    }

    fn shared(&self) -> bool {
        self.seg.kind == Kind::Shared
    }
}

/// The segments of a process. Only the process itself changes them.
#[derive(Default)]
pub struct Space {
    segs: Vec<Attached>,
    /// The base of the heap.
    heap: usize,
}

/// Bytes in whole pages.
fn round(bytes: usize) -> usize {
    bytes.next_multiple_of(BY2PG)
}

impl Space {
    /// Whether pages from `base` on are user memory where nothing is yet.
    fn vacant(&self, base: usize, count: usize) -> Result<(), Error> {
        let length = count.checked_mul(BY2PG).ok_or(Error::BadArgument)?;
        let end = base.checked_add(length).ok_or(Error::BadArgument)?;
        if !base.is_multiple_of(BY2PG) || base < UTZERO as usize || end > USTKTOP as usize {
            return Err(Error::BadArgument);
        }
        let clash = |one: &Attached| base < one.end() && one.base < end;
        if self.segs.iter().any(clash) { Err(Error::Overlap) } else { Ok(()) }
    }

    /// Adds a segment.
    ///
    /// # Errors
    /// `BadArgument` outside of user memory; `Overlap` where another segment is.
    pub fn attach(&mut self, base: usize, seg: Arc<Seg>) -> Result<(), Error> {
        self.vacant(base, seg.count())?;
        let shared = self.segs.iter().filter(|one| one.shared()).count();
        if seg.kind == Kind::Shared && shared == NSHARED {
            return Err(Error::BadArgument);
        }
        self.segs.push(Attached { base, seg });
        Ok(())
    }

    /// Adds the heap, still empty.
    pub fn attach_heap(&mut self, base: usize) -> Result<(), Error> {
        self.heap = base;
        self.attach(base, Arc::new(Seg::new(Kind::Private, 0, None)))
    }

    /// The segment at an address, and which of its pages that is.
    pub fn find(&self, va: usize) -> Option<(Arc<Seg>, usize)> {
        let one = self.segs.iter().find(|one| (one.base..one.end()).contains(&va))?;
        Some((one.seg.clone(), (va - one.base) / BY2PG))
    }

    /// Pages of text that are there.
    pub fn text_pages(&self) -> usize {
        let text = self.segs.iter().filter(|one| one.seg.kind == Kind::Text);
        text.map(|one| one.seg.resident()).sum()
    }

    /// Pages that are there and go when the process does, or may.
    pub fn size(&self) -> usize {
        let own = self.segs.iter().filter(|one| one.seg.kind != Kind::Text);
        own.map(|one| one.seg.resident()).sum()
    }

    /// Numbers of the segments that others may share.
    pub fn shared(&self) -> impl Iterator<Item = u32> {
        self.segs.iter().filter(|one| one.shared()).map(|one| one.seg.id)
    }

    /// A copy for a child of the process that calls, which may only read its own pages afterwards,
    /// until it writes to them again.
    pub fn fork(&self) -> Space {
        let copy = |one: &Attached| {
            let seg = match one.seg.kind {
                Kind::Private => Arc::new(one.seg.duplicate()),
                Kind::Text | Kind::Shared => one.seg.clone(),
            };
            Attached { base: one.base, seg }
        };
        let child = Space { segs: self.segs.iter().map(copy).collect(), heap: self.heap };
        mmu::flushmmu();
        self.now_read_only();
        child
    }

    /// The book lets the process that calls only read its private pages.
    fn now_read_only(&self) {
        let up = up().expect("a process calls").index();
        for one in self.segs.iter().filter(|one| one.seg.kind == Kind::Private) {
            for (index, page) in one.seg.present() {
                let va = (one.base + index * BY2PG) as u32;
                book::with(|ledger| {
                    if ledger.access(up, va, page.pa()).is_some() {
                        ledger.may_show(up, va, page.pa(), auditor::Access::Read);
                    }
                });
            }
        }
    }

    /// Moves the end of the heap of the process that calls.
    ///
    /// # Errors
    /// `BadArgument` below its start or above its limit; `Overlap` with another segment; `NoMemory` if it is
    /// to grow while the kernel has none left for that.
    pub fn brk(&mut self, end: usize) -> Result<(), Error> {
        let length = end.checked_sub(self.heap).ok_or(Error::BadArgument)?;
        if length > MOST_HEAP * BY2PG {
            return Err(Error::BadArgument);
        }
        let (want, heap) = (round(length) / BY2PG, self.heap);
        let seg = {
            let own = self.segs.iter().find(|one| one.base == heap && !one.shared());
            own.expect("a program has a heap").seg.clone()
        };
        let have = seg.count();
        if want > have {
            if !heap::has_room() {
                return Err(Error::NoMemory);
            }
            self.vacant(heap + have * BY2PG, want - have)?;
        } else {
            let taken = seg.take(want, have - want);
            mmu::flushmmu();
            release(heap, taken);
        }
        seg.resize(want);
        Ok(())
    }

    fn shared_at(&self, va: usize) -> Result<usize, Error> {
        let found = |one: &Attached| one.shared() && (one.base..one.end()).contains(&va);
        self.segs.iter().position(found).ok_or(Error::NoSegment)
    }

    /// Takes the shared segment that starts at `base` away from the process that calls. Returns it, as
    /// its pages go if nobody else has it.
    ///
    /// # Errors
    /// `NoSegment` if there is none.
    pub fn detach(&mut self, base: usize) -> Result<Arc<Seg>, Error> {
        let index = self.shared_at(base)?;
        if self.segs[index].base != base {
            return Err(Error::NoSegment);
        }
        let gone = self.segs.swap_remove(index);
        mmu::flushmmu();
        let up = up().expect("a process calls").index();
        for (index, page) in gone.seg.present() {
            let va = (base + index * BY2PG) as u32;
            book::with(|ledger| ledger.may_not_show(up, va, page.pa()));
        }
        Ok(gone.seg)
    }

    /// The pages of a shared segment from `va` on, for who frees them: the segment, the first, and how
    /// many.
    ///
    /// # Errors
    /// `NoSegment` where there is none; `BadArgument` if it is not so long.
    pub fn shared_range(
        &self,
        va: usize,
        length: usize,
    ) -> Result<(Arc<Seg>, usize, usize), Error> {
        let one = &self.segs[self.shared_at(va)?];
        if !va.is_multiple_of(BY2PG) || length == 0 || length > one.end() - va {
            return Err(Error::BadArgument);
        }
        Ok((one.seg.clone(), (va - one.base) / BY2PG, round(length) / BY2PG))
    }
}

/// Puts pages that the process that calls had in a segment at `base`, and has dropped.
fn release(base: usize, taken: Vec<(usize, mmu386::layout::Frame)>) {
    let up = up().expect("a process calls").index();
    for (index, page) in taken {
        let va = (base + index * BY2PG) as u32;
        book::with(|ledger| ledger.may_not_show(up, va, page.pa()));
        page::put(page);
    }
}
