//! The auditor against machines whose every fault is known.

mod excuses;
mod pace;
mod rules;
mod world;
