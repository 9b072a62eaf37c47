//! Device mappings: what is gone is out of reach, what is live is there, copies are copies.

use crate::audit::Findings;
use crate::entry::Entry;
use crate::facts::{Directory, Facts, Whose};
use crate::view::{PAGE, View};

/// Nothing leads to memory that the ledger says is gone: no TLB, and no page directory that a CPU
/// has loaded or can load as it is.
pub(crate) fn v1<V: View>(facts: &Facts<'_, V>, found: &mut Findings) {
    let layout = facts.layout;
    for (n, _) in facts.online() {
        for t in facts.view.tlb(n).into_iter().flatten() {
            if !layout.vmap_indices().contains(&layout.directory_index(t.va)) {
                continue;
            }
            let bytes = if t.large { layout.large_page() } else { PAGE };
            if let Some((va, pa)) = refused(facts, t.va, t.pa, bytes) {
                let now = facts.ledger.describe(va);
                found.add(format_args!(
                    "cpu {n} reaches {pa:#x} through {va:#x}, by its TLB; {now}"
                ));
            }
            if t.global {
                found.add(format_args!(
                    "cpu {n} keeps {:#x} -> {:#x} in its TLB for ever: it is global",
                    t.va, t.pa
                ));
            }
        }
    }
    for directory in &facts.directories {
        for first in layout.vmap_indices() {
            let entry = facts.entry(directory.frame, first);
            // What is the master's is judged there.
            let copied = entry.settled() == facts.master(first).settled();
            if !entry.valid() || (copied && directory.whose != Whose::Own(0)) {
                continue;
            }
            if entry.large() && !directory.swept_first {
                let (va, pa) = (layout.address(first, 0), entry.large_frame(layout));
                reachable(facts, directory, va, (entry, pa), layout.large_page(), found);
            }
            let Some(table) = entry.table() else { continue };
            // Most pages come in pieces: one search for each.
            let mut piece = None;
            for second in 0..layout.entries {
                let leaf = facts.entry(table, second);
                if !leaf.valid() {
                    continue;
                }
                let (va, pa) = (layout.address(first, second), leaf.frame());
                let fits = piece.is_some_and(|(first, last, to): (u32, u32, u32)| {
                    va <= last && to.wrapping_add(va - first) == pa
                });
                if !fits || leaf.global() {
                    piece = facts.ledger.piece(va);
                    reachable(facts, directory, va, (leaf, pa), PAGE, found);
                }
            }
        }
    }
}

/// Judges `bytes` at `va` that a directory maps: its entry, and the physical address in it.
fn reachable<V: View>(
    facts: &Facts<'_, V>,
    directory: &Directory,
    va: u32,
    (entry, pa): (Entry, u32),
    bytes: u32,
    found: &mut Findings,
) {
    let all = (va, pa);
    if let Some((va, pa)) = refused(facts, va, pa, bytes) {
        let now = facts.ledger.describe(va);
        found.mapping(all, format_args!("{directory} maps {va:#x} to {pa:#x}; {now}"));
    }
    if entry.global() {
        found.mapping(all, format_args!("{directory} maps {va:#x} to {pa:#x} as a global page"));
    }
}

/// The first page and frame, of `bytes` at `va` mapped to `pa`, that no CPU may reach this way.
fn refused<V: View>(facts: &Facts<'_, V>, va: u32, pa: u32, bytes: u32) -> Option<(u32, u32)> {
    let end = va.wrapping_add(bytes);
    let mut at = va;
    while at != end {
        let left = end.wrapping_sub(at);
        let page = facts.ledger.first_refused(at, pa.wrapping_add(at.wrapping_sub(va)), left)?;
        let frame = pa.wrapping_add(page.wrapping_sub(va));
        // vmap makes the entry first and returns then.
        let on_its_way = facts.ledger.is_asked(frame)
            && walk(facts, page).is_some_and(|(_, mapped)| mapped == frame);
        if !on_its_way {
            return Some((page, frame));
        }
        at = page.wrapping_add(PAGE);
    }
    None
}

/// The entry of the master that maps a page, and the frame that it maps the page to.
fn walk<V: View>(facts: &Facts<'_, V>, va: u32) -> Option<(Entry, u32)> {
    let layout = facts.layout;
    let entry = facts.master(layout.directory_index(va));
    if entry.large() {
        return Some((entry, entry.large_frame(layout) + va % layout.large_page()));
    }
    let leaf = facts.entry(entry.table()?, layout.table_index(va));
    leaf.valid().then(|| (leaf, leaf.frame()))
}

/// Live mappings are in the master as vmap promised, and no two have the same address.
pub(crate) fn v2<V: View>(facts: &Facts<'_, V>, found: &mut Findings) {
    let layout = facts.layout;
    for (va, pa) in facts.ledger.taken() {
        found.add(format_args!(
            "the mapping of {va:#x} to {pa:#x} is live, and part was given away"
        ));
    }
    for (first, pa, pages) in facts.ledger.live() {
        let mut page = 0;
        while page < pages {
            let (va, pa) = (first + page * PAGE, pa.wrapping_add(page * PAGE));
            if !layout.vmap_indices().contains(&layout.directory_index(va)) {
                found.add(format_args!("vmap returned {va:#x}, which is not in VMAP"));
                break;
            }
            let Some((entry, mapped)) = walk(facts, va) else {
                found.add(format_args!("{va:#x} is to lead to {pa:#x}, and the master lacks it"));
                break;
            };
            if mapped != pa {
                found.add(format_args!("{va:#x} is to lead to {pa:#x}, not to {mapped:#x}"));
                break;
            }
            if !entry.writable() || !entry.uncached() || entry.user() {
                let value = entry.0;
                found.add(format_args!(
                    "{va:#x} is not mapped for devices: its entry is {value:#x}"
                ));
                break;
            }
            // A large page is one entry.
            let large = facts.master(layout.directory_index(va)).large();
            let bytes = if large { layout.large_page() - va % layout.large_page() } else { PAGE };
            page += bytes / PAGE;
        }
    }
}

/// Each VMAP entry of each directory is 0 or the master's, attributes and all. A large entry that
/// the master lost may wait for its sweep: while its vunmap has not returned, or in a directory that
/// is swept before a CPU walks it.
pub(crate) fn v3<V: View>(facts: &Facts<'_, V>, found: &mut Findings) {
    let layout = facts.layout;
    for directory in facts.directories.iter().filter(|d| d.whose != Whose::Own(0)) {
        for first in layout.vmap_indices() {
            let entry = facts.entry(directory.frame, first);
            let master = facts.master(first);
            if entry.0 == 0 || (entry.valid() && entry.settled() == master.settled()) {
                continue;
            }
            let (value, truth) = (entry.0, master.0);
            if !entry.valid() {
                found.add(format_args!(
                    "entry {first} of {directory} is {value:#x}: neither valid nor 0"
                ));
                continue;
            }
            let pa = entry.table().unwrap_or_else(|| entry.large_frame(layout));
            let va = layout.address(first, 0);
            let torn = || {
                facts.ledger.is_unmapping(va)
                    && facts.ledger.first_refused(va, pa, layout.large_page()).is_none()
            };
            if !(entry.large() && (directory.swept_first || torn())) {
                found.mapping(
                    (va, pa),
                    format_args!(
                        "entry {first} of {directory} is {value:#x}, the master's {truth:#x}"
                    ),
                );
            }
        }
    }
}
