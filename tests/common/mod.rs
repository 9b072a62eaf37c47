//! What the tests of mmu386 share: machines that do nothing by chance, and looks at them.
#![allow(dead_code, reason = "each test program uses some of it")]

use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;

use auditor::Property;
use host::{Chances, Config, Mode};
use mmu386::arch::Arch;
use mmu386::entry::Entry;
use mmu386::event::Event;
use mmu386::function::Function;
use mmu386::layout::{BY2WD, Frame, PC386};
use mmu386::lock::Lock;
use mmu386::variant::Variant;
use mmu386::vmapsync::vmapsync;

pub type Cpu<V> = host::Cpu<V>;
pub type Machine<V> = Arc<host::Machine<V>>;

/// Bytes of a large page.
pub const LARGE: u32 = 0x40_0000;

/// Physical address of the memory of device `n`, aligned to a large page.
pub fn device(n: u32) -> u32 {
    host::DEVICES + n * LARGE
}

fn quiet(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config { chances: Chances::NONE, ..Config::default() };
    change(&mut config);
    config
}

/// Four CPUs that idle, online, with interrupts on.
pub fn boot<V: Variant>() -> Machine<V> {
    boot_with(|_| ())
}

pub fn boot_with<V: Variant>(change: impl FnOnce(&mut Config)) -> Machine<V> {
    host::Machine::boot(quiet(change), 1)
}

/// As out of reset: CPU 0 on a page directory that shows the window, mmuinit not called.
pub fn cold<V: Variant>(change: impl FnOnce(&mut Config)) -> Machine<V> {
    host::Machine::cold(quiet(change), 1)
}

pub fn on<V: Variant>(machine: &Machine<V>, n: usize) -> Cpu<V> {
    machine.cpu(n)
}

/// Process `p` runs on this CPU from now on, born if need be.
pub fn enter<V: Variant>(cpu: &Cpu<V>, p: usize) {
    if cpu.machine().lives(p) {
        cpu.resume(p);
    } else {
        cpu.birth(p);
    }
}

/// The CPU's process gives it up.
pub fn leave<V: Variant>(cpu: &Cpu<V>) {
    cpu.suspend();
}

/// The CPU's process dies.
pub fn die<V: Variant>(cpu: &Cpu<V>) {
    cpu.die();
}

/// What an access of `va` on this CPU leads to: of a driver in VMAP, where the fault handler brings
/// the page directory up to date, of the kernel in KMAP, of a program in user mode below.
pub fn reach<V: Variant>(cpu: &Cpu<V>, va: u32) -> Option<u32> {
    let mode = if PC386.in_user(va) { Mode::User } else { Mode::Kernel };
    cpu.access(va, false, mode)
        .or_else(|fault| match cpu.at_splhi(|| vmapsync(cpu, va)) {
            true => cpu.access(va, false, mode),
            false => Err(fault),
        })
        .ok()
}

/// Whether the kernel can write to `va` on this CPU.
pub fn writable<V: Variant>(cpu: &Cpu<V>, va: u32) -> bool {
    cpu.access(va, true, Mode::Kernel).is_ok()
}

/// The entry of the page attribute table by which this CPU has cached `va`.
pub fn cached_type<V: Variant>(cpu: &Cpu<V>, va: u32) -> Option<u32> {
    cpu.machine().tlb(cpu.id()).iter().find(|entry| entry.covers(va)).map(|entry| entry.pat)
}

/// Address, in the window, of the master's page table entry for `va`.
pub fn walk_entry<V: Variant>(cpu: &Cpu<V>, va: u32) -> u32 {
    let slot = PC386.kzero_base() + cpu.master().pa() + PC386.pdx(va) as u32 * BY2WD;
    let pde = Entry(cpu.load(cpu.at(slot)));
    assert!(pde.table(), "{va:#x} has a page table");
    PC386.kzero_base() + pde.frame().pa() + PC386.ptx(va) as u32 * BY2WD
}

fn page_where<V: Variant>(cpu: &Cpu<V>, fits: impl Fn(Frame) -> bool) -> Frame {
    let mut others = Vec::new();
    loop {
        let page = cpu.machine().buffer().expect("a page is free");
        if fits(page) {
            others.into_iter().for_each(|other| cpu.machine().give_back(other));
            return page;
        }
        others.push(page);
    }
}

/// A page that the window shows.
pub fn below<V: Variant>(cpu: &Cpu<V>) -> Frame {
    page_where(cpu, |page| page.pa() < PC386.window)
}

/// A page above the window.
pub fn above<V: Variant>(cpu: &Cpu<V>) -> Frame {
    page_where(cpu, |page| page.pa() >= PC386.window)
}

/// How many pages the page allocator has or had.
pub fn all_pages<V: Variant>(machine: &Machine<V>) -> usize {
    machine.config().pages + machine.config().pages_above
}

/// What must hold of a machine whose tests map what they like.
pub fn audit<V: Variant>(machine: &Machine<V>) {
    use Property::{P1, P2, T1, U2, U3, V3};
    let violations = machine.audit_only(&[V3, U2, U3, P1, P2, T1]);
    assert!(violations.is_empty(), "{violations:?}");
}

/// Does `work` when `function` is next called on the CPU of `cpu`.
pub fn at_call<V: Variant>(
    cpu: &Cpu<V>,
    function: Function,
    work: impl FnOnce(&Cpu<V>) + Send + 'static,
) {
    let (n, mut work) = (cpu.id(), Some(work));
    cpu.machine().at_events(move |cpu, event| {
        if event == Event::Call(function)
            && cpu.id() == n
            && let Some(work) = work.take()
        {
            work(cpu);
        }
    });
}

/// Makes the next interrupt of this CPU find that a flush was asked for, in every protocol.
pub fn ask_for_a_flush<V: Variant>(cpu: &Cpu<V>, n: usize) {
    let mach = cpu.mach(n);
    cpu.store(&mach.flushmmu, 1);
    cpu.fetch_add(&cpu.system().flushgen, 1);
}

thread_local! {
    static HELD: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// A lock that another CPU holds until its next interrupt.
pub fn held_until_the_next_interrupt<V: Variant>(
    machine: &Machine<V>,
    n: usize,
    lock: &'static Lock<Cpu<V>>,
) {
    let holder: &'static Cpu<V> = Box::leak(Box::new(machine.cpu(n)));
    HELD.set(Some(Box::new(lock.lock(holder))));
    ask_for_a_flush(holder, n);
    machine.at_events(move |cpu, event| {
        if event == Event::Serving && cpu.id() == n {
            drop(HELD.take());
        }
    });
}
