//! Hands the linker script to the linker.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=user.ld");
    let manifest = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let script = Path::new(&manifest).join("user.ld");
    println!("cargo::rustc-link-arg-bins=-T{}", script.display());
}
