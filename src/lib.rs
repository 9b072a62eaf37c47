//! mmu386
#![no_std]
#![forbid(unsafe_code)]
