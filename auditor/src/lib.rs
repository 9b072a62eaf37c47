//! The auditor of the address space: what must hold of page directories, page tables, TLBs and the
//! lists of pages, whatever machine they are on.
//!
//! An oracle shares no code with what it judges, so this crate knows entries, layout and rules by
//! itself and depends on nothing. A machine shows itself through [`View`], which is plain data and
//! cannot be written through. What the truth is, the machine does not know: the harness keeps the
//! [`Ledger`] around its calls. [`audit()`] compares the two, and reports each difference as a
//! [`Violation`] of a [`Property`].
//!
//! Physical addresses are `u32`; a frame is named by the address of its first byte, a page by the
//! virtual address of its first byte. Any address of the page means the page.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod audit;
mod entry;
mod facts;
mod ledger;
mod property;
mod rules;
mod view;

pub use audit::{audit, audit_only};
pub use ledger::{Access, Ledger, Overlap, Unmapping};
pub use property::{Property, Subject, Violation};
pub use view::{Cpu, Layout, Page, Process, Temporary, Translation, View};
