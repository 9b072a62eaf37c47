//! Chooses the variant of mmu386 and hands the linker script to the linker.

use std::env;
use std::fs;
use std::path::Path;

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
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("variant.rs"), text).expect("OUT_DIR is writable");
}
