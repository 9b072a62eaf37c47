//! Flat segments, a task state segment per CPU, and a second one for double faults: a stack that
//! overflowed cannot take the fault that says so.

use core::sync::atomic::{AtomicPtr, Ordering};

use x86::Ring;
use x86::bits32::task::TaskStateSegment;
use x86::dtables::{DescriptorTablePointer, lgdt};
use x86::segmentation::SegmentSelector;

use crate::frames;
use crate::layout::{BY2PG, kaddr};
use crate::mach::Mach;

/// Kernel data.
pub const KDSEL: u16 = 0x08;
/// Kernel code.
pub const KESEL: u16 = 0x10;
/// Entries of the GDT: Plan 9's 14 and the double fault's task.
pub const NGDT: usize = 15;
const TSSSEG: usize = 5;
const DFSEG: usize = 14;
/// The double fault's task.
pub const DFSEL: u16 = (DFSEG << 3) as u16;

const FLAT: u64 = 0x00CF_0000_0000_FFFF;
const DATA: u64 = 0x92 << 40;
const EXEC: u64 = 0x9A << 40;
const DPL3: u64 = 3 << 45;

fn tss_descriptor(tss: usize) -> u64 {
    let base = tss as u64;
    let limit = (size_of::<TaskStateSegment>() - 1) as u64;
    limit | (base & 0xFF_FFFF) << 16 | 0x89 << 40 | (base >> 24) << 56
}

/// Frames for one CPU: the GDT and both task state segments in one, a stack for double faults.
pub struct Segments {
    gdt: usize,
    tss: usize,
}

/// Builds a CPU's descriptors. Called by CPU 0, for itself and for each AP before it starts.
pub fn build(pdb: u32, double_fault: extern "C" fn() -> !) -> Segments {
    let page = kaddr(frames::must());
    let tss = page + 0x400;
    let df = page + 0x800;
    let stack = kaddr(frames::must());
    let gdt: [u64; NGDT] = core::array::from_fn(|slot| match slot {
        1 => FLAT | DATA,
        2 => FLAT | EXEC,
        3 => FLAT | DATA | DPL3,
        4 => FLAT | EXEC | DPL3,
        TSSSEG => tss_descriptor(tss),
        DFSEG => tss_descriptor(df),
        _ => 0,
    });
    let mut fault = TaskStateSegment::new();
    fault.cr3 = pdb;
    fault.eip = double_fault as usize as u32;
    fault.eflags = 2;
    // A null return address ends the backtrace.
    fault.esp = (stack + BY2PG - 20) as u32;
    (fault.cs, fault.ss, fault.ds) = (KESEL, KDSEL, KDSEL);
    (fault.es, fault.fs, fault.gs) = (KDSEL, KDSEL, KDSEL);
    let mut task = TaskStateSegment::new();
    task.ss0 = KDSEL;
    task.cr3 = pdb;
    task.iobp_offset = 0xDFFF;
    // SAFETY: both frames are ours, cleared and mapped; the three objects do not overlap.
    unsafe {
        (page as *mut [u64; NGDT]).write(gdt);
        (tss as *mut TaskStateSegment).write(task);
        (df as *mut TaskStateSegment).write(fault);
    }
    Segments { gdt: page, tss }
}

impl Segments {
    /// Remembers the task state segment where the scheduler finds it.
    pub fn publish(&self, mach: &Mach) {
        mach.tss.store(self.tss as *mut _, Ordering::Release);
        mach.gdt.store(self.gdt as *mut _, Ordering::Release);
    }
}

/// Loads the GDT and the task register of the CPU that calls, from its Mach.
pub fn load(gdt: &AtomicPtr<u64>) {
    let pointer = DescriptorTablePointer::<u64> {
        limit: (NGDT * 8 - 1) as u16,
        base: gdt.load(Ordering::Acquire),
    };
    // SAFETY: the table was built by `build` and lives for ever; its selectors are the ones that
    // the code below loads, and the segments are as flat as those in use.
    unsafe {
        lgdt(&pointer);
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
            code = in(reg) u32::from(KESEL),
            data = in(reg) u32::from(KDSEL),
            tmp = out(reg) _,
        );
        x86::task::load_tr(SegmentSelector::new(TSSSEG as u16, Ring::Ring0));
    }
}
