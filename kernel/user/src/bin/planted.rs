//! Says that its memory is not as it had to be, and ends with a status that is not 0: what a program does that
//! a broken kernel was under.
#![no_std]
#![no_main]

use kernel_user as user;

#[unsafe(no_mangle)]
fn main(_: &[u32]) -> u32 {
    static mut WORD: u32 = 0;
    let va = &raw mut WORD;
    // SAFETY: this program has one thread.
    unsafe { va.write_volatile(1) };
    // SAFETY: as above.
    let seen = unsafe { va.read_volatile() };
    if seen != 2 {
        user::report(va as u32, 2, seen);
    }
    1
}
