//! How long an audit takes: in proportion to the tables in use, so that long runs can afford many.

use auditor::{Access, Layout, Page, audit};

use crate::world::*;

const PC: Layout =
    Layout { entries: 1024, vmap: 896, vmap_slots: 62, kmap: 958, vpt: 959, kzero: 960 };

/// The address space of the PC with `processes` processes of one full page table each, and a VMAP
/// with one full page table.
fn pc(processes: u32) -> World {
    let mut world = World::sound();
    world.layout = PC;
    world.ledger = auditor::Ledger::new();
    for list in [&mut world.free, &mut world.held, &mut world.pages] {
        list.clear();
    }
    let template = world.processes[2];
    world.processes.clear();
    world.records.clear();
    world.tables.clear();
    let mut table = |frame: u32| {
        world.tables.insert(frame, vec![0; PC.entries]);
        frame
    };
    let vmap_table = table(VMAP_TABLE);
    for n in 0..2 {
        table(private(n));
        let pdb = table([MASTER, OWN][n]);
        let cpu = &mut world.cpus[n];
        *cpu = auditor::Cpu { pdb, cr3: pdb, runs: None, pdbpool: None, pdbcnt: 0, ..*cpu };
        world.tlbs[n] = None;
    }
    let mut next = PDB;
    let page = Page { next: None, refs: 1, daddr: 0, swept: 5 };
    let mut take = |world: &mut World| {
        let frame = next;
        next += 0x1000;
        world.records.insert(frame, page);
        world.pages.push(frame);
        world.tables.insert(frame, vec![0; PC.entries]);
        frame
    };
    let mut directories = vec![(MASTER, 0), (OWN, 1)];
    for n in 0..processes as usize {
        let (pdb, table) = (take(&mut world), take(&mut world));
        let shared = take(&mut world);
        world.held.push(shared);
        for index in 0..PC.entries {
            world.set(table, index, shared | USER_TABLE);
            world.ledger.may_show(n, PC.address(0, index), shared, Access::Write);
        }
        world.set(pdb, 0, table | USER_TABLE);
        let lists = (Some(pdb), Some(table));
        world.processes.push(auditor::Process {
            alive: true,
            pdb: lists.0,
            mmuused: lists.1,
            ..template
        });
        directories.push((pdb, 0));
    }
    for (pdb, cpu) in directories {
        world.set(pdb, PC.vpt, pdb | TABLE);
        world.set(pdb, PC.kzero, private(cpu) | TABLE);
        world.set(pdb, PC.vmap, vmap_table | TABLE);
    }
    for n in 0..2 {
        world.set(private(n), TMP, TMP_FRAME | TABLE);
    }
    let va = PC.address(PC.vmap, 0);
    assert_eq!(world.ledger.mapped(va, 0x100_0000, 1024 * 0x1000), None);
    for index in 0..PC.entries {
        world.set(VMAP_TABLE, index, (0x100_0000 + index as u32 * 0x1000) | DEVICE);
    }
    world
}

#[test]
fn entries_are_read_a_few_times_each_however_many_there_are() {
    for processes in [2, 8, 32] {
        let world = pc(processes);
        assert_eq!(audit(&world, &world.ledger), []);
        let entries = world.tables.len() * PC.entries;
        let reads = world.reads.get();
        assert!(reads < 3 * entries, "{reads} reads of {entries} entries, {processes} processes");
    }
}

/// `cargo test -p mmu386-auditor -- --ignored --nocapture` says how long one audit takes here.
#[test]
#[ignore = "measures, and judges nothing"]
fn time_of_an_audit() {
    let world = pc(8);
    let begun = std::time::Instant::now();
    const TIMES: u32 = 1000;
    for _ in 0..TIMES {
        assert_eq!(audit(&world, &world.ledger), []);
    }
    let reads = world.reads.get() / TIMES as usize;
    let each = begun.elapsed() / TIMES;
    println!("10 page directories, 9 full page tables, {reads} reads: {each:?} an audit");
}
