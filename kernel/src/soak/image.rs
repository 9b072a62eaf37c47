//! The kernel's own code and constants: nobody changes them, whatever processes in ring 3 try.

use core::ptr::addr_of;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::layout::KZERO;
use crate::tests::account::found;
use crate::tests::context::Context;

/// Beside what is never written, words in the middle of what is, with a pattern.
static TRIPWIRE: [AtomicU32; WORDS] = [const { AtomicU32::new(PATTERN) }; WORDS];
const WORDS: usize = 1024;
const PATTERN: u32 = 0x7E1D_50AC;

const CHANGED: &str = "the kernel's own code or constants have changed";

/// A digest of them.
pub struct Image(u32);

impl Image {
    /// As they are now.
    pub fn now() -> Image {
        unsafe extern "C" {
            static erodata: u8;
        }
        let words = (KZERO + 0x10_0000..addr_of!(erodata) as usize).step_by(4);
        // SAFETY: the kernel's own image, which every directory maps.
        let sum = words.fold(0, |sum: u32, va| sum.rotate_left(5) ^ unsafe { *(va as *const u32) });
        let tripwire = TRIPWIRE.iter().map(|word| word.load(Ordering::Relaxed));
        Image(tripwire.fold(sum, |sum, word| sum.rotate_left(5) ^ word))
    }

    /// Demands that they are as they were.
    pub fn compare(&self, context: &Context) {
        let Image(now) = Image::now();
        if now != self.0 {
            found(context, "isolation", 0, self.0, now, CHANGED);
        }
    }

    /// The control: changes a word while `look` looks.
    pub fn changed(look: impl FnOnce()) {
        TRIPWIRE[WORDS / 2].store(!PATTERN, Ordering::Relaxed);
        look();
        TRIPWIRE[WORDS / 2].store(PATTERN, Ordering::Relaxed);
    }
}
