//! A fault at a user address: the page is found or made, and mapped by putmmu.

use mmu386::error::PutmmuError;

use super::group::Cause;
use super::{life, own};
use crate::layout::PTEWRITE;
use crate::mach::up;
use crate::{book, heap, mmu, pages};

/// Makes the address accessible for the process that calls, or says why not.
///
/// Called by a process in ring 3 with interrupts on and no lock held; may sleep and wake on another CPU.
///
/// # Errors
/// What the process is to be killed for, unless the kernel reached there on its behalf; or what somebody
/// has ended it for while it waited.
pub fn fix(va: usize, write: bool) -> Result<(), Cause> {
    super::count(&super::FAULTS);
    let bad = Cause::BadAccess { va: va as u32, write };
    // The book remembers each page that a process sees.
    if heap::free() <= heap::LAST_RESERVE {
        return Err(Cause::NoMemory);
    }
    loop {
        // Before the look: what is taken away after it is noticed by putmmu (fix C1).
        let ticket = mmu::fault_begins();
        let (seg, index) = own().space.borrow().find(va).ok_or(bad)?;
        if write && seg.kind == super::seg::Kind::Text {
            return Err(bad);
        }
        let Some(found) = seg.page(index, write) else {
            return Err(life::doom().unwrap_or(Cause::NoMemory));
        };
        let pa = found.page.pa();
        if pages::number(found.page) >= pages::nlow() {
            super::count(&super::HIGH);
        }
        let flags = if found.writable { PTEWRITE } else { 0 };
        let result = mmu::putmmu(va, (pa | flags) as usize, ticket);
        let up = up().expect("a process runs").index();
        if result == Err(PutmmuError::Flushed) {
            super::count(&super::REFUSED);
            // The page may be gone. Without any mapping, nothing of what it showed here is left.
            mmu::flushmmu();
            book::with(|ledger| ledger.may_not_show(up, va as u32, pa));
        }
        if let Some(old) = found.old {
            // Replaced by putmmu, or dropped just now.
            book::with(|ledger| ledger.may_not_show(up, va as u32, old.pa()));
            super::page::put(old);
        }
        match result {
            Ok(()) => {
                mmu::checkfault(va, pa as usize);
                return Ok(());
            }
            Err(PutmmuError::Flushed) => {}
            Err(_) => return Err(bad),
        }
    }
}
