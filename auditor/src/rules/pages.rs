//! Where pages are: each on one list, none free while it is walked, pools as long as they say.

use crate::audit::Findings;
use crate::entry::frame;
use crate::facts::{BadEnd, Facts, Place};
use crate::view::View;

/// Each page of the page allocator is on exactly one list, with the references that go with it; no
/// page that a CPU can walk as a table is free; the page tables of a process are in its directory,
/// and nothing else is.
pub(crate) fn p1<V: View>(facts: &Facts<'_, V>, found: &mut Findings) {
    for (place, bad) in &facts.bad_ends {
        match bad {
            BadEnd::Circle => found.add(format_args!("the list of pages {place} never ends")),
            BadEnd::NoRecord(pa) => {
                found
                    .add(format_args!("the list of pages {place} leads to {pa:#x}, which is none"));
            }
        }
    }
    lists(facts, found);
    walked(facts, found);
    for n in 0..facts.processes.len() {
        if !facts.processes[n].busy {
            page_tables(facts, n, found);
            leftovers(facts, n, found);
        }
    }
}

/// Both lists are in order: pages on two lists, pages on none, strangers, references.
fn lists<V: View>(facts: &Facts<'_, V>, found: &mut Findings) {
    for pair in facts.listed.windows(2) {
        if pair[0].frame == pair[1].frame && !pair[0].loose && !pair[1].loose {
            let (page, one, other) = (pair[0].frame, pair[0].place, pair[1].place);
            found.add(format_args!("page {page:#x} is {one}, and {other}"));
        }
    }
    let mut listed = facts.listed.iter().peekable();
    // A call that is under way has at most one page in hand.
    let in_hand = facts.processes.iter().filter(|process| process.busy).count();
    let mut lost = 0;
    for &page in &facts.pages {
        let mut on_none = true;
        while let Some(one) = listed.next_if(|one| one.frame <= page) {
            if one.frame == page {
                on_none = false;
            } else {
                stranger(one.frame, one.place, one.loose, found);
            }
        }
        if on_none {
            lost += 1;
            if lost > in_hand {
                found.add(format_args!("page {page:#x} is on no list"));
            }
        }
    }
    for one in listed {
        stranger(one.frame, one.place, one.loose, found);
    }
    for one in facts.listed.iter().filter(|one| !one.loose && one.place != Place::Held) {
        let wanted = u32::from(one.place != Place::Free);
        let Some(record) = facts.view.page(one.frame) else { continue };
        if record.refs != wanted {
            let (page, place, refs) = (one.frame, one.place, record.refs);
            found.add(format_args!("page {page:#x} is {place} and has {refs} references"));
        }
    }
}

fn stranger(page: u32, place: Place, loose: bool, found: &mut Findings) {
    if !loose {
        found.add(format_args!("page {page:#x} is {place}, and not the page allocator's"));
    }
}

/// No CPU can walk a free page as its page directory or as a page table.
fn walked<V: View>(facts: &Facts<'_, V>, found: &mut Findings) {
    let is_free = |page| facts.places(page).any(|listed| listed.place == Place::Free);
    for (n, cpu) in facts.online() {
        let cr3 = frame(cpu.cr3);
        if is_free(cr3) {
            found.add(format_args!("page {cr3:#x} is free, and in the CR3 of cpu {n}"));
        }
        for index in 0..facts.layout.entries {
            let table = facts.entry(cr3, index).table();
            if let Some(table) = table.filter(|&table| is_free(table)) {
                found.add(format_args!(
                    "page {table:#x} is free, and cpu {n} walks it by entry {index}"
                ));
            }
        }
    }
}

/// Each page of mmuused is the page table at its daddr, and no user entry names another page.
fn page_tables<V: View>(facts: &Facts<'_, V>, n: usize, found: &mut Findings) {
    let process = &facts.processes[n];
    let layout = facts.layout;
    let Some(pdb) = process.pdb else {
        if process.mmuused.is_some() {
            found.add(format_args!("process {n} has page tables in use and no pdb"));
        }
        return;
    };
    let mut next = process.mmuused;
    let mut left = facts.pages.len();
    while let Some(page) = next
        && left > 0
    {
        left -= 1;
        let Some(record) = facts.view.page(page) else { break };
        let daddr = record.daddr;
        if daddr >= layout.vmap || facts.entry(pdb, daddr).table() != Some(frame(page)) {
            found.add(format_args!(
                "page {page:#x} is on mmuused of process {n}, and not entry {daddr} of its pdb"
            ));
        }
        next = record.next;
    }
    for index in 0..layout.vmap {
        let Some(table) = facts.entry(pdb, index).table() else { continue };
        let used = facts.places(table).any(|listed| listed.place == Place::Used(n));
        if !used || facts.view.page(table).is_some_and(|page| page.daddr != index) {
            found.add(format_args!(
                "entry {index} of the pdb of process {n} names {table:#x}, no page table for it"
            ));
        }
    }
}

/// A process that is gone has given everything back.
fn leftovers<V: View>(facts: &Facts<'_, V>, n: usize, found: &mut Findings) {
    let p = &facts.processes[n];
    let holds = p.pdb.or(p.mmuused).or(p.mmufree).or(p.kmaptable);
    if let Some(page) = holds.filter(|_| !p.alive && facts.runner[n].is_none()) {
        found.add(format_args!("process {n} is gone, and still has page {page:#x}"));
    }
}

/// The count of a pool is its length, and small.
pub(crate) fn p2<V: View>(facts: &Facts<'_, V>, found: &mut Findings) {
    for (n, cpu) in facts.cpus.iter().enumerate().filter(|(_, cpu)| !cpu.busy) {
        let count = cpu.pdbcnt;
        if let Some(length) = facts.pools[n]
            && length != count as usize
        {
            found.add(format_args!("pdbcnt of cpu {n} is {count}, its pool holds {length}"));
        }
        let most = facts.view.pool_max();
        if count > most {
            found.add(format_args!("pdbcnt of cpu {n} is {count}, more than {most}"));
        }
    }
}
