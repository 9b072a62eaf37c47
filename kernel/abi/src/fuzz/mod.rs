//! Random programs for ring 3, each of which follows from a seed and a number: what a fuzzer runs, what the
//! kernel names when it breaks, and what the harness prints, without a copy of it on the way.
//!
//! | module | what is in it |
//! |---|---|
//! | `bytes` | the bytes of a program, and where they go |
//! | `shapes` | which things a random program does, in which order |
//! | `mild`, `harsh` | those things: one function for each kind |
//! | `words` | addresses, selectors, flags and arguments that mean something |
//! | `corpus` | programs that once broke the kernel, which every run begins with |

mod bytes;
mod corpus;
mod harsh;
mod mild;
mod shapes;
mod words;

pub use bytes::{MOST_BYTES, Program};
pub use corpus::CORPUS;
pub use words::data;

use crate::{USTKSIZE, USTKTOP};

/// Where a program lies: in a page of the stack's segment, which needs no symbol.
pub const CODE: u32 = USTKTOP - USTKSIZE + 0x2000;
/// Words that the program finds: names of programs, pointers, random words.
pub const DATA: u32 = CODE + 0x1000;
/// Memory that no program means to write, which its parent compares when the program is gone.
pub const WITNESS: u32 = CODE + 0x2000;
/// Where the program's own stack begins.
pub const STACK: u32 = CODE + 0x5000;

/// What the process that made a program says when the program's process is gone: 0, or one of these.
pub mod damage {
    /// There was no room for a child: nothing was tried.
    pub const NO_CHILD: u32 = 0x0F00_0001;
    /// A page that the child had a copy of is not as it was.
    pub const WITNESS: u32 = 0x0F00_0002;
    /// Neither is the page of the program.
    pub const CODE: u32 = 0x0F00_0003;
    /// Neither is the text that all share.
    pub const TEXT: u32 = 0x0F00_0004;
}

/// Numbers that follow from a seed.
pub struct Rng(u32);

impl Rng {
    /// Of one program of a run. Neighbours have nothing in common.
    pub fn new(seed: u32, number: u32) -> Rng {
        // The finalizer of MurmurHash3, on both numbers.
        let mut state = seed.wrapping_mul(0x9E37_79B9) ^ number.wrapping_add(0x7F4A_7C15);
        for _ in 0..2 {
            state ^= state >> 16;
            state = state.wrapping_mul(0x85EB_CA6B);
            state ^= state >> 13;
            state = state.wrapping_mul(0xC2B2_AE35);
            state ^= state >> 16;
        }
        Rng(state | 1)
    }

    /// Any word.
    pub fn word(&mut self) -> u32 {
        // Marsaglia's xorshift; the low bits of one step are poor, so each word takes two.
        let mut step = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 17;
            self.0 ^= self.0 << 5;
            self.0 >> 8
        };
        step() << 16 | step() & 0xFFFF
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u32) -> u32 {
        (self.word() >> 4) % n
    }

    /// Whether something that happens once in `n` times happens.
    pub fn once_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    /// One of several.
    pub fn of<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.below(some.len() as u32) as usize]
    }
}

/// The program with a number, of a run with a seed. The first are those of the [`CORPUS`], whatever the
/// seed.
pub fn program(seed: u32, number: u32) -> Program {
    if let Some((_, bytes)) = CORPUS.get(number as usize) {
        return Program::fixed(bytes);
    }
    shapes::random(&mut Rng::new(seed, number))
}

/// Whether a program runs in the process that made it, and not in a child of it.
pub fn alone(number: u32) -> bool {
    number as usize >= CORPUS.len() && number.is_multiple_of(8)
}
