//! What looks wrong and is not, because somebody is in the middle of putting it right.

use crate::world::*;
use auditor::{Access, Property, Subject, audit};

type Excuse = (&'static str, fn(&mut World));

const EXCUSES: &[Excuse] = &[
    ("a large page is being unmapped, and all have it still", |w| {
        let _call = w.remove_large();
    }),
    ("a large page is gone, and directories that are behind and not loaded have copies", |w| {
        let call = w.remove_large();
        w.set(MASTER, VMAP_LARGE, 0);
        w.ledger.gone(call);
        w.generation = 6;
        for cpu in 0..2 {
            w.tlbs[cpu].as_mut().unwrap().retain(|t| !t.large);
        }
        w.set(PDB, VMAP_LARGE, 0);
        w.record(PDB).swept = 6;
        w.set(POOL_0[1], VMAP_LARGE, BIG | LARGE);
    }),
    ("patwc is under way, and copies have the old attributes", |w| {
        let _call = w.ledger.unmapping(LARGE_AT, LAYOUT.large_page());
        w.set(MASTER, VMAP_LARGE, BIG | LARGE | 0x1008);
    }),
    ("patwc has made a large page write-combining, everywhere", |w| {
        w.set(MASTER, VMAP_LARGE, BIG | LARGE | 0x1008);
        w.set(PDB, VMAP_LARGE, BIG | LARGE | 0x1008);
    }),
    ("vmap has made an entry and not returned", |w| {
        w.ledger.mapping(0x30_0000, 0x2000);
        w.set(VMAP_TABLE, 6, 0x30_0000 | DEVICE);
        w.set(VMAP_TABLE, 7, 0x30_1000 | DEVICE);
        w.fill(0, small(0x1_7000, 0x30_1000));
    }),
    ("vmap has made a large entry and not returned", |w| {
        let call = w.remove_large();
        w.ledger.gone(call);
        w.set(PDB, VMAP_LARGE, 0);
        for cpu in 0..2 {
            w.tlbs[cpu].as_mut().unwrap().retain(|t| !t.large);
        }
        w.ledger.mapping(0x30_0000, LAYOUT.large_page());
        w.set(MASTER, VMAP_LARGE, 0x30_0000 | LARGE);
        w.fill(0, large(LARGE_AT, 0x30_0000));
    }),
    ("an address is given out again after the flush and before vunmap returns", |w| {
        w.tlbs[1].as_mut().unwrap().retain(|t| t.va != TORN_AT + 0x1000);
        w.set(VMAP_TABLE, 3, 0x30_0000 | DEVICE);
        assert!(w.ledger.mapped(TORN_AT + 0x1000, 0x30_0000, 0x1000).expect("it overlaps").torn);
    }),
    ("an offline CPU has cached what is gone, and its directory has it", |w| {
        w.cpus[0].online = false;
        w.fill(0, large(LARGE_AT, GONE));
        w.fill(0, user(0x1000, 0x9000, true));
        w.fill(0, small(KMAP_AT, 0x9000));
        w.cpus[0].cr3 = 0;
        w.set(private(0), TMP, 0);
        w.set(MASTER, 0, TABLE_0 | USER_TABLE);
    }),
    ("an offline CPU has a directory loaded that is behind", |w| {
        w.cpus[1] = auditor::Cpu { online: false, cr3: OWN, runs: None, ..w.cpus[1] };
    }),
    ("a process that is switched out is to drop its tables", |w| {
        w.ledger.may_not_show(1, SHARED_AT, SHARED);
        w.processes[1].newtlb = true;
    }),
    ("a process that died has not been released", |w| {
        w.ledger.exited(1);
        w.processes[1].alive = false;
        w.processes[1].busy = true;
    }),
    ("a page is replaced: the process may see both", |w| {
        w.ledger.may_show(0, TEXT_AT, SPARE, Access::Write);
        w.set(TABLE_1, 0, SPARE | USER_TABLE);
    }),
    ("a process has not touched what it may see", |w| {
        w.ledger.may_show(0, 0, SPARE, Access::Write);
        w.ledger.may_show(1, 0, SPARE, Access::Write);
        w.ledger.may_show(1, TEXT_AT, TEXT, Access::Read);
    }),
    ("a pool is full", |w| {
        let more: Vec<u32> = (0..8).map(|n| 0x50000 + n * 0x1000).collect();
        for page in more {
            w.add_to_pool(page);
        }
        w.cpus[0].pdbcnt = 10;
    }),
    ("a page table is in the directory, not cleared yet and not on the list", |w| {
        w.processes[0].busy = true;
        w.processes[0].mmufree = None;
        w.set(PDB, 1, KEPT | USER_TABLE);
        w.processes[0].mmuused = Some(TABLE_0);
        w.held.push(TABLE_1);
    }),
    ("a call has a page in hand", |w| {
        w.free.truncate(1);
        w.processes[0].busy = true;
    }),
    ("page tables are moved from one list to the other", |w| {
        w.processes[0].busy = true;
        w.processes[0].mmufree = w.processes[0].mmuused;
        w.held.push(KEPT);
    }),
    ("a call is about to kmap", |w| {
        w.processes[0].busy = true;
        w.processes[0].nkmap = 2;
        w.fill(1, small(KMAP_AT + 0x1000, SPARE));
        w.set(KMAPTABLE, 2, SPARE | TABLE);
    }),
    ("a page directory is taken from a pool", |w| {
        w.cpus[0].busy = true;
        w.cpus[0].pdbcnt = 1;
        w.record(POOL_0[0]).next = Some(POOL_0[1]);
    }),
    ("a temporary mapping is in use", |w| {
        w.cpus[1].tmp = None;
        w.set(private(1), TMP, SPARE | TABLE);
    }),
    ("a user page has no record: it is a device's", |w| {
        w.ledger.may_show(1, 0x2000, 0x30_0000, Access::Write);
        w.set(READY_TABLE, 2, 0x30_0000 | USER_TABLE);
    }),
    ("no process and no pool at all", |w| {
        for n in 0..2 {
            w.ledger.exited(n);
            w.processes[n] = w.processes[2];
        }
        w.cpus[1] = auditor::Cpu { cr3: OWN, runs: None, swept: 5, ..w.cpus[1] };
        w.set(OWN, VMAP_LARGE, 0);
        for cpu in &mut w.cpus {
            (cpu.pdbpool, cpu.pdbcnt) = (None, 0);
        }
        w.tlbs[1].as_mut().unwrap().clear();
        w.free.clear();
        w.held = w.pages.clone();
    }),
];

#[test]
fn nothing_is_reported_without_reason() {
    for (name, excuse) in EXCUSES {
        let mut world = World::sound();
        excuse(&mut world);
        let told: Vec<String> =
            audit(&world, &world.ledger).iter().map(ToString::to_string).collect();
        assert!(told.is_empty(), "{name}: {told:#?}");
    }
}

/// What excuses a large entry is that its directory is behind and not loaded, nothing else.
#[test]
fn a_generation_that_never_moves_excuses_nothing() {
    let mut world = World::sound();
    world.generation = 4;
    let told = audit(&world, &world.ledger);
    assert!(told.iter().any(|violation| violation.detail.starts_with("cpu 1's own pdb maps")));
    assert!(told.iter().any(|violation| violation.detail.starts_with("the pdb of process 1 maps")));
    let mut world = World::sound();
    world.cpus[1].cr3 = OWN;
    world.cpus[1].runs = None;
    world.tlbs[1] = None;
    let told = audit(&world, &world.ledger);
    assert!(!told.is_empty() && told.iter().all(|violation| violation.detail.contains("own pdb")));
}

/// A caller that audits again and again must know an entry again that was left stale: in whichever directory it is,
/// with whatever marks, and whatever is mapped there by now.
#[test]
fn a_stale_entry_is_about_the_same_mapping_wherever_it_is() {
    let mut world = World::sound();
    world.generation = 4;
    let about = |world: &World| {
        let told = audit(world, &world.ledger);
        let of = |property| told.iter().filter(move |v| v.property == property).map(|v| v.subject);
        let (v1, v3): (Vec<_>, Vec<_>) = (of(Property::V1).collect(), of(Property::V3).collect());
        assert!(v1.len() > 1 && v3.len() > 1, "{told:?}");
        [v1, v3].concat()
    };
    let stale = Subject::Mapping { va: LARGE_AT, pa: GONE };
    let before = about(&world);
    assert!(before.iter().all(|subject| *subject == stale));
    let entry = world.tables[&OWN][VMAP_LARGE];
    world.set(OWN, VMAP_LARGE, entry | TOUCHED);
    assert_eq!(about(&world), before);
    // What the others have of the master is stale now, too.
    world.set(MASTER, VMAP_LARGE, 0);
    let still = about(&world).iter().filter(|subject| **subject == stale).count();
    assert_eq!(still, before.len());
}
