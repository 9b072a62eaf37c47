//! A seeded mix of all that a process may do, which checks its memory all the while. Words: seed,
//! rounds, generation. What it finds wrong it reports.
#![no_std]
#![no_main]

use kernel_user as user;
use kernel_user::{BY2PG, Rng};

/// Pages of private memory.
const PAGES: usize = 3;
const WORDS: usize = BY2PG as usize / 4;
static mut MEMORY: [[u32; WORDS]; PAGES] = [[0; WORDS]; PAGES];

/// Most pages of heap.
const HEAP: u32 = 5;
/// The shared segment: its name, its address, its pages.
const NAME: u32 = 1;
const SHARED: u32 = 0x4000_0000;
const SHARED_PAGES: u32 = 6;
/// Processes of this generation have no children.
const LAST: u32 = 3;

struct Life {
    rng: Rng,
    rounds: u32,
    generation: u32,
    /// What each page of private memory must show; 0 before the first write.
    stamps: [u32; PAGES],
    heap: u32,
    attached: bool,
    children: u32,
}

fn load(va: u32) -> u32 {
    // SAFETY: the callers' segments reach that far; others may change shared memory.
    unsafe { (va as *const u32).read_volatile() }
}

fn store(va: u32, word: u32) {
    // SAFETY: as in `load`.
    unsafe { (va as *mut u32).write_volatile(word) };
}

fn demand(va: u32, expected: u32) {
    let seen = load(va);
    if seen != expected {
        user::report(va, expected, seen);
    }
}

/// A word of a page of private memory.
fn place(page: usize, word: usize) -> u32 {
    &raw const MEMORY as u32 + page as u32 * BY2PG + 4 * word as u32
}

fn heap_start() -> u32 {
    (&raw const MEMORY as u32 + PAGES as u32 * BY2PG).next_multiple_of(BY2PG)
}

impl Life {
    /// All private pages show what this process, or its parent before the fork, wrote last.
    fn check(&self) {
        for (page, stamp) in self.stamps.iter().enumerate() {
            demand(place(page, 0), *stamp);
            demand(place(page, WORDS - 1), *stamp);
        }
    }

    fn stamp(&mut self) {
        let page = self.rng.below(PAGES as u32) as usize;
        let stamp = (user::getpid() << 16) | (self.rng.below(0xFFFF) + 1);
        store(place(page, 0), stamp);
        store(place(page, WORDS - 1), stamp);
        self.stamps[page] = stamp;
    }

    /// What is there stays, what is new is clear.
    fn brk(&mut self) {
        let want = self.rng.below(HEAP + 1);
        if user::brk(heap_start() + want * BY2PG).is_err() {
            return;
        }
        for page in 0..want {
            let va = heap_start() + page * BY2PG;
            demand(va, if page < self.heap { page + 1 } else { 0 });
            store(va, page + 1);
        }
        self.heap = want;
    }

    fn attach(&mut self) {
        if self.attached {
            self.attached = user::segdetach(SHARED).is_err();
        } else {
            self.attached = user::segattach(NAME, SHARED, SHARED_PAGES * BY2PG).is_ok();
        }
    }

    /// A page of shared memory is clear, or has the tag that all write there.
    fn share(&mut self) {
        if !self.attached {
            return self.attach();
        }
        let page = self.rng.below(SHARED_PAGES);
        let (va, tag) = (SHARED + page * BY2PG, 0x5E00_0000 | page);
        match load(va) {
            0 => store(va, tag),
            seen if seen == tag => {}
            seen => user::report(va, tag, seen),
        }
    }

    fn free(&mut self) {
        if self.attached {
            let first = self.rng.below(SHARED_PAGES);
            let count = 1 + self.rng.below(SHARED_PAGES - first);
            // Only who has it may, and this process has.
            let freed = user::segfree(SHARED + first * BY2PG, count * BY2PG);
            assert!(freed.is_ok());
        }
    }

    /// A child goes on from here, or as another program.
    fn fork(&mut self) {
        if self.generation == LAST {
            return;
        }
        let seed = self.rng.below(u32::MAX);
        match user::fork() {
            Ok(0) => {
                self.check();
                self.generation += 1;
                self.rounds /= 2;
                self.children = 0;
                if seed.is_multiple_of(3) {
                    user::exec("life", &[seed, self.rounds, self.generation]);
                    panic!("exec");
                }
                self.rng = Rng::new(seed);
                user::exits(self.live());
            }
            Ok(_) => self.children += 1,
            // No room: others live instead.
            Err(_) => user::sleep(0),
        }
    }

    fn wait(&mut self) {
        if self.children > 0 {
            let (_, status) = user::await_child().expect("a child");
            assert!(status == 0);
            self.children -= 1;
        }
    }

    fn live(&mut self) -> u32 {
        for _ in 0..self.rounds {
            match self.rng.below(12) {
                0 | 1 => self.fork(),
                2 => self.wait(),
                3 | 4 => self.brk(),
                5 => self.free(),
                6 if self.rng.below(3) == 0 => self.attach(),
                7 => user::sleep(0),
                8 | 9 => self.stamp(),
                _ => self.share(),
            }
            self.check();
        }
        while self.children > 0 {
            self.wait();
            self.check();
        }
        0
    }
}

#[unsafe(no_mangle)]
fn main(words: &[u32]) -> u32 {
    let mut life = Life {
        rng: Rng::new(words[0]),
        rounds: words[1],
        generation: words[2],
        stamps: [0; PAGES],
        heap: 0,
        attached: false,
        children: 0,
    };
    life.live()
}
