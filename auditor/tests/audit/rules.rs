//! Each rule breaks, and it alone, on a machine that has just that fault.

use crate::world::*;
use auditor::{Access, Ledger, Property, Property::*, Translation, audit, audit_only};

type Fault = (Property, &'static str, fn(&mut World));

const FAULTS: &[Fault] = &[
    (V1, "a TLB holds a page whose vunmap has returned", |w| {
        w.finish_unmap();
        w.fill(0, small(TORN_AT + 0x1000, TORN + 0x1000));
    }),
    (V1, "a TLB holds a large page that is gone", |w| w.fill(1, large(LARGE_AT, GONE))),
    (V1, "a TLB holds a piece of a large page that is gone", |w| {
        w.fill(0, small(LARGE_AT + 0x3000, GONE + 0x3000));
    }),
    (V1, "a TLB holds what vmap never gave", |w| w.fill(0, small(0x1_7000, LIVE))),
    (V1, "a TLB holds a device page that is global", |w| {
        w.fill(0, Translation { global: true, ..small(LIVE_AT, LIVE) });
    }),
    (V1, "a TLB shows the old memory of an address that was given out again", |w| {
        w.set(VMAP_TABLE, 3, 0x30_0000 | DEVICE);
        assert!(w.ledger.mapped(TORN_AT + 0x1000, 0x30_0000, 0x1000).expect("it overlaps").torn);
    }),
    (V1, "the master still maps what is gone", |w| {
        w.finish_unmap();
        w.set(VMAP_TABLE, 2, TORN | DEVICE);
    }),
    (V1, "the master maps what vmap was not asked for", |w| {
        w.set(VMAP_TABLE, 7, 0x30_0000 | DEVICE);
    }),
    (V1, "the master maps a page in the place of another that is being unmapped", |w| {
        w.set(VMAP_TABLE, 3, LIVE | DEVICE);
    }),
    (V1, "the master maps one page more than was being unmapped", |w| {
        w.set(VMAP_TABLE, 4, (TORN + 0x2000) | DEVICE);
    }),
    (V1, "the master maps a device page as global", |w| {
        w.set(VMAP_TABLE, 0, LIVE | DEVICE | GLOBAL);
    }),
    (V1, "vmap is under way, and something else is mapped", |w| {
        w.ledger.mapping(0x30_0000, 0x1000);
        w.set(VMAP_TABLE, 7, 0x31_0000 | DEVICE);
    }),
    (V1, "vmap of a page is under way, and it is cached where it was before", |w| {
        w.ledger.mapping(0x30_0000, 0x1000);
        w.fill(0, small(0x1_7000, 0x30_0000));
    }),
    (V2, "two live mappings have the same address", |w| {
        w.set(VMAP_TABLE, 1, 0x30_0000 | DEVICE);
        assert!(w.ledger.mapped(LIVE_AT + 0x1000, 0x30_0000, 0x1000).is_some());
    }),
    (V2, "the master lost a live page", |w| w.set(VMAP_TABLE, 1, 0)),
    (V2, "the master lost a live large page, and with it all copies", |w| {
        w.set(MASTER, VMAP_LARGE, 0);
        w.set(PDB, VMAP_LARGE, 0);
    }),
    (V2, "vmap is under way, and has taken a live page's entry", |w| {
        w.ledger.mapping(0x30_0000, 0x1000);
        w.set(VMAP_TABLE, 1, 0x30_0000 | DEVICE);
    }),
    (V2, "a live page is cached", |w| w.set(VMAP_TABLE, 1, (LIVE + 0x1000) | TABLE)),
    (V2, "a live page cannot be written", |w| {
        w.set(VMAP_TABLE, 1, (LIVE + 0x1000) | VALID | UNCACHED);
    }),
    (V2, "a live page is user mode's", |w| {
        w.set(VMAP_TABLE, 1, (LIVE + 0x1000) | DEVICE | USER);
    }),
    (V2, "vmap returned an address outside VMAP", |w| {
        assert_eq!(w.ledger.mapped(0x3_8000, 0x30_0000, 0x1000), None);
    }),
    (V3, "a copy has another cache attribute", |w| {
        w.set(PDB, VMAP_LARGE, BIG | LARGE | 0x8);
    }),
    (V3, "a copy of a table entry has other rights", |w| {
        w.set(OWN, VMAP_SMALL, VMAP_TABLE | VALID);
    }),
    (V3, "a copy is held", |w| {
        w.set(OWN, VMAP_LARGE, HELD);
    }),
    (V3, "a pooled directory names a table that the master does not", |w| {
        w.set(POOL_0[0], VMAP_LARGE, private(1) | TABLE);
        w.set(private(1), TMP, 0);
        w.cpus[1].tmp = None;
    }),
    (U1, "a table shows a page that was freed", |w| {
        w.ledger.freed(TEXT);
        w.tlbs[1].as_mut().unwrap().retain(|t| t.va != TEXT_AT);
    }),
    (U1, "a TLB shows a page that was freed", |w| {
        w.ledger.freed(TEXT);
        w.set(TABLE_1, 0, 0);
    }),
    (U1, "a page is shown where the process may not see it", |w| {
        w.set(TABLE_0, 2, SHARED | USER_TABLE);
    }),
    (U1, "a page is shown that nobody references", |w| w.record(TEXT).refs = 0),
    (U1, "a process that is switched out keeps what it may no longer see", |w| {
        w.ledger.may_not_show(1, SHARED_AT, SHARED);
    }),
    (U1, "newtlb excuses no process that runs", |w| {
        w.processes[0].newtlb = true;
        w.set(TABLE_0, 2, SHARED | USER_TABLE);
    }),
    (U1, "a call that is under way excuses no page table that is in use", |w| {
        w.processes[0].busy = true;
        w.set(TABLE_0, 2, SHARED | USER_TABLE);
    }),
    (U1, "a page that may only be read can be written", |w| {
        w.set(TABLE_1, 0, TEXT | USER_TABLE);
    }),
    (U1, "a TLB lets a page be written that may only be read", |w| {
        w.fill(1, user(TEXT_AT, TEXT, true));
    }),
    (U1, "a TLB keeps the pages of a process that it no longer runs", |w| {
        w.fill(0, user(SHARED_AT, SHARED, true));
    }),
    (U1, "a TLB holds another process's page", |w| {
        w.ledger.may_show(1, 0x2000, SPARE, Access::Write);
        w.fill(1, user(0x2000, SPARE, true));
    }),
    (U1, "a user page is global", |w| {
        w.fill(1, Translation { global: true, ..user(SHARED_AT, SHARED, true) });
    }),
    (U1, "a user entry is a large page", |w| w.set(READY_PDB, 1, 0x8000 | USER_TABLE | SIZE)),
    (U2, "an idle CPU is still on the directory of a process", |w| {
        w.set(READY_PDB, VMAP_LARGE, 0);
        w.set(READY_PDB, LAYOUT.kzero, private(0) | TABLE);
        w.cpus[0].cr3 = READY_PDB;
    }),
    (U2, "a CPU runs a process on its own directory's neighbour", |w| {
        w.cpus[1].cr3 = MASTER;
        w.cpus[0].online = false;
    }),
    (U2, "two CPUs have the same directory", |w| {
        w.cpus[0].runs = Some(0);
        w.cpus[0].cr3 = PDB;
    }),
    (U2, "a directory shows another CPU's m", |w| w.set(PDB, LAYOUT.kzero, private(0) | TABLE)),
    (U2, "a CPU's own directory shows another's m", |w| {
        w.set(OWN, LAYOUT.kzero, private(0) | TABLE);
    }),
    (U2, "a directory shows no m", |w| w.set(PDB, LAYOUT.kzero, 0)),
    (U2, "a loaded directory's VPT shows another", |w| w.set(PDB, LAYOUT.vpt, OWN | TABLE)),
    (U2, "the VPT of a process that is switched out shows another", |w| {
        w.set(READY_PDB, LAYOUT.vpt, OWN | TABLE);
    }),
    (U2, "the VPT of a CPU's own directory shows another", |w| w.set(OWN, LAYOUT.vpt, 0)),
    (U2, "CR3 holds a frame that is nobody's directory", |w| {
        w.tables.insert(0x9000, w.tables[&OWN].clone());
        w.set(0x9000, VMAP_LARGE, 0);
        w.set(0x9000, LAYOUT.vpt, 0x9000 | TABLE);
        w.cpus[1].cr3 = 0x9000;
    }),
    (U3, "a pooled directory has a user entry", |w| w.set(POOL_0[0], 1, TABLE_1 | USER_TABLE)),
    (U3, "a pooled directory has a KMAP entry", |w| {
        w.set(POOL_1, LAYOUT.kmap, KMAPTABLE | TABLE);
    }),
    (U3, "a pooled directory's VPT shows its neighbour", |w| {
        w.set(POOL_0[1], LAYOUT.vpt, POOL_0[0] | TABLE);
    }),
    (U3, "the directory that new ones are copied from has a user entry", |w| {
        w.set(OWN, 0, TABLE_0 | USER_TABLE);
    }),
    (P1, "a page is on no list", |w| w.free.truncate(1)),
    (P1, "more pages are on no list than calls are under way", |w| {
        w.processes[2].busy = true;
        w.free.clear();
    }),
    (P1, "a page is free and in a pool", |w| w.free.push(POOL_1)),
    (P1, "a page is free twice", |w| w.free.push(FREE[0])),
    (P1, "a page is in a pool and held", |w| w.held.push(POOL_1)),
    (P1, "a page table is kept and free", |w| w.free.push(KEPT)),
    (P1, "two processes keep the same page", |w| w.processes[1].mmufree = Some(KEPT)),
    (P1, "a list of pages that are kept goes round", |w| w.record(KEPT).next = Some(KEPT)),
    (P1, "a pool goes round", |w| w.record(POOL_0[0]).next = Some(POOL_0[1])),
    (P1, "page tables in use go round", |w| w.record(TABLE_0).next = Some(TABLE_1)),
    (P1, "the free list goes round", |w| w.free.extend(FREE.repeat(20))),
    (P1, "a list leads to what is no page", |w| w.record(KEPT).next = Some(0x7F000)),
    (P1, "a page is held that was never the page allocator's", |w| w.held.push(0x3000)),
    (P1, "a page behind all others was never the page allocator's", |w| w.held.push(0x7F000)),
    (P1, "the directory that a CPU has loaded is free", |w| w.free.push(PDB)),
    (P1, "a page table that a CPU can walk is free", |w| {
        w.processes[0].mmuused = Some(TABLE_0);
        w.record(TABLE_1).refs = 0;
        w.free.push(TABLE_1);
    }),
    (P1, "a VMAP table is free", |w| {
        w.pages.insert(0, VMAP_TABLE);
        w.records.insert(VMAP_TABLE, *w.records.get(&FREE[0]).unwrap());
        w.free.push(VMAP_TABLE);
    }),
    (P1, "a page table that is in use is not in the directory", |w| w.set(READY_PDB, 0, 0)),
    (P1, "a page table is in use for another entry", |w| w.record(READY_TABLE).daddr = 1),
    (P1, "a page table is in use beyond user memory", |w| {
        w.record(KEPT).daddr = VMAP_SMALL;
        w.processes[1].mmuused = w.push(KEPT, Some(READY_TABLE));
        w.processes[0].mmufree = None;
    }),
    (P1, "a page table that was dropped is still in the directory", |w| {
        w.processes[1].mmuused = None;
        w.processes[1].mmufree = Some(READY_TABLE);
    }),
    (P1, "a page table is in the directory twice", |w| {
        w.ledger.may_show(1, SHARED_AT + LAYOUT.large_page(), SHARED, Access::Write);
        w.set(READY_PDB, 1, READY_TABLE | USER_TABLE);
    }),
    (P1, "a process has page tables in use and no directory", |w| {
        w.processes[1].pdb = None;
        w.held.push(READY_PDB);
    }),
    (P1, "a process is gone and keeps a page", |w| {
        w.processes[2].mmufree = Some(FREE[1]);
        w.record(FREE[1]).refs = 1;
        w.free.truncate(1);
    }),
    (P1, "a page directory is referenced twice", |w| w.record(READY_PDB).refs = 2),
    (P1, "a free page is referenced", |w| w.record(FREE[0]).refs = 1),
    (P2, "pdbcnt says more than the pool holds", |w| w.cpus[0].pdbcnt = 3),
    (P2, "pdbcnt says less than the pool holds", |w| w.cpus[1].pdbcnt = 0),
    (P2, "a pool holds eleven", |w| {
        for n in 0..9 {
            w.add_to_pool(0x50000 + n * 0x1000);
        }
        w.cpus[0].pdbcnt = 11;
    }),
    (K1, "nkmap counts a kmap that is undone", |w| w.processes[0].nkmap = 2),
    (K1, "nkmap is below 0", |w| w.processes[1].nkmap = -1),
    (K1, "a kmap shows another page", |w| w.set(KMAPTABLE, 1, SPARE | TABLE)),
    (K1, "a kmap is not mapped", |w| w.set(KMAPTABLE, 1, 0)),
    (K1, "a kmap that is undone is still mapped", |w| w.set(KMAPTABLE, 2, SPARE | TABLE)),
    (K1, "kmap returned an address outside KMAP", |w| {
        w.processes[0].nkmap = 2;
        assert_eq!(w.ledger.kmapped(0, 0x1000, SPARE), None);
    }),
    (K1, "the KMAP entry names another table", |w| {
        w.tables.insert(0x9000, w.tables[&KMAPTABLE].clone());
        w.set(PDB, LAYOUT.kmap, 0x9000 | TABLE);
    }),
    (K1, "the KMAP entry is gone", |w| w.set(PDB, LAYOUT.kmap, 0)),
    (K1, "a process without a kmaptable has a KMAP entry", |w| {
        w.set(READY_PDB, LAYOUT.kmap, KMAPTABLE | TABLE);
    }),
    (K1, "the KMAP entry is a large page", |w| {
        w.set(READY_PDB, LAYOUT.kmap, 0x8000 | SIZE | TABLE)
    }),
    (K1, "a TLB shows what the kmap's slot showed before", |w| w.fill(1, small(KMAP_AT, SPARE))),
    (K1, "a TLB shows a kmap that is undone", |w| w.fill(1, small(KMAP_AT + 0x1000, SPARE))),
    (K1, "an idle CPU has a kmap in its TLB", |w| w.fill(0, small(KMAP_AT, KMAPPED))),
    (K1, "a kmap is a large page", |w| w.fill(1, large(KMAP_AT, KMAPPED))),
    (K1, "a kmap is global", |w| {
        w.fill(1, Translation { global: true, ..small(KMAP_AT, KMAPPED) });
    }),
    (T1, "TMPADDR still shows the page of a tmpmap", |w| w.set(private(1), TMP, SPARE | TABLE)),
    (T1, "TMPADDR shows nothing", |w| w.set(private(0), TMP, 0)),
    (T1, "a TLB still shows the page of a tmpmap", |w| {
        w.fill(0, small(LAYOUT.address(LAYOUT.kzero, TMP), SPARE));
    }),
];

#[test]
fn a_sound_machine_passes() {
    let world = World::sound();
    assert_eq!(audit(&world, &world.ledger), []);
}

#[test]
fn each_fault_breaks_its_rule_and_no_other() {
    let mut wrong = Vec::new();
    for (property, name, fault) in FAULTS {
        let mut world = World::sound();
        fault(&mut world);
        let told = audit(&world, &world.ledger);
        let only = audit_only(&world, &world.ledger, &[*property]);
        if only.is_empty() || only != told {
            let told: Vec<String> = told.iter().map(ToString::to_string).collect();
            wrong.push(format!("{property}, {name}: {told:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_rule_has_a_fault() {
    for property in Property::ALL {
        assert!(FAULTS.iter().any(|fault| fault.0 == property), "{property}");
    }
    for name in [Property::id, Property::description] {
        let mut names: Vec<&str> = Property::ALL.into_iter().map(name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Property::ALL.len());
    }
}

/// A page table that was dropped and left in the directory is a fault of its own, and what it shows
/// is another.
#[test]
fn what_a_stray_page_table_shows_is_judged() {
    let mut world = World::sound();
    world.set(READY_PDB, 1, KEPT | USER_TABLE);
    assert!(!audit_only(&world, &world.ledger, &[P1]).is_empty());
    assert!(!audit_only(&world, &world.ledger, &[U1]).is_empty());
}

/// The pages of a live mapping behind a large page are looked at, too, wherever it starts.
#[test]
fn a_mapping_is_followed_from_a_large_page_to_small_ones() {
    let mut world = World::sound();
    world.ledger = Ledger::new();
    let large_page = LAYOUT.large_page();
    assert_eq!(world.ledger.mapped(LIVE_AT, 0x30_0000, large_page + 0x3000), None);
    world.set(MASTER, VMAP_SMALL, 0x30_0000 | LARGE);
    world.set(MASTER, VMAP_LARGE, VMAP_TABLE | TABLE);
    for n in 0..3 {
        world.set(VMAP_TABLE, n, (0x30_0000 + large_page + n as u32 * 0x1000) | DEVICE);
    }
    let part = world.ledger.unmapping(LIVE_AT, 0x2000);
    world.ledger.gone(part);
    assert_eq!(audit_only(&world, &world.ledger, &[V2]), []);
    for n in 0..3 {
        let entry = world.tables[&VMAP_TABLE][n];
        world.set(VMAP_TABLE, n, 0);
        assert_eq!(audit_only(&world, &world.ledger, &[V2]).len(), 1, "page {n}");
        world.set(VMAP_TABLE, n, entry);
    }
}

/// Where nothing can be seen of a TLB, the tables are judged all the same.
#[test]
fn a_tlb_that_cannot_be_seen_is_no_excuse_for_a_table() {
    let mut world = World::sound();
    world.tlbs = vec![None, None];
    assert_eq!(audit(&world, &world.ledger), []);
    world.set(VMAP_TABLE, 7, 0x30_0000 | DEVICE);
    assert_eq!(audit(&world, &world.ledger).len(), 1);
}

#[test]
fn a_violation_says_where_and_what() {
    let told = |fault: fn(&mut World)| {
        let mut world = World::sound();
        fault(&mut world);
        let [violation] = &audit(&world, &world.ledger)[..] else { panic!("one fault") };
        violation.to_string()
    };
    assert_eq!(
        told(|w| {
            w.finish_unmap();
            w.fill(0, small(TORN_AT, TORN));
        }),
        "V1: cpu 0 reaches 0x200000 through 0x12000, by its TLB; that address is not mapped"
    );
    assert_eq!(
        told(|w| w.fill(0, small(LIVE_AT, TORN))),
        "V1: cpu 0 reaches 0x200000 through 0x10000, by its TLB; that address is mapped to 0x100000"
    );
    assert_eq!(
        told(|w| w.fill(0, small(TORN_AT, LIVE))),
        "V1: cpu 0 reaches 0x100000 through 0x12000, by its TLB; that address is being unmapped from \
         0x200000"
    );
    assert_eq!(
        told(|w| w.held.push(POOL_1)),
        "P1: page 0x4e000 is in the pool of cpu 1, and held by another owner"
    );
}

#[test]
fn an_overlap_says_with_what() {
    let mut world = World::sound();
    let mut mapped = |va| world.ledger.mapped(va, 0x30_0000, 0x1000).expect("it overlaps");
    assert_eq!(mapped(LIVE_AT).to_string(), "0x10000 is mapped to 0x100000 already");
    assert_eq!(
        mapped(TORN_AT).to_string(),
        "0x12000 is still being unmapped from 0x200000: its vunmap has not returned"
    );
}

#[test]
fn a_flood_is_cut_short_and_counted() {
    let mut world = World::sound();
    for n in 0..40 {
        world.fill(0, small(0x1_7000, 0x30_0000 + n * 0x1000));
    }
    let told = audit(&world, &world.ledger);
    assert_eq!(told.len(), 17);
    assert_eq!(told[16].to_string(), "V1: and 24 more");
}
