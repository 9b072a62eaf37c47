//! What loom checks is, token for token, what the kernel runs: shown, not stated.

use std::path::{Path, PathBuf};

use cargo_metadata::DependencyKind::{Development, Normal};
use cargo_metadata::{MetadataCommand, Package};
use proc_macro2::{TokenStream, TokenTree};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn packages() -> Vec<Package> {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).other_options(vec!["--offline".into()]);
    command.no_deps().exec().expect("cargo metadata answers").packages
}

fn sources() -> Vec<PathBuf> {
    fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in folder.read_dir().expect("src is a folder") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                collect(&path, files);
            } else {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    assert!(files.len() > 10, "the sources were found");
    files
}

/// Identifiers of a file that no test module holds.
fn identifiers(tokens: TokenStream, found: &mut Vec<String>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < trees.len() {
        if is_cfg_test(&trees[at..]) {
            // #[cfg(test)] mod tests { ... }
            at += 5;
            continue;
        }
        match &trees[at] {
            TokenTree::Group(group) => identifiers(group.stream(), found),
            // A lifetime is a quote and a word.
            TokenTree::Punct(punct) if punct.as_char() == '\'' => at += 1,
            TokenTree::Ident(ident) => found.push(ident.to_string()),
            _ => {}
        }
        at += 1;
    }
}

/// Whether `#[cfg(test)] mod name { ... }` starts here.
fn is_cfg_test(trees: &[TokenTree]) -> bool {
    let texts: Vec<String> = trees.iter().take(4).map(ToString::to_string).collect();
    matches!(&texts[..], [hash, attribute, module, name]
        if hash == "#" && attribute.replace(' ', "") == "[cfg(test)]" && module == "mod" && name == "tests")
}

/// Nothing in the core can compile differently for the checker and for the kernel, or reach around
/// `Arch`.
#[test]
fn the_core_cannot_tell_who_runs_it() {
    const FORBIDDEN: [&str; 18] = [
        "debug_assert",
        "debug_assert_eq",
        "debug_assert_ne",
        "include_bytes",
        "global_asm",
        "naked_asm",
        "thread_local",
        "file",
        "cfg",
        "cfg_attr",
        "cfg_select",
        "env",
        "option_env",
        "include",
        "include_str",
        "static",
        "asm",
        "loom",
    ];
    for file in sources() {
        assert_eq!(file.extension().and_then(|e| e.to_str()), Some("rs"), "{}", file.display());
        let text = std::fs::read_to_string(&file).expect("a source can be read");
        let tokens: TokenStream = text.parse().expect("a source is Rust");
        let mut found = Vec::new();
        identifiers(tokens, &mut found);
        for (at, word) in found.iter().enumerate() {
            assert!(!FORBIDDEN.contains(&word.as_str()), "{} uses `{word}`", file.display());
            let forbids = at > 0 && found[at - 1] == "forbid";
            assert!(word != "unsafe" || forbids, "{} uses unsafe", file.display());
        }
    }
}

/// Both worlds compile the same package from the same place, and there is nothing about it to choose.
#[test]
fn models_and_kernel_compile_the_same_package() {
    let packages = packages();
    let named = |name: &str| packages.iter().find(|p| *p.name == *name).expect("a member");
    let core = named("mmu386");
    assert!(core.features.is_empty(), "a feature could change the code");
    assert!(core.targets.iter().all(|target| !target.is_custom_build()), "a build script could");
    let used = core.dependencies.iter().filter(|d| d.kind != Development);
    assert_eq!(used.count(), 0, "a dependency's features could");
    for user in ["kernel", "loom-tests"] {
        let user = named(user);
        let uses: Vec<_> =
            user.dependencies.iter().filter(|d| d.name == "mmu386" && d.kind == Normal).collect();
        let [uses] = uses[..] else { panic!("{} uses mmu386 once", user.name) };
        assert_eq!(uses.path.as_deref().map(|p| p.as_std_path()), Some(root()));
        assert!(uses.rename.is_none() && uses.target.is_none() && uses.features.is_empty());
    }
}

/// An oracle shares no code with what it judges.
#[test]
fn the_auditor_uses_nothing() {
    let packages = packages();
    let auditor = packages.iter().find(|p| *p.name == "mmu386-auditor").expect("a member");
    let used: Vec<&str> = auditor.dependencies.iter().map(|d| d.name.as_str()).collect();
    assert!(used.is_empty(), "{used:?}");
    assert!(auditor.features.is_empty() && auditor.targets.iter().all(|t| !t.is_custom_build()));
}

/// The compiler itself says which files it read for each world: all of src, and nothing else. A world
/// that was not built yet has nothing to say; `cargo smp test` builds both before it comes here.
#[test]
fn both_worlds_read_the_same_files() {
    let mut all = sources();
    all.sort();
    for world in ["target/debug/deps", "target/kernel/i686-mmu386/release/deps"] {
        let Ok(folder) = root().join(world).read_dir() else {
            println!("{world}: not built, nothing to compare");
            continue;
        };
        let newest = folder
            .filter_map(Result::ok)
            .filter(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                name.starts_with("libmmu386-") && name.ends_with(".rlib")
            })
            .max_by_key(|entry| entry.metadata().and_then(|data| data.modified()).ok());
        let Some(library) = newest else { continue };
        let name = library.file_name().to_string_lossy().replace(".rlib", ".d");
        let listing = library.path().with_file_name(name.trim_start_matches("lib"));
        let text = std::fs::read_to_string(&listing).expect("dep-info lies beside the library");
        let rule = text.lines().find(|line| line.contains(".rlib: ")).expect("a rule");
        let (_, files) = rule.split_once(": ").expect("a rule has a colon");
        let mut read: Vec<PathBuf> =
            files.split_whitespace().map(|file| root().join(file)).collect();
        read.sort();
        assert_eq!(read, all, "{world}");
    }
}
