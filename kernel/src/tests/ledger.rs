//! Who maps what where, by the tests' own book. It shares nothing with mmu386.

use heapless::Vec;

use crate::lock::Ilock;

/// A mapping in the book.
#[derive(Clone, Copy)]
struct Entry {
    va: usize,
    pa: usize,
    size: usize,
    /// vunmap was called and has not returned.
    torn: bool,
}

static BOOK: Ilock<Vec<Entry, 128>> = Ilock::new(Vec::new());

/// What a new mapping ran into.
pub struct Overlap {
    /// Physical address of the older mapping.
    pub pa: usize,
    /// Its vunmap was called and is not known to have returned, rather than in use. vmap may be
    /// right: vunmap gives addresses back shortly before it returns, and no earlier than is safe.
    pub torn: bool,
}

/// vmap returned `va`.
pub fn mapped(va: usize, pa: usize, size: usize) -> Option<Overlap> {
    let mut book = BOOK.lock();
    let clash = book.iter().find(|e| e.va < va + size && va < e.va + e.size);
    let overlap = clash.map(|e| Overlap { pa: e.pa, torn: e.torn });
    let full = book.push(Entry { va, pa, size, torn: false }).is_err();
    drop(book);
    assert!(!full, "the ledger is full");
    overlap
}

/// vunmap is about to be called.
pub fn tearing(va: usize, pa: usize) {
    if let Some(entry) = BOOK.lock().iter_mut().find(|e| e.va == va && e.pa == pa) {
        entry.torn = true;
    }
}

/// vunmap returned.
pub fn gone(va: usize, pa: usize) {
    BOOK.lock().retain(|e| e.va != va || e.pa != pa);
}
