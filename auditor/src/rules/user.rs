//! User mappings and the page directories that carry them.

use alloc::vec::Vec;

use crate::audit::Findings;
use crate::entry::frame;
use crate::facts::{Facts, Place, Whose};
use crate::ledger::Access;
use crate::view::View;

/// What a user address leads to is a referenced page that the process may see there.
pub(crate) fn u1<V: View>(facts: &Facts<'_, V>, found: &mut Findings) {
    let layout = facts.layout;
    for n in 0..facts.processes.len() {
        tables(facts, n, found);
    }
    for (n, cpu) in facts.online() {
        for t in facts.view.tlb(n).into_iter().flatten() {
            if layout.directory_index(t.va) >= layout.vmap {
                continue;
            }
            let (va, pa) = (t.va, t.pa);
            let Some(process) = cpu.runs else {
                found.add(format_args!(
                    "cpu {n} runs nothing, and has {va:#x} -> {pa:#x} in its TLB"
                ));
                continue;
            };
            if t.large || t.global {
                let kind = if t.large { "large" } else { "global" };
                found.add(format_args!(
                    "cpu {n} has {va:#x} -> {pa:#x} in its TLB as a {kind} page"
                ));
                continue;
            }
            let access = facts.ledger.access(process, va, pa);
            let holder = format_args!("the TLB of cpu {n}");
            judge(facts, process, Use { va, pa, writable: t.writable, access }, holder, found);
        }
    }
}

/// The user page tables of a live process, unless they are dropped before it runs again.
fn tables<V: View>(facts: &Facts<'_, V>, n: usize, found: &mut Findings) {
    let layout = facts.layout;
    let process = &facts.processes[n];
    let dropped = process.newtlb && facts.runner[n].is_none();
    let Some(pdb) = process.pdb.filter(|_| process.alive && !dropped) else { return };
    for first in 0..layout.vmap {
        let entry = facts.entry(pdb, first);
        if entry.large() {
            found.add(format_args!("entry {first} of the pdb of process {n} is a large user page"));
        }
        let Some(table) = entry.table() else { continue };
        // A new table is in the directory shortly before it is on the list.
        let used = || facts.places(table).any(|listed| listed.place == Place::Used(n));
        if process.busy && !used() {
            continue;
        }
        // The ledger goes along in the order of addresses, instead of being searched for each.
        let bounds = (layout.address(first, 0), layout.address(first, layout.entries - 1));
        let mut shown = facts.ledger.shown_in(n, bounds.0, bounds.1).peekable();
        for second in 0..layout.entries {
            let leaf = facts.entry(table, second);
            if !leaf.valid() {
                continue;
            }
            let (va, pa) = (layout.address(first, second), leaf.frame());
            while shown.next_if(|may| may.va < va).is_some() {}
            let mut access = None;
            while let Some(may) = shown.next_if(|may| may.va == va) {
                if may.pa == pa {
                    access = Some(may.access);
                }
            }
            let writable = entry.writable() && leaf.writable();
            let holder = format_args!("a page table of process {n}");
            judge(facts, n, Use { va, pa, writable, access }, holder, found);
        }
    }
}

/// A translation that a process can use, and what it may do with it.
struct Use {
    va: u32,
    pa: u32,
    writable: bool,
    access: Option<Access>,
}

/// Whether a process may use a translation that `holder` has.
fn judge<V: View>(
    facts: &Facts<'_, V>,
    process: usize,
    translation: Use,
    holder: core::fmt::Arguments<'_>,
    found: &mut Findings,
) {
    let Use { va, pa, writable, access } = translation;
    match access {
        None => match facts.ledger.shown(process, va).next() {
            None => found.add(format_args!(
                "{holder} shows {pa:#x} at {va:#x}, where process {process} may see nothing"
            )),
            Some(may) => found.add(format_args!(
                "{holder} shows {pa:#x} at {va:#x}, where process {process} may see {may:#x}"
            )),
        },
        Some(Access::Read) if writable => found.add(format_args!(
            "{holder} lets process {process} write {pa:#x} at {va:#x}, which it may only read"
        )),
        Some(_) if facts.view.page(frame(pa)).is_some_and(|page| page.refs == 0) => {
            found.add(format_args!("{holder} shows {pa:#x} at {va:#x}, which nobody references"));
        }
        Some(_) => {}
    }
}

/// A CPU has its own page directory loaded, or its process's, alone; the directory shows that CPU's
/// private page table and itself.
pub(crate) fn u2<V: View>(facts: &Facts<'_, V>, found: &mut Findings) {
    let layout = facts.layout;
    for (n, cpu) in facts.online() {
        let cr3 = frame(cpu.cr3);
        let pdb = cpu.runs.and_then(|p| facts.processes.get(p)?.pdb).map(frame);
        if cr3 != frame(cpu.pdb) && Some(cr3) != pdb {
            found.add(format_args!(
                "CR3 of cpu {n} is {cr3:#x}: neither its own pdb nor its process's"
            ));
        }
        // Its own is where the private entry of every directory that it loads comes from.
        let own = (frame(cpu.pdb), "its own pdb");
        let loaded = (cr3 != own.0).then_some((cr3, "the pdb in its CR3"));
        for (pdb, which) in [own].into_iter().chain(loaded) {
            let kzero = facts.entry(pdb, layout.kzero);
            if kzero.table() != Some(frame(cpu.private)) {
                let value = kzero.0;
                found.add(format_args!("cpu {n} sees another's m: {which} has {value:#x} there"));
            }
        }
    }
    let mut loaded: Vec<(u32, usize)> =
        facts.online().map(|(n, cpu)| (frame(cpu.cr3), n)).collect();
    loaded.sort_unstable();
    for pair in loaded.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        let ((cr3, one), (_, other)) = (pair[0], pair[1]);
        found.add(format_args!("cpus {one} and {other} both have {cr3:#x} in CR3"));
    }
    for directory in &facts.directories {
        let judged = match directory.whose {
            Whose::Own(n) => facts.cpus[n].online,
            Whose::Process(_) | Whose::Stray(_) => true,
            Whose::Pool(_) => false,
        };
        if judged && facts.entry(directory.frame, layout.vpt).table() != Some(directory.frame) {
            found.add(format_args!("the VPT of {directory} does not show it"));
        }
    }
}

/// Directories that have no process hold none of one's entries: those in a pool, and a CPU's own,
/// which new ones are copied from.
pub(crate) fn u3<V: View>(facts: &Facts<'_, V>, found: &mut Findings) {
    let layout = facts.layout;
    for directory in &facts.directories {
        let pooled = match directory.whose {
            Whose::Pool(_) => true,
            Whose::Own(n) if facts.cpus[n].online => false,
            _ => continue,
        };
        for index in (0..layout.vmap).chain([layout.kmap]) {
            let entry = facts.entry(directory.frame, index);
            if entry.valid() {
                let value = entry.0;
                found.add(format_args!("entry {index} of {directory} is {value:#x}, a process's"));
            }
        }
        if pooled && facts.entry(directory.frame, layout.vpt).table() != Some(directory.frame) {
            found.add(format_args!("the VPT of {directory} does not show it"));
        }
    }
}
