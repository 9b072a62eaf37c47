//! What ACPI says about the machine: CPUs, LAPIC, IOAPIC, the PM timer.

use core::ptr::NonNull;

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
    pub pm_port: u16,
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
    let rsdp = unsafe { Rsdp::search_for_on_bios(Firmware) }.expect("no ACPI RSDP");
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
        pm_port: { fadt.pm_timer_block } as u16,
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
    unsafe fn map_physical_region<T>(&self, pa: usize, size: usize) -> PhysicalMapping<Self, T> {
        let va = boot_view(pa, size);
        PhysicalMapping {
            physical_start: pa,
            virtual_start: NonNull::new(va as *mut T).expect("the window is not at 0"),
            region_length: size,
            mapped_length: size,
            handler: Firmware,
        }
    }

    fn unmap_physical_region<T>(_region: &PhysicalMapping<Self, T>) {}

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
