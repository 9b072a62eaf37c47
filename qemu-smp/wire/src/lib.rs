#![no_std]
//! The lines that the kernel and the harness exchange.
