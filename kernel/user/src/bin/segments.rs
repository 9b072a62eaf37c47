//! Words behind descriptors of its own, in the GDT and in a local table, through GS and FS: the process
//! finds them wherever it runs, and after every system call. Words: seed, rounds, generation. What it finds
//! wrong it reports.
#![no_std]
#![no_main]

use core::arch::{asm, global_asm};

use kernel_user as user;
use kernel_user::{GLOBAL, LOCAL, Rng};

/// Reads from one look at the clock to the next.
const READS: u32 = 3000;
/// Processes of this generation have no children.
const LAST: u32 = 2;
/// What comes back from code behind a descriptor.
const ANSWER: u32 = 0x0FAC_ADE5;

static mut WORDS: [u32; 3] = [0; 3];

global_asm!(
    r#"
    .text
    .global far_code
far_code:
    mov eax, {answer}
    retf
"#,
    answer = const ANSWER,
);

unsafe extern "C" {
    safe static far_code: u8;
}

fn at(word: u32) -> u32 {
    &raw const WORDS as u32 + 4 * word
}

fn load(word: u32) -> u32 {
    // SAFETY: one of this process's words.
    unsafe { (at(word) as *const u32).read_volatile() }
}

fn store(word: u32, value: u32) {
    // SAFETY: as in `load`.
    unsafe { (at(word) as *mut u32).write_volatile(value) };
}

/// The first word of GS's segment is word `n`, and of FS's word 1.
fn check(n: u32) {
    for (word, seen) in [(n, user::read_gs()), (1, user::read_fs())] {
        if seen != load(word) {
            user::report(at(word), load(word), seen);
        }
    }
}

fn set(selector: u32, descriptor: (u32, u32)) {
    assert!(user::descriptor(selector, descriptor) == Ok(0));
}

struct Process {
    rng: Rng,
    rounds: u32,
    generation: u32,
    global: u32,
    local: u32,
}

impl Process {
    /// Calls code behind a descriptor of this process.
    fn call_far(&self) {
        let selector = user::global((self.global + 1) % GLOBAL);
        set(selector, user::flat_code(0));
        let pointer = [&raw const far_code as u32, selector];
        let answer: u32;
        // SAFETY: the code changes EAX, and returns.
        unsafe {
            asm!("lcall *({0})", in(reg) &raw const pointer, out("eax") answer, options(att_syntax));
        }
        assert!(answer == ANSWER);
        set(selector, (0, 0));
        assert!(!user::readable(selector));
    }

    /// Moves the segment that GS holds: GS is cleared, and shows the new place when it is loaded again.
    fn shift(&self) {
        for word in [2, 0] {
            let selector = user::global(self.global);
            set(selector, user::data(at(word), 3));
            assert!(user::gs() == 0);
            user::load_gs(selector);
            check(word);
        }
    }

    /// A child finds what its parent had, and writes its own; another program finds nothing.
    fn fork(&mut self) {
        if self.generation == LAST {
            return;
        }
        let seed = self.rng.below(1 << 24);
        match user::fork() {
            Ok(0) => {
                check(0);
                let own = user::getpid() << 4 | 9;
                user::write_gs(own);
                assert!(load(0) == own);
                user::sleep(0);
                check(0);
                if seed.is_multiple_of(2) {
                    user::exec("segments", &[seed, self.rounds / 2, self.generation + 1]);
                    panic!("exec");
                }
                user::exits(0);
            }
            Ok(child) => {
                check(0);
                assert!(user::await_child() == Ok((child, 0)));
                check(0);
            }
            // No room: others live instead.
            Err(_) => user::sleep(0),
        }
    }
}

#[unsafe(no_mangle)]
fn main(words: &[u32]) -> u32 {
    // Neither who ran here before nor who was this process before has left any.
    assert!((0..GLOBAL).all(|n| !user::readable(user::global(n))));
    assert!((0..LOCAL).all(|n| !user::readable(user::local(n))));
    let pid = user::getpid();
    let [seed, rounds, generation] = [words[0], words[1], words[2]];
    let (global, local) = (pid % GLOBAL, pid / GLOBAL % LOCAL);
    let mut process = Process { rng: Rng::new(seed), rounds, generation, global, local };
    (0..3).for_each(|word| store(word, pid << 4 | word));
    set(user::global(global), user::data(at(0), 3));
    set(user::local(process.local), user::data(at(1), 3));
    user::load_gs(user::global(global));
    user::load_fs(user::local(local));
    for _ in 0..rounds {
        match process.rng.below(8) {
            0 => user::sleep(0),
            1 => process.shift(),
            2 => process.fork(),
            3 => process.call_far(),
            _ => (0..READS).for_each(|_| check(0)),
        }
        check(0);
    }
    0
}
