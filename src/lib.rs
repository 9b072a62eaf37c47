//! Plan 9's 386 MMU code, generic over the machine that runs it.
//!
//! A 386 page directory is a tree of two levels, and Plan 9 keeps one per process and one per CPU.
//! The upper quarter of each is the kernel's: device mappings (VMAP), which all share; temporary
//! mappings (KMAP), which are a process's own; the page tables themselves (VPT), shown by an entry
//! of the directory that names the directory; and physical memory from KZERO up. The directory of
//! CPU 0 is the *master* for VMAP: [`vmap`](vmap::vmap) and [`vunmap`](vmap::vunmap) edit it alone,
//! and a fault in VMAP copies the missing entry from it ([`vmapsync`](vmapsync::vmapsync)).
//!
//! What makes this hard is that every CPU keeps translations that nobody sees: in its TLB, and in
//! copies of directory entries. `vunmap` may return only when no CPU can use the old ones, and the
//! handshake by which it gets there is in [`shootdown`]. Everything here is written against
//! [`Arch`](arch::Arch), so that a model checker and a kernel compile the very same source; which
//! repairs of the original are in force is a type ([`variant`]).
//!
//! | room | what is in it | from |
//! |---|---|---|
//! | [`arch`] | what a machine must offer | – |
//! | [`layout`], [`entry`] | the address space, bits of an entry | mem.h |
//! | [`gdt`] | segment descriptors, the task state segment | mmu.c |
//! | [`state`] | Mach, Proc, Page, and what all share | dat.h |
//! | [`variant`] | the repairs, one switch each | – |
//! | [`error`](mod@error), [`event`], [`function`] | what is refused, what is told, what can be counted | – |
//! | [`lock`] | lock, ilock | taslock.c |
//! | [`init`] | mmuinit, memglobal | mmu.c |
//! | [`kaddr`] | kaddr, paddr, cankaddr | mmu.c |
//! | [`walk`], [`kernelmap`] | mmuwalk, pdbmap, pdbunmap | mmu.c |
//! | [`hole`], [`vmap`], [`vmapsync`] | findhole, vmapalloc, vmap, vunmap, vmapsync | mmu.c |
//! | [`patwc`] | write combining | mmu.c |
//! | [`shootdown`] | how CPUs make each other flush, the tick's part of it, procflushmmu | vunmap, clock.c, segment.c |
//! | [`slots`] | stale large entries in copied directories | – |
//! | [`tmpmap`] | tmpmap, tmpunmap | mmu.c |
//! | [`pool`] | mmupdballoc, mmupdbfree, upallocpdb | mmu.c |
//! | [`switch`] | taskswitch, mmuswitch, flushmmu, mmuptefree, what sched does with them | mmu.c, proc.c |
//! | [`user`] | putmmu, checkmmu, checkfault, mmurelease, flushpg | mmu.c |
//! | [`kmap`] | kmap, kunmap | mmu.c |
//! | [`segment`] | pages that processes share: fault and free | fault.c, segment.c |
//! | [`pagerefs`] | countpagerefs | mmu.c |
#![no_std]
#![forbid(unsafe_code)]

pub mod arch;
pub mod entry;
pub mod error;
pub mod event;
pub mod function;
pub mod gdt;
pub mod hole;
pub mod init;
pub mod kaddr;
pub mod kernelmap;
pub mod kmap;
pub mod layout;
pub mod lock;
pub mod pagerefs;
pub mod patwc;
pub mod pool;
pub mod segment;
pub mod shootdown;
pub mod slots;
pub mod state;
pub mod switch;
mod table;
pub mod tmpmap;
pub mod user;
pub mod variant;
pub mod vmap;
pub mod vmapsync;
pub mod walk;
