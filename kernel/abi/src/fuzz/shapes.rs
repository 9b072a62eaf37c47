//! What a random program is made of.

use super::bytes::Program;
use super::words::word;
use super::{Rng, harsh, mild};

/// One thing that a program does.
type Shape = fn(&mut Program, &mut Rng);

/// What a process survives as a rule, and by which it changes what comes after.
const MILD: &[Shape] = &[
    mild::plausible_call,
    mild::plausible_call,
    mild::plausible_call,
    mild::wild_call,
    mild::descriptor,
    mild::own_segment,
    mild::flags,
    mild::store_into_itself,
    mild::tables,
    mild::count_down,
    mild::touch_own,
    mild::frame_that_returns,
];

/// What mostly ends it.
const HARSH: &[Shape] = &[
    harsh::segment_register,
    harsh::far_pointer,
    mild::flags,
    harsh::return_frame,
    harsh::far_transfer,
    harsh::ports,
    harsh::privileged,
    harsh::noise,
    harsh::noise,
    harsh::touch,
    harsh::stack_nowhere,
    harsh::interrupt,
    harsh::floating,
    harsh::strings,
    mild::wild_call,
    mild::own_segment,
    harsh::jump,
];

/// A random program: some mild things, then harsh ones.
pub fn random(rng: &mut Rng) -> Program {
    let registers = core::array::from_fn(|_| word(rng));
    let mut program = Program::empty(registers);
    for (shapes, most) in [(MILD, 10), (HARSH, 8)] {
        for _ in 0..rng.below(most) {
            if program.room() {
                rng.of(shapes)(&mut program, rng);
            }
        }
    }
    if rng.once_in(48) {
        // Does not end by itself.
        program.put(&[0xEB, 0xFE]);
    }
    program.end()
}
