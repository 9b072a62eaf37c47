//! The local APIC of each CPU: timer, end of interrupt, interrupts to other CPUs.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicUsize, Ordering};

use x86::apic::xapic::{
    XAPIC_EOI, XAPIC_ESR, XAPIC_ICR0, XAPIC_ICR1, XAPIC_ID, XAPIC_LVT_ERROR, XAPIC_LVT_LINT0,
    XAPIC_LVT_TIMER, XAPIC_SVR, XAPIC_TIMER_CURRENT_COUNT, XAPIC_TIMER_DIV_CONF,
    XAPIC_TIMER_INIT_COUNT, XAPIC_TPR, XAPIC_VERSION,
};
use x86::apic::{
    ApicId, DeliveryMode, DeliveryStatus, DestinationMode, DestinationShorthand, Icr, Level,
    TriggerMode,
};

use crate::events::{self, Kind};
use crate::layout::{BY2LARGE, PLATFORM, PLATFORM_PA};
use crate::mach::machno;
use crate::spl::{splhi, splx};
use crate::trap::{VECTOR_ERROR, VECTOR_SPURIOUS, VECTOR_TIMER};
use crate::{clock, cpu};

const MASKED: u32 = 1 << 16;
const PERIODIC: u32 = 1 << 17;
const ENABLE: u32 = 1 << 8;
const DIVIDE_BY_16: u32 = 3;
const SEND_PENDING: u32 = 1 << 12;

const IA32_APIC_BASE: u32 = 0x1B;
/// Of that register: x2APIC mode, and the LAPIC is on at all.
const EXTENDED: u64 = 1 << 10;
const GLOBAL_ENABLE: u64 = 1 << 11;

static BASE: AtomicUsize = AtomicUsize::new(0);

/// Takes note of where the MADT says the LAPIC is.
pub fn init(pa: usize) {
    assert!(
        (PLATFORM_PA..PLATFORM_PA + BY2LARGE).contains(&pa),
        "LAPIC at {pa:#x} is outside the platform page"
    );
    BASE.store(PLATFORM + (pa - PLATFORM_PA), Ordering::Relaxed);
}

fn register(offset: u32) -> *mut u32 {
    let base = BASE.load(Ordering::Relaxed);
    assert!(base != 0, "LAPIC used before the MADT was read");
    (base + offset as usize) as *mut u32
}

fn read(offset: u32) -> u32 {
    // SAFETY: the platform page is mapped uncached in every directory; the offset is a register's.
    unsafe { register(offset).read_volatile() }
}

fn write(offset: u32, value: u32) {
    // SAFETY: as in `read`; each CPU writes its own LAPIC's registers only.
    unsafe { register(offset).write_volatile(value) }
}

/// Enables this CPU's LAPIC, timer still off.
///
/// # Panics
/// If its registers are not in memory, where this kernel asks for them.
pub fn enable() {
    if let Err(why) = mode(cpu::rdmsr(IA32_APIC_BASE).unwrap_or(GLOBAL_ENABLE)) {
        panic!("cpu{}: {why}", machno());
    }
    write(XAPIC_TPR, 0);
    write(XAPIC_LVT_LINT0, MASKED);
    write(XAPIC_LVT_ERROR, u32::from(VECTOR_ERROR));
    write(XAPIC_SVR, ENABLE | u32::from(VECTOR_SPURIOUS));
}

/// Whether the LAPIC's registers are in memory, by the register that says so.
///
/// # Errors
/// Why they are not.
pub fn mode(base: u64) -> Result<(), &'static str> {
    if base & EXTENDED != 0 {
        return Err("firmware left the LAPIC in x2APIC mode, which this kernel does not know: \
             turn x2APIC off in the firmware's setup");
    }
    if base & GLOBAL_ENABLE == 0 {
        return Err("firmware left the LAPIC turned off");
    }
    Ok(())
}

/// Lets the 8259s interrupt this CPU, or not, which is usual.
pub fn external(on: bool) {
    const EXTERNAL: u32 = 7 << 8;
    write(XAPIC_LVT_LINT0, if on { EXTERNAL } else { MASKED });
}

/// This CPU's id.
pub fn id() -> u8 {
    (read(XAPIC_ID) >> 24) as u8
}

/// The version register, as the kernel's own mapping shows it.
pub fn version() -> u32 {
    read(XAPIC_VERSION)
}

/// Offset of the version register in the LAPIC's page.
pub const VERSION_OFFSET: usize = XAPIC_VERSION as usize;

/// Why the LAPIC complained.
pub fn error_status() -> u32 {
    write(XAPIC_ESR, 0);
    read(XAPIC_ESR)
}

/// Ends the interrupt that is being served.
pub fn eoi() {
    write(XAPIC_EOI, 0);
}

/// Lets the timer count down without interrupts, for calibration.
pub fn timer_free_running() {
    write(XAPIC_TIMER_DIV_CONF, DIVIDE_BY_16);
    write(XAPIC_LVT_TIMER, MASKED | u32::from(VECTOR_TIMER));
    write(XAPIC_TIMER_INIT_COUNT, u32::MAX);
}

/// What the timer shows.
pub fn timer_count() -> u32 {
    read(XAPIC_TIMER_CURRENT_COUNT)
}

/// Starts this CPU's ticks.
pub fn timer_start() {
    write(XAPIC_TIMER_DIV_CONF, DIVIDE_BY_16);
    write(XAPIC_LVT_TIMER, PERIODIC | u32::from(VECTOR_TIMER));
    write(XAPIC_TIMER_INIT_COUNT, clock::lapic_per_tick());
}

/// Waits until the LAPIC has sent what came before; whether it has.
fn idle() -> bool {
    let start = clock::tsc();
    while read(XAPIC_ICR0) & SEND_PENDING != 0 {
        if clock::span(start) > clock::STUCK {
            return false;
        }
        spin_loop();
    }
    true
}

fn send(icr: &Icr) {
    // The two halves are one command: no handler may send between them.
    let level = splhi();
    let sent = idle();
    if sent {
        write(XAPIC_ICR1, icr.upper());
        write(XAPIC_ICR0, icr.lower());
    }
    splx(level);
    assert!(sent, "the LAPIC does not send: ICR is {:#x}", read(XAPIC_ICR0));
}

fn command(to: DestinationShorthand, apicid: u8, mode: DeliveryMode, vector: u8) -> Icr {
    Icr::for_xapic(
        vector,
        ApicId::XApic(apicid),
        to,
        mode,
        DestinationMode::Physical,
        DeliveryStatus::Idle,
        Level::Assert,
        TriggerMode::Edge,
    )
}

/// Interrupts one CPU.
pub fn ipi(apicid: u8, vector: u8) {
    events::record(Kind::Ipi, u32::from(vector), u32::from(apicid));
    let to = DestinationShorthand::NoShorthand;
    send(&command(to, apicid, DeliveryMode::Fixed, vector));
}

/// Resets one CPU, which then waits for a start-up message.
pub fn ipi_init(apicid: u8) {
    let to = DestinationShorthand::NoShorthand;
    send(&command(to, apicid, DeliveryMode::Init, 0));
}

/// Starts one CPU at physical `page << 12`.
pub fn ipi_startup(apicid: u8, page: u8) {
    let to = DestinationShorthand::NoShorthand;
    send(&command(to, apicid, DeliveryMode::StartUp, page));
}

/// NMI to one CPU.
pub fn nmi(apicid: u8) {
    send(&command(DestinationShorthand::NoShorthand, apicid, DeliveryMode::NMI, 0));
}

/// NMI to every other CPU; used once, by the panic.
pub fn nmi_others() {
    // A LAPIC that does not send is no reason to say nothing.
    if BASE.load(Ordering::Relaxed) != 0 && idle() {
        let to = DestinationShorthand::AllExcludingSelf;
        send(&command(to, 0, DeliveryMode::NMI, 0));
    }
}
