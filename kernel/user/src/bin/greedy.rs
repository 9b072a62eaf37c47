//! Takes more and more memory, and has a child that does the same with a copy of what there is. Words:
//! pages, generations to come. What it finds wrong in its memory it reports.
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
    let (pages, mut generations) = (words[0], words[1]);
    // SAFETY: one thread, and no reference.
    unsafe { (&raw mut START).write_volatile(2) };
    assert!(user::brk(page(pages)) == Ok(0));
    let mut children = 0;
    fill(0, pages / 4, user::getpid() << 16);
    while generations > 0 {
        generations -= 1;
        match user::fork() {
            Ok(0) => children = 0,
            Ok(_) => {
                children += 1;
                break;
            }
            Err(_) => break,
        }
    }
    // One page after the other, so that all are in need together.
    for n in 0..pages {
        fill(n, n + 1, user::getpid() << 16);
    }
    fill(0, pages, user::getpid() << 16);
    for _ in 0..children {
        assert!(user::await_child().is_ok());
    }
    0
}
