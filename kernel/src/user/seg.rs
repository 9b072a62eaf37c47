//! A segment: pages that belong together, filled on demand.

use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

use mmu386::arch::WordName;
use mmu386::layout::Frame;
use mmu386::lock::Lock;

use super::page;
use crate::arch_impl::{PC, Pc};
use crate::layout::BY2PG;
use crate::{mmu, pages};

/// Whose the pages of a segment are, and what may be done with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Read only; processes share it.
    Text,
    /// One process's. Pages are shared after a fork until one side writes.
    Private,
    /// Written and read by all that attach it.
    Shared,
}

/// Something behind one of the MMU code's spin locks.
struct Locked<T> {
    lock: Lock<Pc>,
    value: UnsafeCell<T>,
}

// SAFETY: `with` reaches the value under the lock alone.
unsafe impl<T: Send> Sync for Locked<T> {}

impl<T> Locked<T> {
    fn new(id: u32, value: T) -> Locked<T> {
        Locked { lock: Lock::new(WordName::SegmentLock(id)), value: UnsafeCell::new(value) }
    }

    /// `work` does not sleep. Called by a process with interrupts on.
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        mmu::start_wait();
        let _locked = self.lock.lock(&PC);
        // SAFETY: the lock is held, so this is the only reference.
        work(unsafe { &mut *self.value.get() })
    }
}

/// The part of a program that a segment starts with.
#[derive(Clone, Copy)]
pub struct Image {
    /// What the file has.
    pub bytes: &'static [u8],
    /// Bytes of the segment before that.
    pub offset: usize,
}

/// A segment. Its pages go when the last process has let go of it.
pub struct Seg {
    /// Names it for as long as the machine runs.
    pub id: u32,
    /// Whose its pages are.
    pub kind: Kind,
    image: Option<Image>,
    pages: Locked<Vec<Option<Frame>>>,
}

/// What a fault found.
pub struct Found {
    /// The page.
    pub page: Frame,
    /// It may be mapped for writing.
    pub writable: bool,
    /// The page that it takes the place of. The fault puts it when it is not mapped any more.
    pub old: Option<Frame>,
}

static IDS: AtomicU32 = AtomicU32::new(1);

impl Seg {
    /// A segment of some pages, none of which is there yet.
    pub fn new(kind: Kind, count: usize, image: Option<Image>) -> Seg {
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        Seg { id, kind, image, pages: Locked::new(id, alloc::vec![None; count]) }
    }

    /// The part of a program that it starts with.
    pub fn image(&self) -> Option<Image> {
        self.image
    }

    /// How many pages are there.
    pub fn resident(&self) -> usize {
        self.pages.with(|pages| pages.iter().flatten().count())
    }

    /// Pages that fit.
    pub fn count(&self) -> usize {
        self.pages.with(|pages| pages.len())
    }

    /// A copy that shares all pages until they are written to. Called by the only process that has this
    /// segment, which then drops its mappings.
    pub fn duplicate(&self) -> Seg {
        let copy = Seg::new(self.kind, 0, self.image);
        let pages = self.pages.with(|pages| pages.clone());
        pages.iter().flatten().for_each(|page| page::share(*page));
        copy.pages.with(|slots| *slots = pages);
        copy
    }

    /// The page with an index, made if it is not there, copied if it is written to and shared.
    ///
    /// Called by a process that has the segment, with interrupts on and no lock held; may sleep and
    /// wake on another CPU. `None` if somebody has ended the process meanwhile.
    pub fn page(&self, index: usize, write: bool) -> Option<Found> {
        loop {
            let Some(page) = self.pages.with(|pages| pages[index]) else {
                self.add(index)?;
                continue;
            };
            if self.kind != Kind::Private {
                return Some(Found { page, writable: self.kind == Kind::Shared, old: None });
            }
            // No other process can share a page of this segment but by this process's fork.
            if page::refs(page) == 1 {
                return Some(Found { page, writable: true, old: None });
            }
            if !write {
                return Some(Found { page, writable: false, old: None });
            }
            let copy = pages::newuserpage()?;
            page::copy(copy, page);
            super::count(&super::COPIES);
            self.pages.with(|pages| pages[index] = Some(copy));
            return Some(Found { page: copy, writable: true, old: Some(page) });
        }
    }

    /// Adds a page, unless somebody else has meanwhile.
    fn add(&self, index: usize) -> Option<()> {
        // Not under the lock: both may sleep.
        let page = pages::newuserpage()?;
        let (offset, bytes) = self.initial(index);
        page::fill(page, offset, bytes);
        let lost = self.pages.with(|pages| match pages[index] {
            Some(_) => true,
            None => {
                pages[index] = Some(page);
                false
            }
        });
        if lost {
            page::put(page);
        } else if self.kind == Kind::Text {
            super::count(&super::TEXTS);
        }
        Some(())
    }

    /// What the image has for a page, and where in the page.
    fn initial(&self, index: usize) -> (usize, &'static [u8]) {
        let Some(Image { bytes, offset }) = self.image else { return (0, &[]) };
        let start = index * BY2PG;
        let first = start.max(offset);
        let last = (start + BY2PG).min(offset + bytes.len());
        if first >= last {
            return (0, &[]);
        }
        (first - start, &bytes[first - offset..last - offset])
    }

    /// Puts a page of known content in its place. The segment is not in use yet. `None` if somebody
    /// has ended the process meanwhile.
    pub fn preset(&self, index: usize, offset: usize, bytes: &[u8]) -> Option<()> {
        let page = pages::newuserpage()?;
        page::fill(page, offset, bytes);
        self.pages.with(|pages| pages[index] = Some(page));
        Some(())
    }

    /// Takes pages out. The caller drops all mappings of them before it puts them.
    pub fn take(&self, first: usize, count: usize) -> Vec<(usize, Frame)> {
        let mut taken = Vec::new();
        self.pages.with(|pages| {
            for (index, slot) in pages.iter_mut().enumerate().skip(first).take(count) {
                taken.extend(slot.take().map(|page| (index, page)));
            }
        });
        taken
    }

    /// Changes how many pages fit; those that do not any more were taken out before.
    pub fn resize(&self, count: usize) {
        self.pages.with(|pages| {
            assert!(pages.iter().skip(count).all(Option::is_none), "resize: pages are left");
            pages.resize(count, None);
        });
    }

    /// The pages that are there.
    pub fn present(&self) -> Vec<(usize, Frame)> {
        let pages = self.pages.with(|pages| pages.clone());
        pages.iter().enumerate().filter_map(|(index, page)| Some((index, (*page)?))).collect()
    }
}

impl Drop for Seg {
    /// No process has a mapping of its pages left.
    fn drop(&mut self) {
        self.take(0, usize::MAX).into_iter().for_each(|(_, page)| page::put(page));
    }
}
