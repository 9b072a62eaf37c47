//! What the Multiboot loader tells: the command line and where memory is.

use core::ffi::CStr;
use core::ops::Range;

use heapless::Vec;

use crate::lock::Ilock;
use crate::mmu::kaddr;
use crate::paging::kernel_end;

const FLAG_CMDLINE: u32 = 1 << 2;
const FLAG_MMAP: u32 = 1 << 6;
const MMAP_RAM: u32 = 1;

/// The head of the Multiboot information structure.
#[repr(C)]
pub struct Info {
    flags: u32,
    mem_lower: u32,
    mem_upper: u32,
    boot_device: u32,
    cmdline: u32,
    mods_count: u32,
    mods_addr: u32,
    syms: [u32; 4],
    mmap_length: u32,
    mmap_addr: u32,
}

#[repr(C, packed)]
#[derive(Clone, Copy)]
struct MmapEntry {
    size: u32,
    base: u64,
    length: u64,
    kind: u32,
}

/// Pieces of memory that are kept apart.
const PIECES: usize = 64;
static MAP: Ilock<Vec<Range<u64>, PIECES>> = Ilock::new(Vec::new());

/// Whether some of these physical addresses are in the loader's map of memory, free or not.
pub fn is_in_map(range: Range<u64>) -> bool {
    MAP.lock().iter().any(|piece| piece.start < range.end && range.start < piece.end)
}

impl Info {
    /// The structure at a physical address.
    ///
    /// # Safety
    /// The loader put it there, and nothing overwrites it or what it points to.
    pub unsafe fn at(pa: u32) -> &'static Info {
        // SAFETY: the caller vouches for the address; the one-to-one window maps it.
        unsafe { &*(kaddr(pa as usize) as *const Info) }
    }

    /// The kernel's command line, which may hold any bytes.
    pub fn cmdline(&self) -> &'static [u8] {
        if self.flags & FLAG_CMDLINE == 0 {
            return b"";
        }
        // SAFETY: the loader passes a string that ends with a 0 byte.
        let text = unsafe { CStr::from_ptr(kaddr(self.cmdline as usize) as *const _) };
        text.to_bytes()
    }

    /// Notes what the loader says of memory, which the kernel writes over later. CPU 0, once.
    pub fn note_memory(&self) {
        let mut map = MAP.lock();
        let mut add = |piece: Range<u64>| {
            if let Err(piece) = map.push(piece) {
                // Too much rather than too little is taken for memory.
                let last = map.last_mut().expect("a full list has a last piece");
                *last = last.start.min(piece.start)..last.end.max(piece.end);
            }
        };
        // Whatever the loader says, the first 1 MB is the PC's, and the kernel is behind it.
        add(0..kernel_end() as u64);
        if self.flags & FLAG_MMAP == 0 {
            return add(0..0x10_0000 + u64::from(self.mem_upper) * 1024);
        }
        // Of whatever kind: what is not free is firmware's.
        for entry in self.entries() {
            let (base, length) = (entry.base, entry.length);
            add(base..base.saturating_add(length));
        }
    }

    /// The loader's map of memory.
    fn entries(&self) -> impl Iterator<Item = MmapEntry> {
        let mut at = kaddr(self.mmap_addr as usize);
        let end = at + self.mmap_length as usize;
        core::iter::from_fn(move || {
            // SAFETY: the loader says that entries fill [mmap_addr, mmap_addr + mmap_length).
            let entry = (at < end).then(|| unsafe { (at as *const MmapEntry).read_unaligned() })?;
            at += entry.size as usize + 4;
            Some(entry)
        })
    }

    /// The largest piece of usable memory within a range of physical addresses.
    pub fn ram(&self, within: Range<usize>) -> Range<usize> {
        let (floor, ceiling) = (within.start as u64, within.end as u64);
        let mut best = 0..0;
        if self.flags & FLAG_MMAP == 0 {
            let top =
                0x10_0000_usize.saturating_add((self.mem_upper as usize).saturating_mul(1024));
            let top = top.min(within.end);
            return within.start..top.max(within.start);
        }
        for entry in self.entries() {
            let (base, length, kind) = (entry.base, entry.length, entry.kind);
            if kind != MMAP_RAM {
                continue;
            }
            let low = base.clamp(floor, ceiling) as usize;
            let high = base.saturating_add(length).clamp(floor, ceiling) as usize;
            if high - low > best.end - best.start {
                best = low..high;
            }
        }
        best
    }
}
