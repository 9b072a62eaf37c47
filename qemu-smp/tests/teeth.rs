//! `cargo smp teeth` over impostors of the models: who is killed, what passes, and what is written.

mod common;

use std::fs;

use common::{Finished, World, finish};
use serde_json::Value;

/// Three mutants: the fence, the store, and both exchanged; then one that Fixed does not have.
const SOURCE: &str = "\
fn f(arch: &A) {
    arch.fence();
    arch.store(&x, 1);
    if !fixes.has(Fixes::A1) {
        arch.putcr3(p);
    }
}
";
const HEAD: &str = "# Mutants that survive\n\n\
| file | function | operator | part of the change | why it survives |\n|---|---|---|---|---|\n";
const FENCE: &str = "| `src/lib.rs` | `f` | fence removed | `arch.fence();` | ";
const EXCHANGED: &str = "| `src/lib.rs` | `f` | exchanged | `arch.fence(); arch.store` | ";
const SAME: &str = "equivalent: nobody looks |\n";

/// A workspace with these rows in TEETH.md, whose models come to the places of all mutants.
fn world(rows: &str) -> World {
    let world = World::new();
    fs::create_dir_all(world.path("src")).unwrap();
    fs::write(world.path("src/lib.rs"), SOURCE).unwrap();
    fs::write(world.path("TEETH.md"), format!("{HEAD}{rows}")).unwrap();
    world
}

/// Runs with models that notice some mutants; `2:a1-model:rmw` is one that notices mutant 2.
fn teeth(world: &World, notice: &str, args: &[&str]) -> Finished {
    let mut smp = world.smp(&[&["teeth"], args].concat());
    smp.env("FAKE_REACHED", "1 2 3 4 5 6").env("FAKE_NOTICED", notice);
    finish(smp)
}

/// teeth.json.
fn written(world: &World) -> Value {
    let text = fs::read_to_string(world.path("target/teeth/teeth.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn fates(world: &World) -> Vec<String> {
    let mutants = written(world)["mutants"].as_array().unwrap().clone();
    mutants.iter().map(|it| it["fate"].as_str().unwrap().to_owned()).collect()
}
