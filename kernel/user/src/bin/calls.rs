//! Every system call, as it is meant to be used, and what must be refused. Status: 0, or the line of
//! what did not hold.
#![no_std]
#![no_main]

use kernel_user as user;
use kernel_user::{BY2PG, Error, Rng, USTKTOP, UTZERO};

/// Data, so that the image has some.
static mut DATA: [u32; 3] = [1, 2, 3];
/// Several pages of bss.
static mut BSS: [u32; 3000] = [0; 3000];

#[unsafe(no_mangle)]
fn main(words: &[u32]) -> u32 {
    assert!(words == [7, 9]);
    assert!(user::getpid() != 0);
    let (data, bss) = (&raw mut DATA, &raw mut BSS);
    // SAFETY: there is one thread, and no other reference.
    let (data, bss) = unsafe { (&mut *data, &mut *bss) };
    assert!(data == &[1, 2, 3]);
    assert!(bss.iter().all(|word| *word == 0));
    let mut rng = Rng::new(words[0]);
    for word in bss.iter_mut() {
        *word = rng.below(1000);
    }
    let mut rng = Rng::new(words[0]);
    for word in bss.iter() {
        assert!(*word == rng.below(1000));
    }
    let deep = [rng.below(5); 4 * BY2PG as usize / 4];
    assert!(core::hint::black_box(&deep).iter().all(|word| *word < 5));
    user::sleep(0);
    user::sleep(2);
    assert!(user::write(b"ring 3 says hello") == Ok(17));
    assert!(user::await_child() == Err(Error::NoChild));
    family(bss);
    heap();
    programs();
    refused();
    0
}

/// A child sees its parent's memory as it was, and each only its own writes from then on.
fn family(memory: &mut [u32]) {
    memory[0] = 1;
    memory[1500] = 2;
    for round in 0..3 {
        let before = [memory[0], memory[1500]];
        match user::fork() {
            Ok(0) => {
                assert!([memory[0], memory[1500]] == before);
                memory[0] = 100 + round;
                user::sleep(0);
                assert!([memory[0], memory[1500]] == [100 + round, before[1]]);
                user::exits(40 + round);
            }
            Ok(child) => {
                memory[1500] += 1;
                assert!(user::await_child() == Ok((child, 40 + round)));
                assert!([memory[0], memory[1500]] == [before[0], before[1] + 1]);
            }
            Err(_) => panic!("fork"),
        }
    }
    assert!(user::await_child() == Err(Error::NoChild));
}

/// Where the heap begins: behind the last page of bss.
fn heap_start() -> u32 {
    let end = &raw const BSS as u32 + 4 * 3000;
    end.max(&raw const DATA as u32 + 12).next_multiple_of(BY2PG)
}

/// What grew is clear, also where it was used before.
fn heap() {
    let start = heap_start();
    for _ in 0..2 {
        assert!(user::brk(start + 5 * BY2PG - 8) == Ok(0));
        for page in 0..5 {
            let word = (start + page * BY2PG) as *mut u32;
            // SAFETY: the heap reaches that far, and nothing else is there.
            unsafe {
                assert!(word.read_volatile() == 0);
                word.write_volatile(page + 1);
                assert!(word.read_volatile() == page + 1);
            }
        }
        assert!(user::brk(start + 2 * BY2PG) == Ok(0));
        // SAFETY: as above.
        assert!(unsafe { ((start + BY2PG) as *const u32).read_volatile() } == 2);
        assert!(user::brk(start) == Ok(0));
    }
}

/// Another program in a child.
fn programs() {
    match user::fork() {
        Ok(0) => {
            assert!(user::exec("nothing", &[]) == Error::NoProgram);
            user::exec("registers", &[3, 1]);
            panic!("exec")
        }
        Ok(child) => assert!(user::await_child() == Ok((child, 0))),
        Err(_) => panic!("fork"),
    }
}

const SHARED: u32 = 0x4000_0000;

/// What is refused, and does no harm.
fn refused() {
    let start = heap_start();
    assert!(user::brk(start - 1) == Err(Error::BadArgument));
    assert!(user::brk(USTKTOP) == Err(Error::BadArgument));
    assert!(user::segattach(1, SHARED + 1, BY2PG) == Err(Error::BadArgument));
    assert!(user::segattach(1, 0, BY2PG) == Err(Error::BadArgument));
    assert!(user::segattach(1, UTZERO, BY2PG) == Err(Error::Overlap));
    assert!(user::segattach(1, USTKTOP, BY2PG) == Err(Error::BadArgument));
    assert!(user::segattach(1, SHARED, u32::MAX) == Err(Error::BadArgument));
    assert!(user::segdetach(UTZERO) == Err(Error::NoSegment));
    assert!(user::segfree(start, BY2PG) == Err(Error::NoSegment));
    assert!(user::write(&[b'x'; 97]) == Err(Error::BadArgument));
}
