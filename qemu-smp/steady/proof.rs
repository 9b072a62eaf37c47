//! Says over a descriptor of the harness' that this library is there and what it stands in for is used, or
//! that turns were lost. Without the first word, or with the last one, nobody may promise that a run comes
//! back: the loader leaves out what it cannot open, and a QEMU whose threads are others takes no turns.

use std::ffi::c_int;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;

use crate::c::{Real, Write};

/// Names the descriptor in the environment.
const DESCRIPTOR: &str = "MMU386_STEADY";

/// The main loop waits through this library.
pub const MAIN_LOOP: u32 = 1;
/// So does a thread that executes CPUs.
pub const SLEEPER: u32 = 2;
/// QEMU's threads wake each other by descriptors that this library knows.
pub const NOTIFIER: u32 = 4;
const ALL: u32 = MAIN_LOOP | SLEEPER | NOTIFIER;
/// Turns were lost, and it was told.
const LOST: u32 = 8;

static SEEN: AtomicU32 = AtomicU32::new(0);
static WRITE: Real = Real::new(c"write");

/// One of the parts is used; says so when it is the last one.
pub fn seen(part: u32) {
    if SEEN.load(SeqCst) & part == 0 && SEEN.fetch_or(part, SeqCst) & ALL == ALL & !part {
        tell(b"steady\n");
    }
}

/// A turn did not come, or did not end: from here on the order is the host's.
pub fn lost() {
    if SEEN.fetch_or(LOST, SeqCst) & LOST == 0 {
        tell(b"lost\n");
    }
}

fn tell(word: &[u8]) {
    static TO: OnceLock<Option<c_int>> = OnceLock::new();
    let to = TO.get_or_init(|| std::env::var(DESCRIPTOR).ok()?.parse().ok());
    if let Some(to) = *to {
        // SAFETY: the type is C's, and the bytes are there. A descriptor that is none is refused.
        unsafe { WRITE.get::<Write>()(to, word.as_ptr().cast(), word.len()) };
    }
}
