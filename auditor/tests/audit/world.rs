//! A machine made of plain data: tables of eight entries, two CPUs, three processes, and nothing
//! wrong with it until a test breaks something.

use std::cell::Cell;
use std::collections::BTreeMap;

use auditor::{
    Access, Cpu, Layout, Ledger, Page, Process, Temporary, Translation, Unmapping, View,
};

pub const VALID: u32 = 1;
pub const WRITE: u32 = 2;
pub const USER: u32 = 4;
pub const UNCACHED: u32 = 0x10;
pub const TOUCHED: u32 = 0x60;
pub const SIZE: u32 = 0x80;
pub const GLOBAL: u32 = 0x100;
/// Not valid and not free, as the master has it while vunmap waits.
pub const HELD: u32 = 0x200;
pub const TABLE: u32 = VALID | WRITE;
pub const USER_TABLE: u32 = VALID | WRITE | USER;
pub const DEVICE: u32 = VALID | WRITE | UNCACHED;
pub const LARGE: u32 = DEVICE | SIZE;

pub const LAYOUT: Layout = Layout { entries: 8, vmap: 2, vmap_slots: 2, kmap: 4, vpt: 5, kzero: 6 };
pub const VMAP_SMALL: usize = 2;
pub const VMAP_LARGE: usize = 3;
pub const TMP: usize = 1;

pub const MASTER: u32 = 0x1000;
pub const OWN: u32 = 0x2000;
pub const VMAP_TABLE: u32 = 0x14000;
pub const PDB: u32 = 0x40000;
pub const TABLE_0: u32 = 0x41000;
pub const TABLE_1: u32 = 0x42000;
pub const KEPT: u32 = 0x43000;
pub const KMAPTABLE: u32 = 0x44000;
pub const POOL_0: [u32; 2] = [0x45000, 0x46000];
pub const READY_PDB: u32 = 0x47000;
pub const READY_TABLE: u32 = 0x48000;
/// Pages of segments: shared by two processes, read-only, and one that process 0 has a kmap of.
pub const SHARED: u32 = 0x49000;
pub const TEXT: u32 = 0x4A000;
pub const KMAPPED: u32 = 0x4B000;
pub const FREE: [u32; 2] = [0x4C000, 0x4D000];
pub const POOL_1: u32 = 0x4E000;
/// A user page that nobody has mapped.
pub const SPARE: u32 = 0x4F000;

/// Addresses: user pages, what is live in VMAP, what is being unmapped there, and a kmap.
pub const SHARED_AT: u32 = 0x1000;
pub const TEXT_AT: u32 = 0x8000;
pub const LIVE_AT: u32 = 0x1_0000;
pub const TORN_AT: u32 = 0x1_2000;
pub const LARGE_AT: u32 = 0x1_8000;
pub const KMAP_AT: u32 = 0x2_1000;
/// Device memory: live (two pages), being unmapped (two pages), live and large, gone and large.
pub const LIVE: u32 = 0x10_0000;
pub const TORN: u32 = 0x20_0000;
pub const BIG: u32 = 0x10_8000;
pub const GONE: u32 = 0x11_0000;
pub const TMP_FRAME: u32 = 0x8000;

pub const fn private(n: usize) -> u32 {
    0xA000 + n as u32 * 0x1000
}

pub struct World {
    pub tables: BTreeMap<u32, Vec<u32>>,
    pub cpus: Vec<Cpu>,
    pub tlbs: Vec<Option<Vec<Translation>>>,
    pub processes: Vec<Process>,
    pub records: BTreeMap<u32, Page>,
    pub pages: Vec<u32>,
    pub free: Vec<u32>,
    pub held: Vec<u32>,
    pub generation: u32,
    pub ledger: Ledger,
    /// The vunmap of what is being unmapped.
    pub call: Option<Unmapping>,
    pub layout: Layout,
    /// Entries that were read.
    pub reads: Cell<usize>,
}

impl View for World {
    fn layout(&self) -> Layout {
        self.layout
    }
    fn entry(&self, table: u32, index: usize) -> Option<u32> {
        self.reads.set(self.reads.get() + 1);
        self.tables.get(&table).map(|entries| entries[index])
    }
    fn cpus(&self) -> usize {
        self.cpus.len()
    }
    fn cpu(&self, n: usize) -> Cpu {
        self.cpus[n]
    }
    fn tlb(&self, n: usize) -> Option<impl Iterator<Item = Translation>> {
        self.tlbs[n].as_ref().map(|tlb| tlb.iter().copied())
    }
    fn processes(&self) -> usize {
        self.processes.len()
    }
    fn process(&self, n: usize) -> Process {
        self.processes[n]
    }
    fn page(&self, pa: u32) -> Option<Page> {
        self.records.get(&pa).copied()
    }
    fn pages(&self) -> impl Iterator<Item = u32> {
        self.pages.iter().copied()
    }
    fn free(&self) -> impl Iterator<Item = u32> {
        self.free.iter().copied()
    }
    fn held(&self) -> impl Iterator<Item = u32> {
        self.held.iter().copied()
    }
    fn generation(&self) -> u32 {
        self.generation
    }
}

pub fn small(va: u32, pa: u32) -> Translation {
    Translation { va, pa, large: false, global: false, writable: true, user: false }
}

pub fn user(va: u32, pa: u32, writable: bool) -> Translation {
    Translation { writable, user: true, ..small(va, pa) }
}

pub fn large(va: u32, pa: u32) -> Translation {
    Translation { large: true, ..small(va, pa) }
}

impl World {
    /// Sets an entry.
    pub fn set(&mut self, table: u32, index: usize, value: u32) {
        self.tables.get_mut(&table).expect("a table")[index] = value;
    }
    pub fn record(&mut self, page: u32) -> &mut Page {
        self.records.get_mut(&page).expect("a page")
    }
    pub fn fill(&mut self, cpu: usize, translation: Translation) {
        self.tlbs[cpu].as_mut().expect("a TLB that can be seen").push(translation);
    }
    /// Makes `page` the first of a list.
    pub fn push(&mut self, page: u32, first: Option<u32>) -> Option<u32> {
        self.record(page).next = first;
        Some(page)
    }
    /// Makes a new page directory the first of CPU 0's pool, and leaves its count.
    pub fn add_to_pool(&mut self, page: u32) {
        self.pages.push(page);
        self.records.insert(page, self.records[&POOL_1]);
        self.tables.insert(page, self.tables[&POOL_1].clone());
        self.set(page, LAYOUT.vpt, page | TABLE);
        self.cpus[0].pdbpool = self.push(page, self.cpus[0].pdbpool);
    }
    /// vunmap of what is being unmapped returns, with the master's entries cleared.
    pub fn finish_unmap(&mut self) {
        let call = self.call.take().expect("a call that has not returned");
        self.ledger.gone(call);
        self.set(VMAP_TABLE, 2, 0);
        self.set(VMAP_TABLE, 3, 0);
        self.tlbs[1].as_mut().expect("a TLB").retain(|t| t.va != TORN_AT + 0x1000);
    }
    /// The large page goes: from the master, from what the master is loaded on, and from the ledger.
    pub fn remove_large(&mut self) -> Unmapping {
        let call = self.ledger.unmapping(LARGE_AT, LAYOUT.large_page());
        self.set(MASTER, VMAP_LARGE, HELD);
        call
    }

    /// CPU 0 idles on the master. CPU 1 runs process 0, which has user pages, a kmap, a spare page
    /// table. Process 1 is ready. Slot 2 is dead. Two device mappings are live, one large; one is
    /// being unmapped, and half of it still mapped. A large one is gone, and copies of it wait in
    /// directories that are behind.
    pub fn sound() -> Self {
        let page = |refs| Page { next: None, refs, daddr: 0, swept: 5 };
        let idle = Cpu {
            pdb: MASTER,
            cr3: MASTER,
            private: private(0),
            online: true,
            runs: None,
            swept: 0,
            pdbpool: None,
            pdbcnt: 0,
            tmp: Some(Temporary { index: TMP, frame: TMP_FRAME }),
            busy: false,
        };
        let dead = Process {
            alive: false,
            pdb: None,
            mmuused: None,
            mmufree: None,
            kmaptable: None,
            nkmap: 0,
            newtlb: false,
            busy: false,
        };
        let pages: Vec<u32> = (PDB..=SPARE).step_by(0x1000).collect();
        let mut world = Self {
            tables: BTreeMap::new(),
            cpus: vec![
                idle,
                Cpu { pdb: OWN, cr3: PDB, private: private(1), runs: Some(0), swept: 4, ..idle },
            ],
            tlbs: vec![Some(Vec::new()), Some(Vec::new())],
            processes: vec![
                Process { alive: true, pdb: Some(PDB), ..dead },
                Process { alive: true, pdb: Some(READY_PDB), ..dead },
                dead,
            ],
            records: pages.iter().map(|&pa| (pa, page(1))).collect(),
            pages,
            free: FREE.to_vec(),
            held: vec![SHARED, TEXT, KMAPPED, SPARE],
            generation: 5,
            ledger: Ledger::new(),
            call: None,
            layout: LAYOUT,
            reads: Cell::new(0),
        };
        world.make_tables();
        world.make_lists();
        world.make_truth();
        world
    }

    fn make_tables(&mut self) {
        let frames = (MASTER..=VMAP_TABLE).step_by(0x1000).chain((PDB..=SPARE).step_by(0x1000));
        self.tables = frames.map(|frame| (frame, vec![0; LAYOUT.entries])).collect();
        for n in 0..2 {
            self.set(private(n), TMP, TMP_FRAME | TABLE);
        }
        for pdb in [MASTER, OWN, PDB, READY_PDB, POOL_0[0], POOL_0[1], POOL_1] {
            self.set(pdb, LAYOUT.vpt, pdb | TABLE);
            self.set(pdb, LAYOUT.kzero, private(usize::from(pdb != MASTER)) | TABLE | TOUCHED);
            self.set(pdb, VMAP_SMALL, VMAP_TABLE | TABLE | TOUCHED);
        }
        self.set(MASTER, VMAP_SMALL, VMAP_TABLE | TABLE);
        self.set(MASTER, VMAP_LARGE, BIG | LARGE);
        self.set(PDB, VMAP_LARGE, BIG | LARGE | TOUCHED);
        self.set(OWN, VMAP_LARGE, GONE | LARGE);
        self.set(READY_PDB, VMAP_LARGE, GONE | LARGE);
        self.set(VMAP_TABLE, 0, LIVE | DEVICE | TOUCHED);
        self.set(VMAP_TABLE, 1, (LIVE + 0x1000) | DEVICE);
        self.set(VMAP_TABLE, 2, TORN | DEVICE);
        self.set(VMAP_TABLE, 3, HELD);

        self.set(PDB, 0, TABLE_0 | USER_TABLE);
        self.set(PDB, 1, TABLE_1 | USER_TABLE);
        self.set(PDB, LAYOUT.kmap, KMAPTABLE | TABLE);
        self.set(TABLE_0, 1, SHARED | USER_TABLE);
        self.set(TABLE_1, 0, TEXT | USER | VALID);
        self.set(KMAPTABLE, 1, KMAPPED | TABLE);
        self.set(READY_PDB, 0, READY_TABLE | USER_TABLE);
        self.set(READY_TABLE, 1, SHARED | USER_TABLE);
        // Pages that are no page tables hold what a walker would believe.
        for page in [KEPT, FREE[0], FREE[1], SHARED] {
            self.tables.insert(page, vec![GONE | USER_TABLE; LAYOUT.entries]);
        }
    }

    fn make_lists(&mut self) {
        self.processes[0].mmuused = self.push(TABLE_0, None);
        self.processes[0].mmuused = self.push(TABLE_1, self.processes[0].mmuused);
        self.record(TABLE_1).daddr = 1;
        self.processes[0].mmufree = self.push(KEPT, None);
        self.processes[0].kmaptable = Some(KMAPTABLE);
        self.processes[0].nkmap = 1;
        self.processes[1].mmuused = self.push(READY_TABLE, None);
        self.record(READY_PDB).swept = 4;
        self.cpus[0].pdbpool = self.push(POOL_0[0], None);
        self.cpus[0].pdbpool = self.push(POOL_0[1], self.cpus[0].pdbpool);
        self.cpus[0].pdbcnt = 2;
        self.cpus[1].pdbpool = self.push(POOL_1, None);
        self.cpus[1].pdbcnt = 1;
        for page in FREE {
            self.record(page).refs = 0;
        }
        self.record(SHARED).refs = 2;
    }

    fn make_truth(&mut self) {
        let ledger = &mut self.ledger;
        assert_eq!(ledger.mapped(LARGE_AT, GONE, LAYOUT.large_page()), None);
        let gone = ledger.unmapping(LARGE_AT, LAYOUT.large_page());
        ledger.gone(gone);
        assert_eq!(ledger.mapped(LIVE_AT, LIVE, 0x2000), None);
        assert_eq!(ledger.mapped(TORN_AT, TORN, 0x2000), None);
        assert_eq!(ledger.mapped(LARGE_AT, BIG, LAYOUT.large_page()), None);
        self.call = Some(ledger.unmapping(TORN_AT, 0x2000));
        ledger.may_show(0, SHARED_AT, SHARED, Access::Write);
        ledger.may_show(0, TEXT_AT, TEXT, Access::Read);
        ledger.may_show(1, SHARED_AT, SHARED, Access::Write);
        assert_eq!(ledger.kmapped(0, KMAP_AT, KMAPPED), None);
        for translation in [small(LIVE_AT, LIVE), large(LARGE_AT, BIG)] {
            self.fill(0, translation);
            self.fill(1, translation);
        }
        self.fill(1, small(TORN_AT + 0x1000, TORN + 0x1000));
        self.fill(1, user(SHARED_AT, SHARED, true));
        self.fill(1, user(TEXT_AT, TEXT, false));
        self.fill(1, small(KMAP_AT, KMAPPED));
        self.fill(1, small(LAYOUT.address(LAYOUT.kzero, TMP), TMP_FRAME));
        self.fill(1, Translation { global: true, ..small(LAYOUT.address(LAYOUT.kzero, 0), 0) });
    }
}
