//! Has many children and asks about none of them, or about all of them at the end; or asks for what the
//! kernel keeps until it has no more to give. Words: how many children, and what then.
#![no_std]
#![no_main]

use kernel_user as user;
use kernel_user::{BY2PG, Error};

/// Lives on until somebody ends it.
const STAYS: u32 = 0;
/// Asks about its children; status: how many there were to ask about.
const ASKS: u32 = 1;
/// Forks until there is no memory for that, and asks for all else that takes some.
const REFUSED: u32 = 2;

/// Has a heap before its child, and reaches for one page of it after the other.
const FAULTS: u32 = 3;
const PAGES: u32 = 200;

/// Data, so that the heap begins behind it.
static mut DATA: u32 = 1;

const SHARED: u32 = 0x4000_0000;

/// One more child, which ends at once. Waits for room among the processes.
fn bear() -> Result<u32, Error> {
    loop {
        match user::fork() {
            Ok(0) => user::exits(0),
            Err(Error::NoProcess) => user::sleep(0),
            result => return result,
        }
    }
}

fn heap() -> u32 {
    (&raw const DATA as u32 + 4).next_multiple_of(BY2PG)
}

fn faults() -> u32 {
    assert!(user::brk(heap() + PAGES * BY2PG).is_ok());
    assert!(bear().is_ok());
    for page in 0..PAGES {
        user::sleep(1);
        // SAFETY: the heap reaches that far, and nothing else is there.
        unsafe { ((heap() + page * BY2PG) as *mut u32).write_volatile(page) };
    }
    0
}

fn refused() -> u32 {
    while bear().is_ok() {
        // Some may be lost to asking late; that is not what is tried.
        let _ = user::await_child();
    }
    let place = user::global(0);
    let all = [
        bear(),
        user::brk(heap() + BY2PG),
        user::segattach(1, SHARED, BY2PG),
        user::descriptor(place, user::flat_data(0)),
        Err(user::exec("calls", &[7, 9])),
    ];
    all.iter().filter(|result| **result != Err(Error::NoMemory)).count() as u32
}

#[unsafe(no_mangle)]
fn main(words: &[u32]) -> u32 {
    // SAFETY: one thread, and no reference.
    unsafe { (&raw mut DATA).write_volatile(2) };
    match words[1] {
        REFUSED => return refused(),
        FAULTS => return faults(),
        _ => {}
    }
    for _ in 0..words[0] {
        assert!(bear().is_ok());
    }
    match words[1] {
        ASKS => (0..).take_while(|_: &u32| user::await_child().is_ok()).count() as u32,
        STAYS => loop {
            user::sleep(10);
        },
        other => other,
    }
}
