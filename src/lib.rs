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
//! | room | what is in it | mmu.c |
//! |---|---|---|
//! | [`arch`] | what a machine must offer | – |
//! | [`layout`], [`entry`] | the address space, bits of an entry | mem.h |
//! | [`state`] | Mach, Proc, Page, and what all share | dat.h |
//! | [`variant`] | the repairs, one switch each | – |
//! | [`lock`] | ilock, iunlock | taslock.c |
//! | [`walk`], [`kernelmap`] | mmuwalk, pdbmap, pdbunmap | mmu.c |
//! | [`hole`], [`vmap`], [`vmapsync`] | findhole, vmapalloc, vmap, vunmap, vmapsync | mmu.c |
//! | [`shootdown`] | how CPUs make each other flush, the tick's part of it | vunmap, clock.c |
//! | [`slots`] | stale large entries in copied directories | – |
//! | [`pool`] | mmupdballoc, mmupdbfree, upallocpdb | mmu.c |
//! | [`switch`] | taskswitch, mmuswitch, flushmmu, mmuptefree | mmu.c |
//! | [`user`] | putmmu, mmurelease, flushpg | mmu.c |
#![no_std]
#![forbid(unsafe_code)]

pub mod arch;
pub mod entry;
pub mod error;
pub mod event;
pub mod hole;
pub mod kernelmap;
pub mod layout;
pub mod lock;
pub mod pool;
pub mod shootdown;
pub mod slots;
pub mod state;
pub mod switch;
pub mod tmpmap;
pub mod user;
pub mod variant;
pub mod vmap;
pub mod vmapsync;
pub mod walk;
