//! The model machine.
