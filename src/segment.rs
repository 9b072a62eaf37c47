//! A segment: pages of user memory that processes share, and the two places where that meets the MMU
//! code: the fault that maps a page, and the freeing that takes pages away (`port/fault.c`,
//! `port/segment.c`).

use crate::arch::{Arch, Owned, WordName};
use crate::entry::PTEWRITE;
use crate::error::{PutmmuError, SegmentError};
use crate::kmap::{kmap, kunmap};
use crate::layout::{BY2PG, BY2WD, Frame};
use crate::lock::Lock;
use crate::shootdown::procflushmmu;
use crate::state::Proc;
use crate::user::{checkfault, fault_begins, putmmu};

/// Up to `N` pages of user memory, from one address on, filled with zeros on demand.
pub struct Segment<A: Arch, const N: usize> {
    base: u32,
    lock: Lock<A>,
    /// Guarded by `lock`.
    pages: [A::Owned<Option<Frame>>; N],
}

impl<A: Arch, const N: usize> Segment<A, N> {
    /// A segment without pages that starts at `base`, which is page-aligned user memory.
    pub fn new(base: u32) -> Self {
        Self {
            base,
            lock: Lock::new(WordName::SegmentLock(base)),
            pages: core::array::from_fn(|_| A::Owned::new(None)),
        }
    }

    fn index(&self, va: u32) -> Result<usize, SegmentError> {
        let index = va.checked_sub(self.base).map(|offset| (offset / BY2PG) as usize);
        index.filter(|index| *index < N).ok_or(SegmentError::Outside { va })
    }

    /// A fault of the current process at `va`: finds the page, or adds one, and maps it.
    ///
    /// Called by the fault handler for a process that uses the segment, with interrupts on and no
    /// lock held. May sleep, and wake on another CPU.
    ///
    /// # Errors
    /// [`SegmentError::Outside`] if the segment does not reach that far; [`SegmentError::Kmap`] if the
    /// process has no kmap left to clear a page with; [`SegmentError::Putmmu`] if the segment does not
    /// lie in user memory.
    pub fn fault(&self, arch: &A, va: u32) -> Result<(), SegmentError> {
        let index = self.index(va)?;
        loop {
            // Before the look: what is taken away after it is noticed by putmmu (fix C1).
            let ticket = fault_begins(arch);
            let Some(page) = self.page(arch, index) else {
                self.add(arch, index)?;
                continue;
            };
            match putmmu(arch, va, page.pa() | PTEWRITE, ticket) {
                Ok(()) => {
                    checkfault(arch, va, page.pa());
                    return Ok(());
                }
                Err(PutmmuError::Flushed) => {}
                Err(error) => return Err(SegmentError::Putmmu(error)),
            }
        }
    }

    fn page(&self, arch: &A, index: usize) -> Option<Frame> {
        let _locked = self.lock.lock(arch);
        self.pages[index].get()
    }

    /// Adds a cleared page, unless somebody else has meanwhile.
    fn add(&self, arch: &A, index: usize) -> Result<(), SegmentError> {
        // Not under the lock: newpage may sleep.
        let page = arch.newpage();
        if let Err(error) = clear(arch, page) {
            put(arch, page);
            return Err(SegmentError::Kmap(error));
        }
        let locked = self.lock.lock(arch);
        let slot = &self.pages[index];
        let lost = slot.get().is_some();
        if !lost {
            slot.set(Some(page));
        }
        drop(locked);
        if lost {
            put(arch, page);
        }
        Ok(())
    }

    /// Takes the pages of `count` pages' worth from `va` on out of the segment, makes every process
    /// that matches drop its mappings, and gives the pages back.
    ///
    /// Called by a process with interrupts on and no lock held; `matches` is true of every process
    /// that uses the segment. Waits for other CPUs.
    ///
    /// # Errors
    /// [`SegmentError::Outside`] if the segment does not reach that far; nothing is freed then.
    #[doc(alias = "mfreeseg")]
    pub fn free(
        &self,
        arch: &A,
        va: u32,
        count: usize,
        matches: impl Fn(&Proc<A>) -> bool,
    ) -> Result<(), SegmentError> {
        let first = self.index(va)?;
        if count > N - first {
            return Err(SegmentError::Outside { va: self.base.wrapping_add(N as u32 * BY2PG) });
        }
        let mut taken = [None; N];
        let locked = self.lock.lock(arch);
        for (slot, page) in self.pages[first..first + count].iter().zip(&mut taken) {
            *page = slot.get();
            slot.set(None);
        }
        drop(locked);
        procflushmmu(arch, matches);
        for page in taken.into_iter().flatten() {
            put(arch, page);
        }
        Ok(())
    }
}

/// Fills a page with zeros.
fn clear<A: Arch>(arch: &A, page: Frame) -> Result<(), crate::error::KmapError> {
    let va = kmap(arch, page)?;
    for offset in (0..A::GEOMETRY.entries() as u32 * BY2WD).step_by(BY2WD as usize) {
        arch.store(arch.at(va + offset), 0);
    }
    kunmap(arch, va);
    Ok(())
}

/// Gives back a page that nobody refers to any more (`putpage`).
fn put<A: Arch>(arch: &A, page: Frame) {
    arch.page(page).refs.set(0);
    arch.freepage(page);
}
