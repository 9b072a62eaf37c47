//! Chooses the variant of mmu386, hands the linker script to the linker, and builds the programs that
//! the kernel runs in ring 3, for the kernel's own target.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mmu386::variant::Fixes;

/// The type that a name of `MMU386_VARIANT` stands for.
fn variant(name: &str) -> Option<String> {
    let path = "mmu386::variant";
    match name {
        "seed" => Some(format!("{path}::Seed")),
        "upstream" => Some(format!("{path}::Upstream")),
        "fixed" => Some(format!("{path}::Fixed")),
        _ => {
            let fix = name.strip_prefix("fixed-")?;
            let (_, fixes) = Fixes::EACH.into_iter().find(|(known, _)| *known == fix)?;
            Some(format!("{path}::Minus<{}>", fixes.bits()))
        }
    }
}

/// The programs: binaries of the package in `user`.
const PROGRAMS: [&str; 9] =
    ["calls", "careless", "fuzz", "greedy", "hostile", "life", "planted", "registers", "segments"];

/// Builds the programs with the cargo and the compiler that build the kernel, in a target folder of
/// their own, as this folder is locked. Returns where they are.
fn programs(manifest: &Path, out: &Path) -> PathBuf {
    let set = |name: &str| env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}"));
    let target = out.join("programs");
    let mut cargo = Command::new(set("CARGO"));
    cargo.args(["build", "--offline", "--locked", "--package", "kernel-user", "--bins"]);
    cargo.args(["--profile", "user", "-Zbuild-std=core", "-Zjson-target-spec"]);
    cargo.args(["-Zbuild-std-features=compiler-builtins-mem", "--target"]);
    cargo.arg(manifest.join("i686-mmu386.json")).current_dir(manifest.join(".."));
    cargo.env("CARGO_TARGET_DIR", &target).env("RUSTC", set("RUSTC"));
    // Of this build, not of that one.
    for name in
        ["CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "CLIPPY_ARGS"]
    {
        cargo.env_remove(name);
    }
    let status = cargo.status().expect("cargo can be started");
    assert!(status.success(), "the programs for ring 3 cannot be built: {status}");
    target.join("i686-mmu386/user")
}

fn main() {
    println!("cargo::rerun-if-env-changed=MMU386_VARIANT");
    println!("cargo::rerun-if-changed=kernel.ld");
    let manifest = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let script = Path::new(&manifest).join("kernel.ld");
    println!("cargo::rustc-link-arg-bins=-T{}", script.display());

    let name = env::var("MMU386_VARIANT").unwrap_or_else(|_| "fixed".to_owned());
    let Some(path) = variant(&name) else {
        let fixes = Fixes::EACH.map(|(fix, _)| fix).join(", fixed-");
        panic!("MMU386_VARIANT={name}: unknown; known are seed, upstream, fixed, fixed-{fixes}");
    };
    let text = format!(
        "/// The variant of mmu386 that this kernel runs.\npub type Variant = {path};\n\
         /// Its name.\npub const NAME: &str = {name:?};\n"
    );
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("variant.rs"), text).expect("OUT_DIR is writable");

    for source in ["abi", "user", "i686-mmu386.json"] {
        println!("cargo::rerun-if-changed={source}");
    }
    let folder = programs(Path::new(&manifest), &out);
    let rows = PROGRAMS.map(|name| {
        let file = folder.join(name);
        format!("    ({name:?}, include_bytes!({file:?})),\n")
    });
    let text = format!(
        "/// The programs for ring 3, by name.\npub const PROGRAMS: &[(&str, &[u8])] = &[\n{}];\n",
        rows.concat()
    );
    fs::write(out.join("programs.rs"), text).expect("OUT_DIR is writable");
}
