//! PCI configuration space by ports, and the two devices whose memory the tests map.

use core::ops::Range;

use pci_types::{Bar, ConfigRegionAccess, EndpointHeader, PciAddress, PciHeader};

use crate::lock::Ilock;

const ADDRESS: u16 = 0xCF8;
const DATA: u16 = 0xCFC;

/// Address and data port are one register pair: one access at a time.
static PORTS: Ilock<()> = Ilock::new(());

/// Configuration mechanism 1.
#[derive(Clone, Copy)]
pub struct ConfigPorts;

impl ConfigPorts {
    fn select(address: PciAddress, offset: u16) -> u32 {
        1 << 31
            | u32::from(address.bus()) << 16
            | u32::from(address.device()) << 11
            | u32::from(address.function()) << 8
            | u32::from(offset & 0xFC)
    }
}

impl ConfigRegionAccess for ConfigPorts {
    unsafe fn read(&self, address: PciAddress, offset: u16) -> u32 {
        let _ports = PORTS.lock();
        // SAFETY: the port pair is the host bridge's; the lock keeps the two accesses together.
        unsafe {
            x86::io::outl(ADDRESS, Self::select(address, offset));
            x86::io::inl(DATA)
        }
    }

    unsafe fn write(&self, address: PciAddress, offset: u16, value: u32) {
        let _ports = PORTS.lock();
        // SAFETY: as in `read`; the caller vouches for the write itself.
        unsafe {
            x86::io::outl(ADDRESS, Self::select(address, offset));
            x86::io::outl(DATA, value);
        }
    }
}

/// A device found by vendor and device number: the physical addresses of one of its BARs.
pub fn memory_bar(vendor: u16, device: u16, slot: u8) -> Option<Range<usize>> {
    (0..32).find_map(|number| {
        let header = PciHeader::new(PciAddress::new(0, 0, number, 0));
        if header.id(ConfigPorts) != (vendor, device) {
            return None;
        }
        let endpoint = EndpointHeader::from_header(header, ConfigPorts)?;
        match endpoint.bar(slot, ConfigPorts)? {
            Bar::Memory32 { address, size, .. } => {
                Some(address as usize..address as usize + size as usize)
            }
            Bar::Memory64 { address, size, .. } => {
                // Beyond 4 GB is out of reach of 32-bit entries.
                let start = usize::try_from(address).ok()?;
                Some(start..start.checked_add(usize::try_from(size).ok()?)?)
            }
            Bar::Io { .. } => None,
        }
    })
}
