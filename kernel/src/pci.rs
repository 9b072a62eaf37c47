//! PCI configuration space by ports, and the two devices whose memory the tests map.

use core::fmt;
use core::ops::Range;

use pci_types::{Bar, CommandRegister, ConfigRegionAccess, EndpointHeader, PciAddress, PciHeader};

use crate::layout::{BY2LARGE, PLATFORM_PA};
use crate::lock::Ilock;
use crate::multiboot;

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

/// Vendor and device number of the shared window.
pub const IVSHMEM: (u16, u16) = (0x1AF4, 0x1110);

/// Why a device's memory is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The device does not answer to memory addresses.
    Off,
    /// Firmware gave it no address.
    NoAddress,
    /// Memory is there, or something of the firmware's.
    Memory,
    /// The platform's registers are there.
    Platform,
    /// Entries of 32 bits do not reach it.
    TooHigh,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Off => "it does not decode memory addresses",
            Refusal::NoAddress => "firmware gave it no address",
            Refusal::Memory => "memory, or something of the firmware's, is at its address",
            Refusal::Platform => "the platform's registers are at its address",
            Refusal::TooHigh => "its address is above 4 GB",
        })
    }
}

/// What a device says of one piece of its memory.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// It decodes memory addresses.
    pub decoded: bool,
    /// First physical address.
    pub start: u64,
    /// Bytes.
    pub size: u64,
}

impl Place {
    /// Its physical addresses, if nothing else can be there.
    ///
    /// # Errors
    /// Why it is not to be used.
    pub fn check(&self) -> Result<Range<usize>, Refusal> {
        if !self.decoded {
            return Err(Refusal::Off);
        }
        if self.start == 0 || self.size == 0 {
            return Err(Refusal::NoAddress);
        }
        let end = self.start.checked_add(self.size).ok_or(Refusal::TooHigh)?;
        let (Ok(from), Ok(to)) = (usize::try_from(self.start), usize::try_from(end)) else {
            return Err(Refusal::TooHigh);
        };
        if from < PLATFORM_PA + BY2LARGE && to > PLATFORM_PA {
            return Err(Refusal::Platform);
        }
        if multiboot::is_in_map(self.start..end) {
            return Err(Refusal::Memory);
        }
        Ok(from..to)
    }
}

/// Where the device with a vendor and device number is, on the first bus.
pub fn find(id: (u16, u16)) -> Option<PciAddress> {
    let addresses = (0..32).map(|number| PciAddress::new(0, 0, number, 0));
    addresses.into_iter().find(|address| PciHeader::new(*address).id(ConfigPorts) == id)
}

/// Changes a device's command register.
pub fn command(device: PciAddress, change: impl FnOnce(CommandRegister) -> CommandRegister) {
    PciHeader::new(device).update_command(ConfigPorts, change);
}

/// The physical addresses of one of the BARs of the device with a vendor and device number; `None` if there
/// is no such device, or no memory behind that BAR.
///
/// # Errors
/// Why the memory is not to be used.
pub fn memory_bar(id: (u16, u16), slot: u8) -> Result<Option<Range<usize>>, Refusal> {
    let Some(device) = find(id) else { return Ok(None) };
    let Some(endpoint) = EndpointHeader::from_header(PciHeader::new(device), ConfigPorts) else {
        return Ok(None);
    };
    let before = endpoint.command(ConfigPorts);
    // To ask for the size is to write an address that is not meant.
    command(device, |command| command & !CommandRegister::MEMORY_ENABLE);
    let bar = endpoint.bar(slot, ConfigPorts);
    command(device, |_| before);
    let decoded = before.contains(CommandRegister::MEMORY_ENABLE);
    let (start, size) = match bar {
        Some(Bar::Memory32 { address, size, .. }) => (u64::from(address), u64::from(size)),
        Some(Bar::Memory64 { address, size, .. }) => (address, size),
        Some(Bar::Io { .. }) | None => return Ok(None),
    };
    Place { decoded, start, size }.check().map(Some)
}
