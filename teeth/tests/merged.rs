//! The copy that holds all mutants, compiled and run: each mutant does what it says, and the original
//! is among them.

use std::collections::BTreeSet;
use std::process::Command;

use teeth::{Merged, Mutant, Source, find};

/// A machine that writes down what it is asked for.
const MACHINE: &str = r#"
use std::cell::{Cell, RefCell};
mod mutant { pub fn on(id: usize) -> bool { std::env::var("ID").unwrap() == id.to_string() } }
mod arch { #[derive(Debug, Clone, Copy)] pub enum Spl { Lo, Hi } }
#[derive(Default)] struct A { said: RefCell<String>, hi: Cell<bool> }
impl A {
    fn say(&self, what: &str) { self.said.borrow_mut().push_str(what); }
    fn fence(&self) { self.say("fence "); }
    fn load(&self, word: &Cell<u32>) -> u32 { self.say("load "); word.get() }
    fn store(&self, word: &Cell<u32>, value: u32) { self.say("store "); word.set(value); }
    fn swap(&self, word: &Cell<u32>, value: u32) -> u32 { self.say("swap "); word.replace(value) }
    fn splhi(&self) -> arch::Spl { self.say("hi "); self.hi.set(true); arch::Spl::Lo }
    fn splx(&self, _: arch::Spl) { self.say("x "); self.hi.set(false); }
    fn islo(&self) -> bool { !self.hi.get() }
}
struct Lock; struct Guard<'a>(&'a A);
impl Lock { fn lock<'a>(&self, arch: &'a A) -> Guard<'a> { arch.say("lock "); Guard(arch) } }
impl Drop for Guard<'_> { fn drop(&mut self) { self.0.say("unlock "); } }
fn main() { let arch = A::default(); f(&arch); println!("{}", arch.said.borrow()); }
"#;

const CODE: &str = "fn f(arch: &A) {
    let word = Cell::new(0);
    let level = arch.splhi();
    let held = Lock.lock(arch);
    // Taken or not.
    let old = arch.swap(&word, 1);
    if zero(old) {
        arch.store(&word, 2);
        arch.fence();
    }
    drop(held);
    arch.splx(level);
}
const fn zero(old: u32) -> bool {
    old <= 0
}
";

fn mutants() -> Vec<Mutant> {
    find(&[Source { file: "src/a.rs".to_owned(), text: CODE.to_owned() }]).unwrap()
}

#[test]
fn each_mutant_does_what_it_says_and_the_original_is_kept() {
    let mutants = mutants();
    let merged = Merged::new("src/a.rs", CODE, &mutants, &BTreeSet::new()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("a.rs"), folder.path().join("a"));
    std::fs::write(&source, format!("{MACHINE}{}", merged.text)).unwrap();
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2024", "-A", "warnings", "-o"]).arg(&program).arg(&source);
    let said = rustc.output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let run = |id: usize| {
        let said = Command::new(&program).env("ID", id.to_string()).output().unwrap();
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    };
    const ORIGINAL: &str = "hi lock swap store fence unlock x";
    assert_eq!(run(0), ORIGINAL);
    let got: Vec<(String, String)> = mutants
        .iter()
        .map(|mutant| (format!("{}: {}", mutant.operator, mutant.before), run(mutant.id)))
        .collect();
    let expected = [
        ("level kept: arch.splhi()", "lock swap store fence unlock x"),
        (
            "exchanged: let level = arch.splhi(); let held = Lock.lock(arch);",
            "lock hi swap store fence unlock x",
        ),
        ("lock not taken: Lock.lock(arch)", "hi swap store fence x"),
        ("lock dropped at once: Lock.lock(arch)", "hi lock unlock swap store fence x"),
        (
            "exchanged: let held = Lock.lock(arch); let old = arch.swap(&word, 1);",
            "hi swap lock store fence unlock x",
        ),
        ("LOCK weakened: arch.swap(&word, 1)", "hi lock load store store fence unlock x"),
        ("negated: zero(old)", "hi lock swap unlock x"),
        ("boundary: old <= 0", "hi lock swap unlock x"),
        ("store removed: arch.store(&word, 2);", "hi lock swap fence unlock x"),
        ("exchanged: arch.store(&word, 2); arch.fence();", "hi lock swap fence store unlock x"),
        ("fence removed: arch.fence();", "hi lock swap store unlock x"),
        ("call removed: drop(held);", "hi lock swap store fence x unlock"),
        ("exchanged: drop(held); arch.splx(level);", "hi lock swap store fence x unlock"),
        ("level kept: arch.splx(level);", "hi lock swap store fence unlock"),
    ];
    for (what, done) in expected {
        let found = got.iter().find(|(name, _)| name == what);
        assert_eq!(found.map(|(_, done)| done.as_str()), Some(done), "{what}: {got:#?}");
    }
}

#[test]
fn a_place_of_the_copy_knows_its_mutants() {
    let mutants = mutants();
    let merged = Merged::new("src/a.rs", CODE, &mutants, &BTreeSet::new()).unwrap();
    let fence = mutants.iter().find(|it| it.operator.name() == "fence removed").unwrap().id;
    let at = merged.text.find(&format!("on({fence})")).unwrap();
    assert_eq!(merged.culprits(at..at + 3), [fence]);
    assert!(merged.culprits(0..2).is_empty(), "the original is nobody's");
}

#[test]
fn without_its_mutants_a_copy_is_the_original() {
    let mutants = mutants();
    let all = mutants.iter().map(|mutant| mutant.id).collect();
    assert_eq!(Merged::new("src/a.rs", CODE, &mutants, &all).unwrap().text, CODE);
}
