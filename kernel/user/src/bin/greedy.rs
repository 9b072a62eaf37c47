//! Takes memory, and then has a child that writes all of its copy of it, and has a child. Words: pages,
//! generations to come. What it finds wrong in its memory it reports.
#![no_std]
#![no_main]

use kernel_user as user;
use kernel_user::BY2PG;

/// Data, so that the heap begins behind it.
static mut START: u32 = 1;

fn page(n: u32) -> u32 {
    (&raw const START as u32 + 4).next_multiple_of(BY2PG) + n * BY2PG
}

/// Writes pages `from..to`, and looks at all below.
fn fill(from: u32, to: u32, tag: u32) {
    for n in from..to {
        // SAFETY: the heap reaches that far, and nothing else is there.
        unsafe { (page(n) as *mut u32).write_volatile(tag | n) };
    }
    for n in 0..to {
        // SAFETY: as above.
        let seen = unsafe { (page(n) as *const u32).read_volatile() };
        // Below `from` it is what this process or its parent wrote.
        let expected = if n >= from { tag | n } else { seen & !0xFFFF | n };
        if seen != expected {
            user::report(page(n), expected, seen);
        }
    }
}

#[unsafe(no_mangle)]
fn main(words: &[u32]) -> u32 {
    let (pages, generations) = (words[0], words[1]);
    // SAFETY: one thread, and no reference.
    unsafe { (&raw mut START).write_volatile(2) };
    assert!(user::brk(page(pages)) == Ok(0));
    for generation in 0..=generations {
        // All that the parent has, one page after the other; who has a child keeps it until that is gone.
        for n in 0..pages {
            fill(n, n + 1, user::getpid() << 16);
        }
        if generation < generations && user::fork().is_ok_and(|child| child != 0) {
            assert!(user::await_child().is_ok());
            break;
        }
    }
    fill(0, pages, user::getpid() << 16);
    0
}
