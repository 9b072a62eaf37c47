//! CPUs of the model machine, online and idle, whose page directories show one page table at KMAP.
//! No oracle judges what an idle CPU has there before the end, so a program may do what is wrong.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use loom_tests::engine::explorer::outcomes;
use loom_tests::engine::loom::{explore, learnt};
use loom_tests::engine::{Mode, Word};
use loom_tests::machine::{Config, Cpu, GEOMETRY, Machine, Marks, Script, device};
use mmu386::arch::Arch;
use mmu386::entry::{PTEVALID, PTEWRITE};
use mmu386::layout::{BY2PG, BY2WD};
use mmu386::variant::Fixed;

/// Frames that entries lead to, as a digit of an entry's outcome.
pub const A: u32 = 0x10_0000 | FLAGS;
/// Another.
pub const B: u32 = A + (1 << 15);
/// A third.
pub const C: u32 = B + (1 << 15);
const FLAGS: u32 = PTEWRITE | PTEVALID;

/// A CPU of the bench.
pub struct At<'a> {
    /// The CPU.
    pub cpu: &'a Cpu<Fixed>,
    table: u32,
    flag: u32,
    /// The directory entry under which the page table is.
    slot: usize,
}

/// What a CPU does. What it returns is an outcome, unless it is empty.
pub type Body = fn(&At<'_>) -> String;

impl At<'_> {
    fn entry(&self, address: u32, index: usize) -> u32 {
        address + index as u32 * BY2WD
    }

    fn store(&self, address: u32, value: u32) {
        self.cpu.store(self.cpu.at(address), value);
    }

    /// Stores an entry of the page table.
    pub fn set_page(&self, page: usize, entry: u32) {
        self.store(self.entry(self.table, page), entry);
    }

    /// Loads an entry of the page table, and names the frame that it leads to.
    pub fn page(&self, page: usize) -> String {
        let entry = self.cpu.load(self.cpu.at(self.entry(self.table, page)));
        letter(entry & !(BY2PG - 1)).into()
    }

    /// Loads an entry of the page table, and tells what walkers have written into it: accessed, dirty.
    pub fn marks(&self, page: usize) -> &'static str {
        marks(self.cpu.load(self.cpu.at(self.entry(self.table, page))))
    }

    /// Exchanges an entry of the page table, and tells what walkers had written into it.
    pub fn exchange(&self, page: usize, entry: u32) -> &'static str {
        marks(self.cpu.swap(self.cpu.at(self.entry(self.table, page)), entry))
    }

    /// Stores this CPU's directory entry for all these pages.
    pub fn set_directory(&self, entry: u32) {
        let directory = GEOMETRY.kzero_base() + self.cpu.getcr3().pa();
        self.store(self.entry(directory, self.slot), entry);
    }

    /// What an entry is that leads to the page table.
    pub fn to_table(&self) -> u32 {
        self.table - GEOMETRY.kzero_base() + FLAGS
    }

    /// A word of the page table, by way of a page that leads there.
    fn through(&self, page: usize, index: usize) -> &Word {
        self.cpu.at(self.entry(self.address(page), index))
    }

    /// Loads an entry so.
    pub fn load_through(&self, page: usize, index: usize) -> u32 {
        self.cpu.load(self.through(page, index))
    }

    /// Stores an entry so.
    pub fn store_through(&self, page: usize, index: usize, entry: u32) {
        self.cpu.store(self.through(page, index), entry);
    }

    fn address(&self, page: usize) -> u32 {
        GEOMETRY.base(self.slot) + page as u32 * BY2PG
    }

    /// A page fault at a page.
    pub fn fault(&self, page: usize) {
        self.cpu.fault(self.address(page));
    }

    /// A word that is no entry of a table that anybody walks.
    pub fn set_flag(&self) {
        self.store(self.flag, 1);
    }

    /// The same word.
    pub fn flag(&self) -> u32 {
        self.cpu.load(self.cpu.at(self.flag))
    }

    /// INVLPG of a page.
    pub fn invlpg(&self, page: usize) {
        self.cpu.invlpg(self.address(page));
    }

    /// A load of CR3 with what is in it.
    pub fn load_cr3(&self) {
        self.cpu.putcr3(self.cpu.getcr3());
    }

    /// MFENCE.
    pub fn fence(&self) {
        self.cpu.fence();
    }

    /// The frames that an access to a page could use now, in alphabetical order; "-" if it faults for
    /// sure.
    pub fn uses(&self, page: usize) -> String {
        let offset = page as u32 * BY2PG;
        let frames: BTreeSet<char> = self
            .cpu
            .could_use(self.address(page))
            .into_iter()
            .map(|translation| match letter(translation.pa) {
                // A page of a large one.
                '?' => letter(translation.pa - offset),
                small => small,
            })
            .collect();
        if frames.is_empty() { "-".into() } else { frames.into_iter().collect() }
    }

    /// Takes away what the oracles would object to at the end.
    fn clear(&self) {
        self.cpu.splhi();
        self.set_directory(0);
        (0..GEOMETRY.entries()).for_each(|page| self.invlpg(page));
        self.load_cr3();
    }
}

fn letter(pa: u32) -> char {
    let known = [('A', device(0)), ('B', device(1)), ('C', device(2)), ('-', 0)];
    known.iter().find(|(_, known)| *known == pa).map_or('?', |(letter, _)| *letter)
}

fn marks(entry: u32) -> &'static str {
    match (entry & 0x20 != 0, entry & 0x40 != 0) {
        (false, false) => "-",
        (true, false) => "a",
        (false, true) => "d",
        (true, true) => "ad",
    }
}

/// What a bench is like, beside what runs there.
#[derive(Clone, Copy)]
pub struct Bench {
    /// When walkers mark entries.
    pub marks: Marks,
    /// Whether interrupts are on.
    pub interrupts: bool,
    /// The page table is under an entry of CPU 0's directory that is everybody's, so that stores to it are buffered as
    /// well: one of VMAP. No CPU is online then, so what they have of it is judged at the end only.
    pub shared_directory: bool,
    /// A device interrupts CPU 0, once or never, and its driver does this.
    pub device: Option<Body>,
}

impl Bench {
    /// Nothing of all that.
    pub const PLAIN: Self =
        Self { marks: Marks::Never, interrupts: false, shared_directory: false, device: None };

    /// All outcomes of a program: CPU n does the nth of `bodies`, after CPU 0 has done `set_up` and each has loaded
    /// CR3.
    pub fn seen(self, tso: bool, set_up: fn(&At<'_>), bodies: &'static [Body]) -> BTreeSet<String> {
        outcomes(tso, true, move |outcomes| {
            let outcomes = outcomes.clone();
            self.start(set_up, bodies, move |outcome| outcomes.add(outcome));
        })
    }

    /// The outcomes must be these, with and without store buffers.
    pub fn always(self, set_up: fn(&At<'_>), bodies: &'static [Body], wanted: &[&str]) {
        let wanted: BTreeSet<String> = wanted.iter().map(ToString::to_string).collect();
        for tso in [false, true] {
            assert_eq!(self.seen(tso, set_up, bodies), wanted, "tso {tso}");
        }
    }
}

/// All outcomes of a program: CPU n does the nth of `bodies`, after CPU 0 has done `set_up` and each
/// has loaded CR3. Interrupts are off, unless `interrupts`.
pub fn seen(
    tso: bool,
    interrupts: bool,
    set_up: fn(&At<'_>),
    bodies: &'static [Body],
) -> BTreeSet<String> {
    seen_with(Marks::Never, tso, interrupts, set_up, bodies)
}

/// The same, where walkers mark what they walk.
pub fn seen_with(
    marks: Marks,
    tso: bool,
    interrupts: bool,
    set_up: fn(&At<'_>),
    bodies: &'static [Body],
) -> BTreeSet<String> {
    Bench { marks, interrupts, ..Bench::PLAIN }.seen(tso, set_up, bodies)
}

/// All outcomes that loom shows, in mode `rmw`, with interrupts on, once it goes by what it has learnt
/// of the words.
pub fn seen_by_loom(set_up: fn(&At<'_>), bodies: &'static [Body]) -> BTreeSet<String> {
    explored_by_loom(set_up, bodies);
    learnt::apply();
    let seen = explored_by_loom(set_up, bodies);
    assert!(learnt::sound(), "it has learnt more since");
    seen
}

fn explored_by_loom(set_up: fn(&At<'_>), bodies: &'static [Body]) -> BTreeSet<String> {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let inside = seen.clone();
    let earlier = seen.clone();
    let begins = move || earlier.lock().expect("no panic while it is held").clear();
    explore(Mode::Rmw, begins, move || {
        let seen = inside.clone();
        Bench { interrupts: true, ..Bench::PLAIN }.start(set_up, bodies, move |outcome| {
            seen.lock().expect("no panic while it is held").insert(outcome);
        });
    });
    std::mem::take(&mut seen.lock().expect("loom is through"))
}

impl Bench {
    /// One execution, for an engine.
    fn start(
        self,
        set_up: fn(&At<'_>),
        bodies: &'static [Body],
        add: impl Fn(String) + Clone + 'static,
    ) {
        let cpus = bodies.len();
        let online = if self.shared_directory { 0 } else { cpus };
        let config = Config { marks: self.marks, online, ..Config::new(cpus, 1) };
        let machine = Machine::<Fixed>::boot(config);
        let tables: [u32; 2] =
            std::array::from_fn(|_| machine.cpu(0).xspanalloc().expect("there are two tables"));
        let [table, flag] = tables;
        let slot = if self.shared_directory { GEOMETRY.vmap } else { GEOMETRY.kmap };
        let each = |n: usize, what: &dyn Fn(&At<'_>)| {
            what(&At { cpu: &machine.cpu(n), table, flag, slot });
        };
        for n in 0..cpus {
            each(n, &|at| at.set_directory(at.to_table()));
        }
        each(0, &set_up);
        for n in 0..cpus {
            each(n, &|at| {
                if !self.interrupts {
                    at.cpu.splhi();
                }
                at.load_cr3();
            });
        }
        let does = |body: Body| {
            let add = add.clone();
            move |cpu: &Cpu<Fixed>| {
                let at = At { cpu, table, flag, slot };
                let outcome = body(&at);
                if !outcome.is_empty() {
                    add(outcome);
                }
            }
        };
        let scripts = bodies.iter().enumerate().map(|(n, body)| {
            let does_body = does(*body);
            let script = Script::new(n, move |cpu| {
                does_body(cpu);
                At { cpu, table, flag, slot }.clear();
                // A script ends as it began.
                if self.interrupts {
                    cpu.spllo();
                }
            });
            match self.device.filter(|_| n == 0) {
                Some(handler) => script.ticking().interrupted(does(handler)),
                None => script.ticking(),
            }
        });
        machine.start(scripts.collect());
    }
}

/// The outcomes must be these.
pub fn expect(
    tso: bool,
    interrupts: bool,
    set_up: fn(&At<'_>),
    bodies: &'static [Body],
    wanted: &[&str],
) {
    let wanted: BTreeSet<String> = wanted.iter().map(ToString::to_string).collect();
    assert_eq!(seen(tso, interrupts, set_up, bodies), wanted, "tso {tso}");
}
