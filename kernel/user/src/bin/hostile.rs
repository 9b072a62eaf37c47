//! x
#![no_std]
#![no_main]
use kernel_user as _;

#[unsafe(no_mangle)]
fn main(_words: &[u32]) -> u32 {
    0
}
