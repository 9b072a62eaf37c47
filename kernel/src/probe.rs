//! Reads that may fault: the way to ask whether an address is mapped, here or on every CPU.
//!
//! Other CPUs are asked by interrupt, not by a process that is sent there: a switch loads CR3 and
//! would drop the very translation that the question is about.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use heapless::Vec;
use mmu386::gdt::Selector;

use crate::clock;
use crate::layout::MAXMACH;
use crate::mach::{m, machno, machp, nmach, up};
use crate::proc::{NPROC, Proc};
use crate::spl::{Spin, splhi, splx};
use crate::trap::VECTOR_PROBE;
use crate::{apic, mmu, sched};

global_asm!(
    r#"
    .text
    .global probe_load
    .global probe_access
    .global probe_fault
probe_load:
    mov edx, [esp + 4]
    mov ecx, [esp + 8]
probe_access:
    mov eax, [edx]
    mov [ecx], eax
    mov eax, 1
    ret
probe_fault:
    xor eax, eax
    ret

    .global probe_store
    .global probe_store_access
probe_store:
    mov edx, [esp + 4]
    mov eax, [esp + 8]
probe_store_access:
    mov [edx], eax
    mov eax, 1
    ret

    .global probe_segment
    .global probe_segment_load
    .global probe_segment_access
    .global probe_segment_fault
probe_segment:
    mov eax, [esp + 4]
    mov ecx, [esp + 8]
    mov edx, [esp + 12]
    push ebx
    xor ebx, ebx
probe_segment_load:
    mov fs, ax
2:
probe_segment_access:
    mov eax, dword ptr fs:[0]
    cmp eax, edx
    je 3f
    inc ebx
3:
    dec ecx
    jnz 2b
    mov eax, {kd}
    mov fs, ax
    mov eax, ebx
    pop ebx
    ret
probe_segment_fault:
    mov eax, {kd}
    mov fs, ax
    mov eax, -1
    pop ebx
    ret
"#,
    kd = const Selector::KD.0,
);

unsafe extern "C" {
    /// Loads a word; 0 for a fault.
    pub fn probe_load(va: usize, value: *mut u32) -> u32;
    static probe_access: u8;
    static probe_fault: u8;
    /// Stores a word; 0 for a fault.
    pub fn probe_store(va: usize, value: u32) -> u32;
    static probe_store_access: u8;
    fn probe_segment(selector: u32, times: u32, expected: u32) -> u32;
    static probe_segment_load: u8;
    static probe_segment_access: u8;
    static probe_segment_fault: u8;
}

/// Reads the word at `va` on this CPU; `None` when the access faults.
pub fn read(va: usize) -> Option<u32> {
    let mut value = 0;
    // SAFETY: one load, whose fault the handler sends to `probe_fault`; device registers that the
    // tests read this way have no read side effects.
    (unsafe { probe_load(va, &mut value) } != 0).then_some(value)
}

/// Writes the word at `va` on this CPU; whether the access went through.
///
/// # Safety
/// The word is the caller's to write, should it be mapped.
pub unsafe fn write(va: usize, value: u32) -> bool {
    // SAFETY: one store to the caller's own word, whose fault the handler sends to `probe_fault`.
    unsafe { probe_store(va, value) != 0 }
}

/// Reads the first word of a segment again and again, through FS, while ticks come and others may
/// run. Returns how often it was not as expected; `None` if the segment cannot be loaded or read.
/// FS is the kernel's before and after.
pub fn read_segment(selector: Selector, times: u32, expected: u32) -> Option<u32> {
    // SAFETY: loads of a segment register that the kernel does not use; their faults are sent to
    // `probe_segment_fault`.
    let wrong = unsafe { probe_segment(u32::from(selector.0), times, expected) };
    (wrong != u32::MAX).then_some(wrong)
}

/// Where to go on when the access of a probe faults at `eip`.
pub fn landing(eip: u32) -> Option<u32> {
    let at = |place: *const u8| eip == place as u32;
    if at(&raw const probe_access) || at(&raw const probe_store_access) {
        return Some(&raw const probe_fault as u32);
    }
    let segment = at(&raw const probe_segment_load) || at(&raw const probe_segment_access);
    segment.then_some(&raw const probe_segment_fault as u32)
}

/// What one CPU saw.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// Its number.
    pub cpu: usize,
    /// It ran no process.
    pub idle: bool,
    /// The word, `None` for a fault.
    pub word: Option<u32>,
    /// The entry of the page directory that it had loaded, after the access.
    pub pde: u32,
}

/// What this CPU sees at `va`.
pub fn here(va: usize) -> Sight {
    // One CPU's answer: no tick may move the process on.
    let level = splhi();
    let idle = m().up.load(Ordering::Relaxed).is_null();
    let sight = Sight { cpu: machno(), idle, word: read(va), pde: mmu::loaded_pde(va) };
    splx(level);
    sight
}

const FAULT: u32 = 0;
const IDLE: u32 = 1;
const READ: u32 = 2;

/// A question to all CPUs. Each process has one, so that several may ask at once; the last is for
/// CPU 0 before there are processes.
struct Question {
    va: AtomicUsize,
    /// One bit per CPU that has not answered. Set last, cleared last.
    pending: AtomicU32,
    words: [AtomicU32; MAXMACH],
    how: [AtomicU32; MAXMACH],
    pdes: [AtomicU32; MAXMACH],
}

static QUESTIONS: [Question; NPROC + 1] = [const {
    Question {
        va: AtomicUsize::new(0),
        pending: AtomicU32::new(0),
        words: [const { AtomicU32::new(0) }; MAXMACH],
        how: [const { AtomicU32::new(0) }; MAXMACH],
        pdes: [const { AtomicU32::new(0) }; MAXMACH],
    }
}; NPROC + 1];

/// How long a CPU may take to answer.
const DEADLINE_US: u64 = 10_000_000;

impl Question {
    fn answer(&self) {
        let Sight { cpu: me, idle, word, pde } = here(self.va.load(Ordering::Relaxed));
        let idle = if idle { IDLE } else { 0 };
        self.words[me].store(word.unwrap_or(0), Ordering::Relaxed);
        self.how[me].store(idle | word.map_or(FAULT, |_| READ), Ordering::Relaxed);
        self.pdes[me].store(pde, Ordering::Relaxed);
        self.pending.fetch_and(!(1 << me), Ordering::SeqCst);
    }
}

/// The interrupt: answers every question that waits for this CPU.
pub fn interrupt() {
    let me = 1 << machno();
    for question in &QUESTIONS {
        if question.pending.load(Ordering::SeqCst) & me != 0 {
            question.answer();
        }
    }
}

/// Has every CPU read the word at `va`. Called by a process with interrupts on, or by CPU 0 before
/// there are processes.
pub fn everywhere(va: usize) -> Vec<Sight, MAXMACH> {
    let question = &QUESTIONS[up().map_or(NPROC, Proc::index)];
    question.va.store(va, Ordering::Relaxed);
    let level = splhi();
    let me = machno();
    let all = (1u64 << nmach()) - 1;
    question.pending.store(all as u32, Ordering::SeqCst);
    question.answer();
    for cpu in (0..nmach()).filter(|cpu| *cpu != me) {
        apic::ipi(machp(cpu).apicid.load(Ordering::Relaxed) as u8, VECTOR_PROBE);
    }
    splx(level);
    let start = clock::tsc();
    let mut spin = Spin::default();
    loop {
        let pending = question.pending.load(Ordering::SeqCst);
        if pending == 0 {
            break;
        }
        if spin.turn() {
            let cpu = pending.trailing_zeros();
            assert!(clock::since(start) < DEADLINE_US, "cpu{cpu} does not answer a probe");
            if up().is_some() {
                sched::give_way();
            }
        }
    }
    (0..nmach())
        .map(|cpu| {
            let how = question.how[cpu].load(Ordering::Relaxed);
            let word = question.words[cpu].load(Ordering::Relaxed);
            let pde = question.pdes[cpu].load(Ordering::Relaxed);
            Sight { cpu, idle: how & IDLE != 0, word: (how & READ != 0).then_some(word), pde }
        })
        .collect()
}
