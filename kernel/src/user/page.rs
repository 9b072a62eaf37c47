//! Pages of segments: references, contents. The book knows each of them as held from the moment that it
//! leaves the allocator until it is back.

use core::arch::asm;

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

/// Does something with the bytes of a page, at the address where they show for this process. Called by a
/// process with interrupts on; may sleep.
///
/// An address rather than a reference: other processes may read the page meanwhile, by mappings of theirs
/// that the language knows nothing of, and a reference would promise that they do not.
fn with<R>(page: Frame, work: impl FnOnce(usize) -> R) -> R {
    let va = match mmu::kmap(page) {
        Ok((va, _)) => va,
        Err(error) => panic!("{error}"),
    };
    let result = work(va);
    mmu::kunmap(va);
    result
}

/// Fills `count` words from `to` on with zeros.
fn clear(to: usize, count: usize) {
    // SAFETY: the callers' words are mapped, and theirs to write.
    unsafe { asm!("rep stosd", inout("edi") to => _, inout("ecx") count => _, in("eax") 0) };
}

/// Copies `count` bytes.
fn copy_bytes(to: usize, from: usize, count: usize) {
    // SAFETY: the callers' bytes are mapped, theirs to write and to read, and apart.
    unsafe {
        asm!(
            "push esi",
            "mov esi, {from}",
            "rep movsb",
            "pop esi",
            from = in(reg) from,
            inout("edi") to => _,
            inout("ecx") count => _,
        );
    }
}

/// Fills a page with zeros, but for `bytes` from `offset` on.
///
/// # Panics
/// If they do not fit.
pub fn fill(page: Frame, offset: usize, bytes: &[u8]) {
    assert!(offset <= BY2PG && bytes.len() <= BY2PG - offset, "fill: more than a page");
    with(page, |memory| {
        clear(memory, BY2PG / 4);
        copy_bytes(memory + offset, bytes.as_ptr() as usize, bytes.len());
    });
}

/// Copies a page that nobody writes meanwhile.
pub fn copy(to: Frame, from: Frame) {
    with(to, |to| with(from, |from| copy_bytes(to, from, BY2PG)));
}
