//! The auditor against machines whose every fault is known.

mod excuses;
mod ledger;
mod pace;
mod rules;
mod world;
