//! The model machine and its engines against what the manuals say, over all outcomes of small programs.
//!
//! | room | what is in it |
//! |---|---|
//! | `shapes` | the classic programs over a few words, with all their outcomes |
//! | `differential` | random programs: the engines and `reference` must agree |
//! | `reference` | x86-TSO once more, by itself |
//! | `translation` | page table entries that change, TLBs, flushes |
//! | `interrupts` | where interrupts come |
//! | `bench` | CPUs that share a page table which no oracle judges |

mod bench;
mod differential;
mod interrupts;
mod marks;
mod reference;
mod shapes;
mod translation;
