//! This machine as the auditor sees it, and audits with the world stopped.

use alloc::vec::Vec;
use auditor::{Cpu, Layout, Process, Property, Temporary, Translation, View, Violation};
use core::sync::atomic::{AtomicU32, Ordering};

use mmu386::arch::Owned;
use mmu386::layout::Frame;

use crate::arch_impl::Pc;
use crate::layout::{KMAP, KZERO, TMPADDR, VMAP, VMAPSIZE, VPT, pdx, ptx};
use crate::mach::{machp, nmach};
use crate::proc::{NPROC, State, proctab};
use crate::{book, mmu, pages, paging, still};

/// Entries of a table.
const ENTRIES: usize = 1024;

/// A machine whose other CPUs are held, with interrupts off here. What CPUs, processes and the MMU
/// code's locks own may be read, since nobody is in the middle of changing it.
struct Still;

fn value<T: Copy + 'static>(owned: &<Pc as mmu386::arch::Arch>::Owned<T>) -> T {
    owned.get()
}

fn pa(frame: Option<Frame>) -> Option<u32> {
    frame.map(Frame::pa)
}

impl View for Still {
    fn layout(&self) -> Layout {
        Layout {
            entries: ENTRIES,
            vmap: pdx(VMAP),
            vmap_slots: pdx(VMAPSIZE),
            kmap: pdx(KMAP),
            vpt: pdx(VPT),
            kzero: pdx(KZERO),
        }
    }

    fn entry(&self, table: u32, index: usize) -> Option<u32> {
        let ours = (table as usize) < crate::layout::KADDR_SIZE
            || pages::is_page(Frame::containing(table));
        if !ours || index >= ENTRIES {
            return None;
        }
        let word = (paging::oracle_view(table as usize) + index * 4) as *const u32;
        // SAFETY: the oracles' view maps it for ever, and the world stands still.
        Some(unsafe { word.read_volatile() })
    }

    fn cpus(&self) -> usize {
        nmach()
    }

    fn cpu(&self, n: usize) -> Cpu {
        let mach = machp(n);
        Cpu {
            pdb: mach.pdb.load(Ordering::Relaxed),
            cr3: still::cr3(n),
            private: mach.private.load(Ordering::Relaxed),
            online: mach.mmu.online.load(Ordering::SeqCst) != 0,
            runs: mach.running().map(|p| p.index()),
            swept: value(&mach.mmu.slotgen),
            pdbpool: pa(value(&mach.mmu.pdbpool)),
            pdbcnt: value(&mach.mmu.pdbcnt),
            // Between tmpmap and tmpunmap, as in all that changes a pool, interrupts are off.
            tmp: Some(Temporary { index: ptx(TMPADDR), frame: (TMPADDR - KZERO) as u32 }),
            busy: false,
        }
    }

    fn tlb(&self, _: usize) -> Option<impl Iterator<Item = Translation>> {
        None::<core::iter::Empty<_>>
    }

    fn processes(&self) -> usize {
        NPROC
    }

    fn process(&self, n: usize) -> Process {
        let p = &proctab()[n];
        Process {
            alive: p.state() != State::Dead,
            pdb: pa(value(&p.mmu.mmupdb)),
            mmuused: pa(value(&p.mmu.mmuused)),
            mmufree: pa(value(&p.mmu.mmufree)),
            kmaptable: pa(value(&p.mmu.kmaptable)),
            nkmap: value(&p.mmu.nkmap),
            newtlb: p.mmu.newtlb.load(Ordering::SeqCst) != 0,
            busy: p.busy.load(Ordering::SeqCst) != 0,
        }
    }

    fn page(&self, pa: u32) -> Option<auditor::Page> {
        let frame = Frame::containing(pa);
        pages::is_page(frame).then(|| {
            let record = pages::page(frame);
            auditor::Page {
                next: value(&record.next).map(Frame::pa),
                refs: value(&record.refs),
                daddr: value(&record.daddr),
                swept: value(&record.slotgen),
            }
        })
    }

    fn pages(&self) -> impl Iterator<Item = u32> {
        (0..pages::npage()).map(|n| pages::frame(n).pa())
    }

    fn free(&self) -> impl Iterator<Item = u32> {
        pages::free_frames().map(Frame::pa)
    }

    fn held(&self) -> impl Iterator<Item = u32> {
        book::held_frames().map(Frame::pa)
    }

    fn generation(&self) -> u32 {
        mmu::system().slotgen.load(Ordering::SeqCst)
    }
}

static AUDITS: AtomicU32 = AtomicU32::new(0);

/// Audits since boot.
pub fn count() -> u32 {
    AUDITS.load(Ordering::Relaxed)
}

/// What is not as it must be, on a machine that stands still for it. What a process takes within a call
/// of a segment is noted only afterwards: while one is in such a call, the properties of pages are left
/// out.
///
/// Called by a process with interrupts on and no lock held.
pub fn audit() -> Vec<Violation> {
    AUDITS.fetch_add(1, Ordering::Relaxed);
    still::stand_still(|| {
        let some = [
            Property::V1,
            Property::V2,
            Property::V3,
            Property::U2,
            Property::U3,
            Property::P2,
            Property::K1,
            Property::T1,
        ];
        let only: &[Property] = if mmu::in_segments() { &some } else { &Property::ALL };
        book::with(|ledger| auditor::audit_only(&Still, ledger, only))
    })
}
