//! What every address must show.
//!
//! Before mmu386 maps anything, CPU 0 writes a tag into every page of device memory through the
//! boot window, which mmu386 has no part in. A tag names the physical page that carries it, so a
//! wrong one says which memory was reached instead.

use core::ops::Range;

use mmu386_wire::soak::window;

use crate::apic;
use crate::layout::{BY2LARGE, BY2PG};
use crate::paging::boot_view;
use crate::pci::{self, Refusal};
use crate::platform::Platform;
use crate::{println, probe};

/// A register whose value is known: its page, its offset, what it shows.
#[derive(Clone, Copy)]
pub struct Register {
    /// What it is.
    pub name: &'static str,
    /// Physical address.
    pub pa: usize,
    /// What a read gives.
    pub value: u32,
}

/// Device memory for the tests.
#[derive(Clone)]
pub struct Devices {
    /// Registers with known values.
    pub registers: heapless::Vec<Register, 3>,
    /// Video memory, tagged.
    pub framebuffer: Option<Range<usize>>,
    /// Memory shared with the host, tagged.
    pub ivshmem: Option<Range<usize>>,
}

/// Bytes of each device that are tagged and used.
const MOST: usize = 16 << 20;
const STD_VGA: (u16, u16) = (0x1234, 0x1111);
const IOAPIC_VERSION: u32 = 1;
/// The register that shows what was selected before.
pub const IOAPIC: &str = "IOAPIC version";

/// Offsets in each page of the words that hold its tag: its first and its last.
pub const TAGS: [usize; 2] = [window::TAG, window::TAIL];

/// The tag of the page that holds a physical address.
pub fn tag(pa: usize) -> u32 {
    window::tag(pa)
}

/// Writes, through a mapping at `va` of the page at `pa`, what whoever has that page may write. The host
/// sees it in the memory that it shares, and there every page must show its own stamp or none.
pub fn stamp(va: usize, pa: usize) -> bool {
    let (va, pa) = (va & !(BY2PG - 1), pa & !(BY2PG - 1));
    // SAFETY: the word is of device memory, where nobody but a stamp's writer writes, or it is not
    // mapped and the access faults.
    unsafe { probe::write(va + window::STAMP, window::stamp(pa)) }
}

/// The page that a tag names, if it is one.
pub fn page_of_tag(word: u32) -> Option<usize> {
    let page = (word & 0xFF_FFFF) as usize;
    (word >> 24 == 0x7A).then(|| page.checked_mul(BY2PG)).flatten()
}

/// Finds the devices, notes their registers and tags their memory. CPU 0, before others start.
pub fn prepare(platform: &Platform) -> Devices {
    let mut registers = heapless::Vec::new();
    let lapic = platform.lapic + apic::VERSION_OFFSET;
    let mut add = |name, pa, value| {
        registers.push(Register { name, pa, value }).ok().expect("three registers");
    };
    add("LAPIC version", lapic, apic::version());
    if let Some(hpet) = platform.hpet {
        // The upper half of the capabilities: the counter's period.
        add("HPET period", hpet + 4, peek(hpet + 4));
    }
    if let Some(ioapic) = platform.ioapic {
        // Selected once; nobody selects another.
        poke(ioapic, IOAPIC_VERSION);
        add(IOAPIC, ioapic + 0x10, peek(ioapic + 0x10));
    }
    Devices {
        registers,
        framebuffer: tagged("framebuffer", pci::memory_bar(STD_VGA, 0)),
        ivshmem: tagged("shared window", pci::memory_bar(pci::IVSHMEM, 2)),
    }
}

/// Tags a device's memory. One whose memory cannot be where it says is taken for absent: tags would be
/// written over whatever is there.
fn tagged(name: &str, bar: Result<Option<Range<usize>>, Refusal>) -> Option<Range<usize>> {
    let bar = match bar {
        Ok(bar) => bar?,
        Err(refusal) => {
            println!("{name}: not used: {refusal}");
            return None;
        }
    };
    let used = bar.start..bar.end.min(bar.start + MOST);
    for pa in used.clone().step_by(BY2PG) {
        for offset in TAGS {
            poke(pa + offset, tag(pa));
        }
    }
    Some(used)
}

fn peek(pa: usize) -> u32 {
    // SAFETY: a device register or device memory, through the boot window.
    unsafe { (view(pa) as *const u32).read_volatile() }
}

fn poke(pa: usize, value: u32) {
    // SAFETY: as in `peek`; the devices are the tests' own.
    unsafe { (view(pa) as *mut u32).write_volatile(value) }
}

fn view(pa: usize) -> usize {
    boot_view(pa, 4)
}

/// Whether a physical range can hold a 4 MB page of its own.
pub fn large_pages(range: &Range<usize>) -> impl Iterator<Item = usize> + use<> {
    (range.start.next_multiple_of(BY2LARGE)..range.end & !(BY2LARGE - 1)).step_by(BY2LARGE)
}
