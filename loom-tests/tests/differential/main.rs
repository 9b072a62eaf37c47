//! The explorer on the model machine against a reference that shares no code with either, over whole small
//! programs of all that the machine offers.
//!
//! | room | what is in it |
//! |---|---|
//! | `program` | the programs, as data |
//! | `machine` | a program on the model machine, by the explorer |
//! | `reference`, `state`, `step`, `code` | an abstract machine that goes through all its states |
//! | `order` | what happens before what, which tells races in another way |
//! | `verdict` | what a program comes to, and how two answers differ |
//! | `compare` | the explorer's ways against the reference; shrinking |
//! | `generate` | random programs from a seed |
//! | `random` | a hundred of them, and thousands |
//! | `known` | programs that showed faults of the explorer |
//! | `mutants` | the explorer with a defect, which they have to see |

mod code;
mod compare;
mod generate;
mod known;
mod machine;
mod mutants;
mod order;
mod program;
mod random;
mod reference;
mod state;
mod step;
mod verdict;
