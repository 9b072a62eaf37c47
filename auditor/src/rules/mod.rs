//! The rules, one function per property.

pub(crate) mod kmaps;
pub(crate) mod pages;
pub(crate) mod user;
pub(crate) mod vmap;
