//! Pages that the kernel maps for a moment: a process's kmaps, and a CPU's page at TMPADDR.

use crate::audit::Findings;
use crate::entry::frame;
use crate::facts::Facts;
use crate::view::View;

/// A process has exactly the kmaps that it made and has not undone: by its count, in its kmaptable,
/// and in the TLB of the CPU that runs it.
pub(crate) fn k1<V: View>(facts: &Facts<'_, V>, found: &mut Findings) {
    let layout = facts.layout;
    for n in (0..facts.processes.len()).filter(|&n| !facts.processes[n].busy) {
        table(facts, n, found);
    }
    for (n, cpu) in facts.online() {
        if cpu.runs.and_then(|p| facts.processes.get(p)).is_some_and(|process| process.busy) {
            continue;
        }
        for t in facts.view.tlb(n).into_iter().flatten() {
            if layout.directory_index(t.va) != layout.kmap {
                continue;
            }
            let (va, pa) = (t.va, t.pa);
            let shows = cpu.runs.and_then(|p| facts.ledger.kmap(p, va));
            let odd = t.large || t.global;
            if odd || shows != Some(frame(pa)) {
                let kind = if odd { ", large or global" } else { "" };
                match shows {
                    Some(shows) => found.add(format_args!(
                        "cpu {n} has {va:#x} -> {pa:#x} in its TLB{kind}; the kmap is of {shows:#x}"
                    )),
                    None => found.add(format_args!(
                        "cpu {n} has {va:#x} -> {pa:#x} in its TLB{kind}; there is no such kmap"
                    )),
                }
            }
        }
    }
}

/// The count and the kmaptable of a process.
fn table<V: View>(facts: &Facts<'_, V>, n: usize, found: &mut Findings) {
    let layout = facts.layout;
    let process = &facts.processes[n];
    let (count, live) = (process.nkmap, facts.ledger.kmaps(n).count());
    if usize::try_from(count) != Ok(live) {
        found
            .add(format_args!("nkmap of process {n} is {count}, and {live} of its kmaps are live"));
    }
    let named = process.pdb.map(|pdb| facts.entry(pdb, layout.kmap));
    let named = named.filter(|entry| entry.valid());
    let table = process.kmaptable.map(frame);
    if named.map(|entry| entry.table()) != table.map(Some) {
        let value = named.map_or(0, |entry| entry.0);
        let table = table.unwrap_or(0);
        found.add(format_args!(
            "the KMAP entry of process {n} is {value:#x}, its kmaptable is {table:#x}"
        ));
    }
    for (va, pa) in facts.ledger.kmaps(n) {
        let leaf = table.map(|table| facts.entry(table, layout.table_index(va)));
        let shows = leaf.filter(|leaf| leaf.valid()).map(|leaf| leaf.frame());
        if layout.directory_index(va) != layout.kmap {
            found.add(format_args!("kmap of process {n} returned {va:#x}, which is not in KMAP"));
        } else if shows != Some(pa) {
            let shows = shows.unwrap_or(0);
            found.add(format_args!("kmap {va:#x} of process {n} shows {shows:#x}, not {pa:#x}"));
        }
    }
    let Some(table) = table else { return };
    for second in 0..layout.entries {
        let leaf = facts.entry(table, second);
        let va = layout.address(layout.kmap, second);
        if leaf.valid() && facts.ledger.kmap(n, va).is_none() {
            let pa = leaf.frame();
            found.add(format_args!("{va:#x} of process {n} shows {pa:#x}, and is no kmap"));
        }
    }
}

/// Outside of a temporary mapping, TMPADDR shows what the one-to-one window would.
pub(crate) fn t1<V: View>(facts: &Facts<'_, V>, found: &mut Findings) {
    let layout = facts.layout;
    for (n, cpu) in facts.online() {
        let Some(tmp) = cpu.tmp else { continue };
        let wanted = frame(tmp.frame);
        let entry = facts.entry(cpu.private, tmp.index);
        if !entry.valid() || entry.frame() != wanted {
            let value = entry.0;
            found.add(format_args!("TMPADDR of cpu {n} is {value:#x}, not {wanted:#x}"));
        }
        let va = layout.address(layout.kzero, tmp.index);
        for t in facts.view.tlb(n).into_iter().flatten() {
            if !t.large && frame(t.va) == va && frame(t.pa) != wanted {
                let pa = t.pa;
                found.add(format_args!("cpu {n} has TMPADDR -> {pa:#x} in its TLB"));
            }
        }
    }
}
