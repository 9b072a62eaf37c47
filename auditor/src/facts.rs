//! What the rules look at, gathered once: page directories, and where each page is listed.

use alloc::vec::Vec;
use core::fmt;

use crate::entry::{Entry, frame};
use crate::ledger::Ledger;
use crate::view::{Cpu, Layout, Process, View};

/// A list of pages, or a place that holds just one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Pdb(usize),
    Used(usize),
    Kept(usize),
    Kmaptable(usize),
    Pool(usize),
    Free,
    Held,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pdb(n) => write!(f, "the pdb of process {n}"),
            Self::Used(n) => write!(f, "on mmuused of process {n}"),
            Self::Kept(n) => write!(f, "on mmufree of process {n}"),
            Self::Kmaptable(n) => write!(f, "the kmaptable of process {n}"),
            Self::Pool(n) => write!(f, "in the pool of cpu {n}"),
            Self::Free => f.write_str("free"),
            Self::Held => f.write_str("held by another owner"),
        }
    }
}

/// A page on a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    pub(crate) frame: u32,
    pub(crate) place: Place,
    /// The list may be half changed.
    pub(crate) loose: bool,
}

/// How a list fails to end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BadEnd {
    Circle,
    NoRecord(u32),
}

/// Whose a page directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Own(usize),
    Process(usize),
    Pool(usize),
    /// Nobody's, and yet in the CR3 of that CPU.
    Stray(usize),
}

/// A page directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Directory {
    pub(crate) frame: u32,
    pub(crate) whose: Whose,
    /// No CPU has it loaded, and its owner sweeps its large VMAP entries before one does.
    pub(crate) swept_first: bool,
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.whose {
            Whose::Own(0) => f.write_str("the master pdb"),
            Whose::Own(n) => write!(f, "cpu {n}'s own pdb"),
            Whose::Process(n) => write!(f, "the pdb of process {n}"),
            Whose::Pool(n) => write!(f, "pdb {:#x} in the pool of cpu {n}", self.frame),
            Whose::Stray(n) => write!(f, "pdb {:#x}, which cpu {n} has loaded", self.frame),
        }
    }
}

/// A machine that stands still, and the truth about it.
pub(crate) struct Facts<'a, V> {
    pub(crate) view: &'a V,
    pub(crate) ledger: &'a Ledger,
    pub(crate) layout: Layout,
    pub(crate) cpus: Vec<Cpu>,
    pub(crate) processes: Vec<Process>,
    /// The CPU that runs each process.
    pub(crate) runner: Vec<Option<usize>>,
    /// The master first.
    pub(crate) directories: Vec<Directory>,
    /// By frame.
    pub(crate) listed: Vec<Listed>,
    /// All pages that the page allocator was ever given, in order.
    pub(crate) pages: Vec<u32>,
    pub(crate) bad_ends: Vec<(Place, BadEnd)>,
    /// Length of each pool; of one that does not end, `None`.
    pub(crate) pools: Vec<Option<usize>>,
}

impl<'a, V: View> Facts<'a, V> {
    pub(crate) fn gather(view: &'a V, ledger: &'a Ledger) -> Self {
        let cpus: Vec<Cpu> = (0..view.cpus()).map(|n| view.cpu(n)).collect();
        let processes: Vec<Process> = (0..view.processes()).map(|n| view.process(n)).collect();
        let mut runner = alloc::vec![None; processes.len()];
        for (n, cpu) in cpus.iter().enumerate() {
            if let Some(runs) = cpu.runs.and_then(|p| runner.get_mut(p)) {
                *runs = Some(n);
            }
        }
        let mut pages: Vec<u32> = view.pages().map(frame).collect();
        pages.sort_unstable();
        let mut facts = Self {
            view,
            ledger,
            layout: view.layout(),
            cpus,
            processes,
            runner,
            directories: Vec::new(),
            listed: Vec::with_capacity(pages.len()),
            pages,
            bad_ends: Vec::new(),
            pools: Vec::new(),
        };
        facts.gather_lists();
        facts.gather_directories();
        facts.listed.sort_unstable();
        facts
    }

    fn gather_lists(&mut self) {
        for n in 0..self.processes.len() {
            let p = self.processes[n];
            self.one(p.pdb, Place::Pdb(n), p.busy);
            self.one(p.kmaptable, Place::Kmaptable(n), p.busy);
            self.follow(p.mmuused, Place::Used(n), p.busy);
            self.follow(p.mmufree, Place::Kept(n), p.busy);
        }
        for n in 0..self.cpus.len() {
            let cpu = self.cpus[n];
            let length = self.follow(cpu.pdbpool, Place::Pool(n), cpu.busy);
            self.pools.push(length);
        }
        let most = self.pages.len() + 1;
        for pa in self.view.free().take(most) {
            self.one(Some(pa), Place::Free, false);
        }
        for pa in self.view.held().take(most) {
            self.one(Some(pa), Place::Held, false);
        }
    }

    fn one(&mut self, page: Option<u32>, place: Place, loose: bool) {
        self.listed.extend(page.map(|pa| Listed { frame: frame(pa), place, loose }));
    }

    /// Enters the pages of a list, each once. Returns its length, if it ends as a list should.
    fn follow(&mut self, first: Option<u32>, place: Place, loose: bool) -> Option<usize> {
        let begin = self.listed.len();
        let mut next = first;
        let mut bad = None;
        while let Some(pa) = next {
            if self.listed.len() - begin > self.pages.len() {
                bad = Some(BadEnd::Circle);
                let mut round = self.listed.split_off(begin);
                round.sort_unstable();
                round.dedup();
                self.listed.append(&mut round);
                break;
            }
            self.one(next, place, loose);
            let Some(record) = self.view.page(pa) else {
                bad = Some(BadEnd::NoRecord(pa));
                break;
            };
            next = record.next;
        }
        if let Some(bad) = bad {
            if !loose {
                self.bad_ends.push((place, bad));
            }
            return None;
        }
        Some(self.listed.len() - begin)
    }

    fn gather_directories(&mut self) {
        let mut loaded: Vec<(u32, usize)> =
            self.online().map(|(n, cpu)| (frame(cpu.cr3), n)).collect();
        loaded.sort_unstable();
        let generation = self.view.generation();
        let directory = |frame: u32, whose, swept: Option<u32>| {
            let is_loaded = loaded.binary_search_by_key(&frame, |&(cr3, _)| cr3).is_ok();
            let behind = whose != Whose::Own(0) && swept.is_some_and(|swept| swept != generation);
            Directory { frame, whose, swept_first: behind && !is_loaded }
        };
        let mut directories = Vec::with_capacity(self.cpus.len() + self.processes.len());
        for (n, cpu) in self.cpus.iter().enumerate() {
            directories.push(directory(frame(cpu.pdb), Whose::Own(n), Some(cpu.swept)));
        }
        for listed in &self.listed {
            let whose = match listed.place {
                Place::Pdb(n) => Whose::Process(n),
                Place::Pool(n) => Whose::Pool(n),
                _ => continue,
            };
            let swept = self.view.page(listed.frame).map(|page| page.swept);
            directories.push(directory(listed.frame, whose, swept));
        }
        let mut known: Vec<u32> = directories.iter().map(|directory| directory.frame).collect();
        known.sort_unstable();
        for &(cr3, n) in &loaded {
            if known.binary_search(&cr3).is_err() {
                directories.push(directory(cr3, Whose::Stray(n), None));
            }
        }
        self.directories = directories;
    }

    /// An entry; one of a frame that can hold none is not valid.
    pub(crate) fn entry(&self, table: u32, index: usize) -> Entry {
        Entry(self.view.entry(table, index).unwrap_or(0))
    }

    /// CPUs that are online.
    pub(crate) fn online(&self) -> impl Iterator<Item = (usize, &Cpu)> {
        self.cpus.iter().enumerate().filter(|(_, cpu)| cpu.online)
    }

    /// An entry of the master.
    pub(crate) fn master(&self, index: usize) -> Entry {
        self.directories.first().map_or(Entry(0), |master| self.entry(master.frame, index))
    }

    /// Everything that lists a page.
    pub(crate) fn places(&self, page: u32) -> impl Iterator<Item = &Listed> {
        let from = self.listed.partition_point(|listed| listed.frame < page);
        self.listed[from..].iter().take_while(move |listed| listed.frame == page)
    }
}
