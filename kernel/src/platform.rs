//! What ACPI says about the machine: CPUs, LAPIC, IOAPIC, the PM timer.

use core::alloc::Layout;
use core::ptr::{NonNull, copy_nonoverlapping};

use alloc::alloc::dealloc;

use acpi::rsdp::Rsdp;
use acpi::sdt::fadt::Fadt;
use acpi::sdt::hpet::HpetTable;
use acpi::sdt::madt::{Madt, MadtEntry};
use acpi::{AcpiTables, Handler, PhysicalMapping};
use heapless::Vec;
use pci_types::{ConfigRegionAccess, PciAddress};

use crate::layout::{BY2LARGE, BY2PG, MAXMACH, PLATFORM_PA};
use crate::paging::boot_view;
use crate::pci::ConfigPorts;
use crate::{clock, cpu, println};

/// The machine, in so far as the kernel asks.
pub struct Platform {
    /// LAPIC ids of the usable CPUs, in the MADT's order.
    pub cpus: Vec<u8, MAXMACH>,
    /// Physical address of every CPU's LAPIC.
    pub lapic: usize,
    /// Physical address of the first IOAPIC.
    pub ioapic: Option<usize>,
    /// Physical address of the HPET.
    pub hpet: Option<usize>,
    /// I/O port of the PM timer.
    pub pm_port: Option<u16>,
}

impl Platform {
    /// One more CPU, in place of the last if there are as many as there may be.
    pub fn add(&mut self, apicid: u8) {
        if self.cpus.is_full() {
            self.cpus.pop();
        }
        // There is room, as was seen to.
        let _ = self.cpus.push(apicid);
    }
}

/// A LAPIC id that no CPU has, for the test that a CPU which does not come up is missed.
pub const NO_SUCH_CPU: u8 = 0xFE;
const MADT_ENABLED: u32 = 1;

/// Reads the tables. CPU 0 only, before any other CPU starts.
pub fn discover() -> Platform {
    // SAFETY: a PC's BIOS areas are memory, mapped by the one-to-one window.
    let Ok(rsdp) = (unsafe { Rsdp::search_for_on_bios(Firmware) }) else {
        panic!(
            "no ACPI root pointer where a BIOS has it: this kernel boots on a PC with a BIOS; UEFI \
             passes the pointer in another way, which Multiboot does not hand on"
        );
    };
    // SAFETY: the root pointer was found and checked, and the firmware vouches for what it names.
    let tables = unsafe { AcpiTables::from_rsdp(Firmware, rsdp.physical_start) };
    let tables = tables.expect("no ACPI root table");
    let madt = tables.find_table::<Madt>().expect("no MADT");
    let fadt = tables.find_table::<Fadt>().expect("no FADT");
    let mut platform = Platform {
        cpus: Vec::new(),
        lapic: { madt.get().local_apic_address } as usize,
        ioapic: None,
        hpet: tables
            .find_table::<HpetTable>()
            .and_then(|hpet| registers("HPET", hpet.base_address.address)),
        pm_port: u16::try_from(fadt.pm_timer_block).ok().filter(|port| *port != 0),
    };
    let mut listed = 0;
    for entry in madt.get().entries() {
        match entry {
            MadtEntry::LocalApic(cpu) if { cpu.flags } & MADT_ENABLED != 0 => {
                listed += 1;
                // Those for which there is no room are counted below.
                let _ = platform.cpus.push(cpu.apic_id);
            }
            // Numbers of more than 8 bits, which take a LAPIC in its other mode.
            MadtEntry::LocalX2Apic(cpu) if { cpu.flags } & MADT_ENABLED != 0 => listed += 1,
            MadtEntry::IoApic(ioapic) if platform.ioapic.is_none() => {
                platform.ioapic = registers("IOAPIC", ioapic.io_apic_address.into());
            }
            _ => {}
        }
    }
    // This CPU runs, whatever the list says.
    let me = cpu::initial_apic_id();
    if !platform.cpus.contains(&me) {
        platform.add(me);
    }
    if listed > platform.cpus.len() {
        println!(
            "{} CPUs are left out: at most {MAXMACH} are used, with LAPIC ids of 8 bits",
            listed - platform.cpus.len()
        );
    }
    platform
}

/// Where a device's registers are, if that is in the page of the platform's registers. One that is
/// elsewhere is taken for absent.
fn registers(name: &str, pa: u64) -> Option<usize> {
    let page = PLATFORM_PA as u64..(PLATFORM_PA + BY2LARGE - BY2PG) as u64;
    if !page.contains(&pa) {
        println!("{name}: not used: its registers are at {pa:#x}");
        return None;
    }
    Some(pa as usize)
}

/// The layout of a copy of some bytes of firmware's.
fn block(size: usize) -> Layout {
    const MOST: usize = 1 << 20;
    assert!((1..=MOST).contains(&size), "an ACPI table of {size} bytes");
    Layout::from_size_align(size, align_of::<u64>()).expect("the size was checked")
}

/// Access to firmware tables for the acpi crate.
#[derive(Clone)]
struct Firmware;

impl Firmware {
    fn at<T>(address: usize) -> *mut T {
        boot_view(address, size_of::<T>()) as *mut T
    }
}

macro_rules! memory {
    ($($read:ident $write:ident $type:ty),*) => {$(
        fn $read(&self, address: usize) -> $type {
            // SAFETY: the acpi crate reads where a table says a register is.
            unsafe { Self::at::<$type>(address).read_volatile() }
        }
        fn $write(&self, address: usize, value: $type) {
            // SAFETY: as above.
            unsafe { Self::at::<$type>(address).write_volatile(value) }
        }
    )*};
}

macro_rules! ports {
    ($($read:ident $write:ident $type:ty, $in:ident $out:ident;)*) => {$(
        fn $read(&self, port: u16) -> $type {
            // SAFETY: the acpi crate reads the port that a table names.
            unsafe { x86::io::$in(port) }
        }
        fn $write(&self, port: u16, value: $type) {
            // SAFETY: as above.
            unsafe { x86::io::$out(port, value) }
        }
    )*};
}

impl Handler for Firmware {
    /// Copies the region: the window through which it is seen moves with the next look, and tables that are
    /// in use together may be far apart.
    unsafe fn map_physical_region<T>(&self, pa: usize, size: usize) -> PhysicalMapping<Self, T> {
        let layout = block(size);
        // SAFETY: the layout is not empty.
        let copy = unsafe { alloc::alloc::alloc(layout) };
        let Some(copy) = NonNull::new(copy) else { alloc::alloc::handle_alloc_error(layout) };
        let mut done = 0;
        while done < size {
            let from = pa + done;
            let part = (BY2PG - from % BY2PG).min(size - done);
            let view = boot_view(from, part) as *const u8;
            // SAFETY: the window shows this part, firmware changes nothing there, and the block has room.
            unsafe { copy_nonoverlapping(view, copy.as_ptr().add(done), part) };
            done += part;
        }
        PhysicalMapping {
            physical_start: pa,
            virtual_start: copy.cast(),
            region_length: size,
            mapped_length: size,
            handler: Firmware,
        }
    }

    fn unmap_physical_region<T>(region: &PhysicalMapping<Self, T>) {
        // SAFETY: the block was allocated for this region, with the layout of its size.
        unsafe { dealloc(region.virtual_start.as_ptr().cast(), block(region.mapped_length)) };
    }

    memory! {
        read_u8 write_u8 u8, read_u16 write_u16 u16,
        read_u32 write_u32 u32, read_u64 write_u64 u64
    }
    ports! {
        read_io_u8 write_io_u8 u8, inb outb;
        read_io_u16 write_io_u16 u16, inw outw;
        read_io_u32 write_io_u32 u32, inl outl;
    }

    fn read_pci_u8(&self, address: PciAddress, offset: u16) -> u8 {
        (self.read_pci_u32(address, offset & !3) >> (8 * (offset & 3))) as u8
    }

    fn read_pci_u16(&self, address: PciAddress, offset: u16) -> u16 {
        (self.read_pci_u32(address, offset & !3) >> (8 * (offset & 2))) as u16
    }

    fn read_pci_u32(&self, address: PciAddress, offset: u16) -> u32 {
        // SAFETY: configuration reads have no effect.
        unsafe { ConfigPorts.read(address, offset) }
    }

    fn write_pci_u8(&self, _: PciAddress, _: u16, _: u8) {
        unreachable!("only AML writes configuration space, and there is no interpreter");
    }

    fn write_pci_u16(&self, _: PciAddress, _: u16, _: u16) {
        unreachable!("only AML writes configuration space, and there is no interpreter");
    }

    fn write_pci_u32(&self, _: PciAddress, _: u16, _: u32) {
        unreachable!("only AML writes configuration space, and there is no interpreter");
    }

    fn nanos_since_boot(&self) -> u64 {
        clock::nanoseconds(clock::tsc())
    }

    fn stall(&self, microseconds: u64) {
        clock::delay(microseconds);
    }

    fn sleep(&self, milliseconds: u64) {
        clock::delay(milliseconds * 1000);
    }
}
