//! Physical memory: which frame is what. Device memory lies above, and has no contents.

use mmu386::layout::{BY2PG, Frame};

use super::GEOMETRY;

/// The kernel's code, in the part of the window that page tables show.
pub const TEXT: std::ops::Range<usize> = 6..8;
/// The page table of the second entry of KZERO, which shows the frames behind the kernel's code.
const SECOND: usize = 5;
const MACH_PDBS: usize = 8;
const PRIVATE: usize = 12;
const MACHS: usize = 16;
/// First frame of the page tables of VMAP.
pub const TABLES: usize = 20;
/// First frame that newpage gives out.
pub const PAGES: usize = 28;
/// First frame that the window does not show.
pub const HIGH: usize = 44;
/// Frames below device memory.
pub const FRAMES: usize = 52;

/// The frame with this number.
pub fn frame(number: usize) -> Frame {
    Frame::containing(number as u32 * BY2PG)
}

/// CPU `n`'s own page directory.
pub fn mach_pdb(n: usize) -> Frame {
    frame(MACH_PDBS + n)
}

/// The page table of entry KZERO on CPU `n`: the kernel's code, TMPADDR and MACHADDR.
pub fn private_table(n: usize) -> Frame {
    frame(PRIVATE + n)
}

/// The page table of the second entry of KZERO, the same on all CPUs.
pub fn second_table() -> Frame {
    frame(SECOND)
}

/// The page that shows at MACHADDR on CPU `n`.
pub fn mach_page(n: usize) -> Frame {
    frame(MACHS + n)
}

/// Physical address of a device's memory, aligned to a large page.
pub fn device(n: u32) -> u32 {
    0x10_0000 + n * GEOMETRY.large_page()
}

/// Whether newpage gives the frame out.
pub fn is_page(frame: Frame) -> bool {
    (PAGES..FRAMES).contains(&frame.number())
}

/// What a frame is for, as a person would say it.
pub fn role_of(frame: Frame) -> Option<String> {
    match frame.number() {
        SECOND => Some("second table of KZERO".into()),
        MACH_PDBS => Some("master pdb".into()),
        n @ MACH_PDBS..PRIVATE => Some(format!("cpu {} pdb", n - MACH_PDBS)),
        n @ PRIVATE..MACHS => Some(format!("private table of cpu {}", n - PRIVATE)),
        n @ TABLES..PAGES => Some(format!("vmap table {}", n - TABLES)),
        n @ PAGES..FRAMES => Some(format!("page {}", n - PAGES)),
        _ => None,
    }
}

/// The CPU whose private page table a frame is.
pub fn private_of(frame: Frame) -> Option<usize> {
    (PRIVATE..MACHS).contains(&frame.number()).then(|| frame.number() - PRIVATE)
}
