//! What the Multiboot loader tells: the command line and where memory is.

use core::ffi::CStr;
use core::ops::Range;

use crate::mmu::kaddr;

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

    /// The largest piece of usable memory within a range of physical addresses.
    pub fn ram(&self, within: Range<usize>) -> Range<usize> {
        let (floor, ceiling) = (within.start as u64, within.end as u64);
        let mut best = 0..0;
        if self.flags & FLAG_MMAP == 0 {
            let top = (0x10_0000 + self.mem_upper as usize * 1024).min(within.end);
            return within.start..top.max(within.start);
        }
        let mut at = kaddr(self.mmap_addr as usize);
        let end = at + self.mmap_length as usize;
        while at < end {
            // SAFETY: the loader says that entries fill [mmap_addr, mmap_addr + mmap_length).
            let entry = unsafe { (at as *const MmapEntry).read_unaligned() };
            at += entry.size as usize + 4;
            let (base, length, kind) = (entry.base, entry.length, entry.kind);
            if kind != MMAP_RAM {
                continue;
            }
            let low = base.clamp(floor, ceiling) as usize;
            let high = (base + length).clamp(floor, ceiling) as usize;
            if high - low > best.end - best.start {
                best = low..high;
            }
        }
        best
    }
}
