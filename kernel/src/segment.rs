//! Where each CPU's descriptor table and task state segment lie, which mmu386 fills in, and a second
//! task for double faults: a stack that overflowed cannot take the fault that says so.

use core::mem::offset_of;
use core::sync::atomic::Ordering;

use alloc::boxed::Box;
use mmu386::arch::Owned;
use mmu386::gdt::{APMCSEG, BY2SEGDESC, BY2TSS, Descriptors, Ldt, NGDT, Segdesc, Selector};
use x86::bits32::task::TaskStateSegment;
use x86::dtables::{DescriptorTablePointer, lgdt as load_gdtr};
use x86::segmentation::SegmentSelector;

use crate::arch_impl::Pc;
use crate::layout::BY2PG;
use crate::mach::{Mach, m, machno};
use crate::mmu::kaddr;
use crate::{frames, paging};

/// The double fault's task. It has the first of the descriptors that mmu386 leaves to an APM BIOS,
/// which this kernel never calls.
pub const DFSEL: Selector = Selector::new(APMCSEG, 0);

/// What one CPU has in a page of its own, which the hardware reads where it lies.
#[repr(C)]
struct Tables {
    descriptors: Descriptors<Pc>,
    fault: TaskStateSegment,
}

const _: () = {
    assert!(offset_of!(Descriptors<Pc>, gdt) == 0);
    assert!(offset_of!(Descriptors<Pc>, tss) == Descriptors::<Pc>::TSS_OFFSET as usize);
    assert!(size_of::<Descriptors<Pc>>() >= NGDT * BY2SEGDESC as usize + BY2TSS as usize);
    assert!(size_of::<TaskStateSegment>() == BY2TSS as usize);
    assert!(size_of::<Tables>() <= BY2PG);
};

/// Makes a CPU's tables, still empty but for the double fault's task. Called by CPU 0, for itself and
/// for each other CPU before it starts.
pub fn build(mach: &Mach, double_fault: extern "C" fn() -> !) {
    let page = kaddr(frames::must());
    let stack = paging::report_stack(mach.machno.load(Ordering::Relaxed) as usize);
    for word in stack.clone().step_by(4) {
        // SAFETY: the stack is mapped, and nothing is on it before the double fault.
        unsafe { (word as *mut u32).write(UNUSED) };
    }
    let (kd, ke) = (Selector::KD.0, Selector::KE.0);
    let mut fault = TaskStateSegment::new();
    fault.cr3 = mach.pdb.load(Ordering::Relaxed);
    fault.eip = double_fault as usize as u32;
    fault.eflags = 2;
    // A null return address ends the backtrace.
    fault.esp = (stack.end - 20) as u32;
    (fault.cs, fault.ss, fault.ds) = (ke, kd, kd);
    (fault.es, fault.fs, fault.gs) = (kd, kd, kd);
    let tables = Tables { descriptors: Descriptors::new(page as u32), fault };
    let at = page as *mut Tables;
    // SAFETY: the frame is ours, cleared, mapped, and larger than the tables.
    unsafe {
        at.write(tables);
        mach.descriptors.store(&raw mut (*at).descriptors, Ordering::Release);
    }
}

/// What a word of a report's stack is before it is used.
const UNUSED: u32 = 0x5AFE_57AC;

/// Bytes of this CPU's report stack that were ever used; `None` where the CPU runs on another one.
pub fn report_stack_used() -> Option<usize> {
    let stack = paging::report_stack(machno());
    let here = 0u32;
    if !stack.contains(&(&raw const here as usize)) {
        return None;
    }
    // SAFETY: the stack is mapped, and only this CPU is on it; above the first used word nobody looks.
    let unused = |va: &usize| unsafe { (*va as *const u32).read_volatile() } == UNUSED;
    let deepest = stack.clone().step_by(4).find(|va| !unused(va));
    Some(stack.end - deepest.unwrap_or(stack.end))
}

/// This CPU's descriptors.
pub fn descriptors() -> &'static Descriptors<Pc> {
    let descriptors = m().descriptors.load(Ordering::Acquire);
    assert!(!descriptors.is_null(), "descriptors before segment::build");
    // SAFETY: `build` stored the address of descriptors that live for ever.
    unsafe { &*descriptors }
}

/// After mmuinit: the double fault's descriptor, and the segment registers of this CPU, which still
/// hold what the loader or the start-up code gave. Interrupts are off.
pub fn finish() {
    let own = descriptors();
    let fault = own.gdt_base() + offset_of!(Tables, fault) as u32;
    own.gdt[APMCSEG].set(Segdesc::tss(fault));
    // SAFETY: GDTR holds mmu386's table, whose segments are as flat as those in use.
    unsafe {
        core::arch::asm!(
            "push {code}",
            "lea {tmp}, [2f]",
            "push {tmp}",
            "retf",
            "2:",
            "mov ds, {data:x}",
            "mov es, {data:x}",
            "mov fs, {data:x}",
            "mov gs, {data:x}",
            "mov ss, {data:x}",
            code = in(reg) u32::from(Selector::KE.0),
            data = in(reg) u32::from(Selector::KD.0),
            tmp = out(reg) _,
        );
    }
}

/// Loads GDTR.
pub fn lgdt(base: u32, limit: u16) {
    let pointer = DescriptorTablePointer::<u64> { limit, base: base as *const u64 };
    // SAFETY: mmu386 passes the table of this CPU, which it has filled in and which lives for ever.
    unsafe { load_gdtr(&pointer) };
}

/// Loads the task register.
pub fn ltr(task: Selector) {
    // SAFETY: mmu386 passes the descriptor of this CPU's task state segment.
    unsafe { x86::task::load_tr(SegmentSelector::from_raw(task.0)) };
}

/// Loads LDTR.
pub fn lldt(table: Selector) {
    // SAFETY: mmu386 passes 0, or the descriptor of a table that its process owns.
    unsafe { x86::dtables::load_ldtr(SegmentSelector::from_raw(table.0)) };
}

/// Descriptors of every local descriptor table here.
pub const NLDT: usize = 4;

/// Memory for a process's local descriptor table, filled in; `freeldt` takes it back.
pub fn newldt(table: [Segdesc; NLDT]) -> Ldt {
    let base = Box::into_raw(Box::new(table)) as u32;
    LDTS.fetch_add(1, Ordering::Relaxed);
    Ldt { base, n: NLDT as u32 }
}

/// What a process's local descriptor table says. Called by that process.
pub fn ldt(table: Ldt) -> [Segdesc; NLDT] {
    // SAFETY: `newldt` made it, and it is the process's until `freeldt`; the processor may write to it.
    unsafe { (table.base as *const [Segdesc; NLDT]).read_volatile() }
}

/// Gives back a local descriptor table.
pub fn freeldt(base: u32) {
    LDTS.fetch_sub(1, Ordering::Relaxed);
    // SAFETY: mmu386 passes what `newldt` made for a process, once, when the process is dead.
    drop(unsafe { Box::from_raw(base as *mut [Segdesc; NLDT]) });
}

/// Local descriptor tables that were made and not freed.
pub fn ldts() -> u32 {
    LDTS.load(Ordering::Relaxed)
}

static LDTS: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);
