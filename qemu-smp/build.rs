//! Compiles `steady`, which makes a QEMU whose instructions are counted come back. Where the host is not
//! Linux with glibc the library is empty, and the harness does without and says why.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=steady");
    let library =
        PathBuf::from(env::var_os("OUT_DIR").expect("cargo names it")).join("libsteady.so");
    let target = |what: &str| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    let without = match (target("OS").as_str(), target("ENV").as_str()) {
        ("linux", "gnu") => "",
        ("linux", _) => {
            "the library that makes QEMU's threads take turns is for glibc, and this host has another C library"
        }
        _ => "only on Linux can QEMU's threads be made to take turns",
    };
    println!("cargo::rustc-env=STEADY_WITHOUT={without}");
    if !without.is_empty() {
        std::fs::write(&library, []).expect("OUT_DIR can be written");
        return;
    }
    let mut rustc = Command::new(env::var_os("RUSTC").expect("cargo names it"));
    rustc.args(["--crate-name", "steady", "--crate-type", "cdylib", "--edition", "2024"]);
    rustc.args(["-C", "panic=abort", "-C", "opt-level=2", "-C", "strip=symbols", "-o"]);
    let built = rustc.arg(&library).arg("steady/lib.rs").status();
    assert!(built.is_ok_and(|status| status.success()), "steady/lib.rs cannot be compiled");
}
