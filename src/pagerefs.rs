//! Which pages the MMU code holds, counted by walking all its lists.

use core::fmt;

use crate::arch::{Arch, Owned};
use crate::event::Event;
use crate::function::Function;
use crate::layout::Frame;
use crate::variant::{Fixes, Variant};

/// What a page is to the MMU code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Page directory of a process.
    Pdb(usize),
    /// Page table of a process's KMAP.
    Kmaptable(usize),
    /// Page table that a process uses.
    Mmuused(usize),
    /// Page table that a process keeps.
    Mmufree(usize),
    /// Page directory in the pool of a CPU.
    Pdbpool(usize),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Pdb(n) => write!(f, "is proc {n} pdb"),
            Self::Kmaptable(n) => write!(f, "is proc {n} kmaptable"),
            Self::Mmuused(n) => write!(f, "is on proc {n} mmuused"),
            Self::Mmufree(n) => write!(f, "is on proc {n} mmufree"),
            Self::Pdbpool(n) => write!(f, "is in cpu{n} pdbpool"),
        }
    }
}

/// What [`countpagerefs`] has to say; displayed, it is the line that mmu.c prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// A page that was marked, and who holds it.
    Holds(Frame, Holder),
    /// A page that was counted already, and who holds it besides.
    OtherRefs(Frame, Holder),
    /// Pages that processes hold.
    InProcs(usize),
    /// Pages in the pools of all CPUs.
    InPools(usize),
    /// Page directories that a CPU handed out and took back since boot.
    Mach {
        /// The CPU.
        cpu: usize,
        /// Handed out.
        pdballoc: u32,
        /// Taken back.
        pdbfree: u32,
    },
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Holds(page, holder) => write!(f, "page {:#010x} {holder}", page.pa()),
            Self::OtherRefs(page, holder) => {
                write!(f, "page {:#010x} {holder} but has other refs!", page.pa())
            }
            Self::InProcs(n) => write!(f, "{n} pages in proc mmu"),
            Self::InPools(n) => write!(f, "{n} pages in mach pdbpools"),
            Self::Mach { cpu, pdballoc, pdbfree } => {
                write!(f, "cpu{cpu}: {pdballoc} pdballoc, {pdbfree} pdbfree")
            }
        }
    }
}

/// What is done with each page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Count it, and say if it was counted before; then say how many there are.
    Count,
    /// Say who holds the pages whose count is not 0, and change nothing.
    Print,
}

/// Walks all lists of pages that the MMU code keeps. `refs` has a count for each page of the
/// allocator, in the order of [`Arch::pagenumber`].
///
/// For debugging, while nothing else runs: it takes no lock, and other CPUs change their lists with
/// none. Callable at any level.
///
/// # Panics
/// If `refs` is shorter than a page's number.
pub fn countpagerefs<A: Arch>(arch: &A, refs: &mut [u32], pass: Pass, say: impl FnMut(Said)) {
    arch.trace(Event::Call(Function::Countpagerefs));
    let mut walk = Walk { arch, refs, pass, pages: 0, say };
    for n in 0..arch.nproc() {
        walk.process(n);
    }
    if pass == Pass::Count {
        let pages = core::mem::take(&mut walk.pages);
        (walk.say)(Said::InProcs(pages));
    }
    for n in 0..arch.nmach() {
        walk.list(arch.mach(n).pdbpool.get(), Holder::Pdbpool(n));
    }
    if pass == Pass::Count {
        (walk.say)(Said::InPools(walk.pages));
        for cpu in 0..arch.nmach() {
            let mach = arch.mach(cpu);
            let (pdballoc, pdbfree) = (mach.pdballoc.get(), mach.pdbfree.get());
            (walk.say)(Said::Mach { cpu, pdballoc, pdbfree });
        }
    }
}

struct Walk<'a, A, F> {
    arch: &'a A,
    refs: &'a mut [u32],
    pass: Pass,
    pages: usize,
    say: F,
}

impl<A: Arch, F: FnMut(Said)> Walk<'_, A, F> {
    fn process(&mut self, n: usize) {
        let proc = self.arch.proc(n);
        // mmu.c goes on to the next process when it has printed the first page of one (fix D2).
        let one_only = self.pass == Pass::Print && !A::Variant::FIXES.has(Fixes::D2);
        for (page, holder) in
            [(proc.mmupdb.get(), Holder::Pdb(n)), (proc.kmaptable.get(), Holder::Kmaptable(n))]
        {
            if let Some(page) = page {
                self.page(page, holder);
                if one_only {
                    return;
                }
            }
        }
        self.list(proc.mmuused.get(), Holder::Mmuused(n));
        self.list(proc.mmufree.get(), Holder::Mmufree(n));
    }

    fn list(&mut self, first: Option<Frame>, holder: Holder) {
        let mut next = first;
        while let Some(page) = next {
            self.page(page, holder);
            next = self.arch.page(page).next.get();
        }
    }

    fn page(&mut self, page: Frame, holder: Holder) {
        let refs = &mut self.refs[self.arch.pagenumber(page)];
        let counted = *refs != 0;
        match self.pass {
            Pass::Print if counted => (self.say)(Said::Holds(page, holder)),
            Pass::Print => {}
            Pass::Count => {
                *refs += 1;
                if counted {
                    (self.say)(Said::OtherRefs(page, holder));
                } else {
                    self.pages += 1;
                }
            }
        }
    }
}
