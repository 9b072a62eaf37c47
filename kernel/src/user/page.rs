//! Pages of segments: references, contents. The book knows each of them as held from the moment that it
//! leaves the allocator until it is back.

use mmu386::arch::Owned;
use mmu386::layout::Frame;

use crate::layout::BY2PG;
use crate::lock::Ilock;
use crate::{mmu, pages};

/// Guards the references of all pages that segments hold.
static REFS: Ilock<()> = Ilock::new(());

/// Segments that hold a page.
pub fn refs(page: Frame) -> u32 {
    let _refs = REFS.lock();
    pages::page(page).refs.get()
}

/// One more segment holds the page.
pub fn share(page: Frame) {
    let _refs = REFS.lock();
    let refs = &pages::page(page).refs;
    refs.set(refs.get() + 1);
}

/// A segment lets go of a page that none of its processes can reach any more (`putpage`).
///
/// Called by a process with interrupts on.
pub fn put(page: Frame) {
    let last = {
        let _refs = REFS.lock();
        let refs = &pages::page(page).refs;
        refs.set(refs.get() - 1);
        refs.get() == 0
    };
    if last {
        pages::put_back(page);
    }
}

/// Does something with the bytes of a page that is the caller's alone. Called by a process with
/// interrupts on; may sleep.
fn with<R>(page: Frame, work: impl FnOnce(&mut [u8; BY2PG]) -> R) -> R {
    let va = match mmu::kmap(page) {
        Ok((va, _)) => va,
        Err(error) => panic!("{error}"),
    };
    // SAFETY: kmap maps the page for this process, and nobody else has the page for writing.
    let result = work(unsafe { &mut *(va as *mut [u8; BY2PG]) });
    mmu::kunmap(va);
    result
}

/// Fills a page with zeros, but for `bytes` from `offset` on.
pub fn fill(page: Frame, offset: usize, bytes: &[u8]) {
    with(page, |memory| {
        memory.fill(0);
        memory[offset..offset + bytes.len()].copy_from_slice(bytes);
    });
}

/// Copies a page that nobody writes meanwhile.
pub fn copy(to: Frame, from: Frame) {
    with(to, |to| with(from, |from| to.copy_from_slice(from)));
}
