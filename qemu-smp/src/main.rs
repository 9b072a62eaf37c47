//! cargo smp
fn main() {}
