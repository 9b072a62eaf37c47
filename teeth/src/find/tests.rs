use super::*;

/// What the mutants of the body of a function change, in a file.
fn in_file(file: &str, text: &str) -> Vec<String> {
    let source = Source { file: file.to_owned(), text: text.to_owned() };
    let mutants = find(&[source]).unwrap();
    mutants
        .iter()
        .map(|mutant| {
            let dead = if mutant.in_fixed { "" } else { " (not in Fixed)" };
            format!("{}: {} -> {}{dead}", mutant.operator, mutant.before, mutant.after)
        })
        .collect()
}

fn of(body: &str) -> Vec<String> {
    in_file("src/a.rs", &format!("fn f(arch: &A) {{ {body} }}"))
}

#[test]
fn fences_and_stores_are_removed() {
    assert_eq!(of("arch.fence();"), ["fence removed: arch.fence(); -> (nothing)"]);
    assert_eq!(of("arch.store(&x, 1);"), ["store removed: arch.store(&x, 1); -> (nothing)"]);
    assert_eq!(
        of("self.arch.store(&x, 1);"),
        ["store removed: self.arch.store(&x, 1); -> (nothing)"]
    );
    assert!(of("map.store(&x, 1);").is_empty(), "not the machine's");
}

#[test]
fn locked_operations_become_a_load_and_a_store() {
    assert_eq!(
        of("let old = arch.swap(&x, 1);"),
        ["LOCK weakened: arch.swap(&x, 1) -> \
          { let word = &x; let old = arch.load(word); arch.store(word, 1); old }"]
    );
    assert_eq!(
        of("let n = arch.fetch_add(&x, 2);"),
        ["LOCK weakened: arch.fetch_add(&x, 2) -> \
          { let word = &x; let old = arch.load(word); arch.store(word, old.wrapping_add(2)); old }"]
    );
}

#[test]
fn counters_stay_as_they_are() {
    let kept = |body| {
        of(body).into_iter().filter(|line| line.starts_with("counter kept")).collect::<Vec<_>>()
    };
    assert_eq!(
        kept("arch.fetch_add(&x, 1);"),
        ["counter kept: arch.fetch_add(&x, 1); -> (nothing)"]
    );
    assert_eq!(
        kept("let n = arch.fetch_add(&x, 1);"),
        ["counter kept: arch.fetch_add(&x, 1) -> arch.load(&x)"]
    );
    for change in ["m.n.set(m.n.get() - 1);", "m.n.set(m.n.get().wrapping_add(1));", "*n += 1;"] {
        assert_eq!(kept(change), [format!("counter kept: {change} -> (nothing)")]);
    }
    assert_eq!(kept("count(arch, |n| n + 1);"), ["counter kept: n + 1 -> n"]);
    assert!(kept("m.n.set(o.n.get() + 1); *n += 2;").is_empty());
}

#[test]
fn flushes_and_calls_are_removed_where_their_result_is_not_used() {
    let text = "fn f(arch: &A) { arch.putcr3(x); sweep_own(arch); helper(arch); outside(); \
                let kept = value(arch); match kept { 1 => helper(arch), _ => flushpg(arch, 1) } }
                fn helper(arch: &A) {} fn value(arch: &A) -> u32 { tail(arch); 1 }
                fn tail(arch: &A) {} fn flushpg(arch: &A, va: u32) { return helper(arch); }";
    let removed: Vec<String> =
        in_file("src/a.rs", text).into_iter().filter(|line| line.ends_with("(nothing)")).collect();
    assert_eq!(
        removed,
        [
            "flush removed: arch.putcr3(x); -> (nothing)",
            "flush removed: sweep_own(arch); -> (nothing)",
            "call removed: helper(arch); -> (nothing)",
            "call removed: helper(arch) -> (nothing)",
            "flush removed: flushpg(arch, 1) -> (nothing)",
            "call removed: tail(arch); -> (nothing)",
            "call removed: helper(arch) -> (nothing)",
        ]
    );
}

#[test]
fn levels_stay_as_they_are() {
    assert_eq!(
        of("let level = arch.splhi();"),
        ["level kept: arch.splhi() -> \
          if arch.islo() { crate::arch::Spl::Lo } else { crate::arch::Spl::Hi }"]
    );
    assert_eq!(of("arch.splx(level);"), ["level kept: arch.splx(level); -> (nothing)"]);
}

#[test]
fn locks_are_not_taken_or_dropped_at_once() {
    assert_eq!(
        of("let _held = s.lock.ilock(arch);"),
        [
            "lock not taken: s.lock.ilock(arch) -> None",
            "lock dropped at once: s.lock.ilock(arch) -> drop(s.lock.ilock(arch)); None",
        ]
    );
}

#[test]
fn loops_that_wait_are_left_and_others_are_not() {
    let left =
        |body| of(body).into_iter().filter(|line| line.starts_with("wait loop left")).count();
    assert_eq!(left("while arch.load(&x) != 0 { arch.relax(&[(&x, 1)]); }"), 1);
    assert_eq!(left("loop { if done() { return; } wait_turn(arch, &[]); }"), 1);
    assert_eq!(left("for n in 0..4 { arch.sched(&[]); }"), 1);
    assert_eq!(left("for n in 0..4 { go(n); }"), 0);
    let text = "fn f(arch: &A) { for n in each() { wait_for(arch, n); } }
                fn wait_for(arch: &A, n: usize) { loop { arch.relax(&[]); } }";
    let lines = in_file("src/a.rs", text);
    assert_eq!(
        lines.len(),
        2,
        "a loop around what waits, and no mutant without its wait: {lines:?}"
    );
}

#[test]
fn statements_change_places_where_names_allow_it() {
    let moved = |body| {
        of(body).into_iter().filter(|line| line.starts_with("exchanged")).collect::<Vec<_>>()
    };
    assert_eq!(
        moved("arch.store(&x, 1); arch.trace(E); arch.putcr3(p);"),
        ["exchanged: arch.store(&x, 1); arch.putcr3(p); -> arch.putcr3(p); arch.store(&x, 1);"],
        "what only tells is no step"
    );
    assert_eq!(
        moved("arch.store(&x, 1); if !fixes.has(Fixes::A1) { go(); } arch.fence();"),
        ["exchanged: arch.store(&x, 1); arch.fence(); -> arch.fence(); arch.store(&x, 1);"],
        "what Fixed lacks is no step"
    );
    assert_eq!(moved("let a = arch.load(&x); arch.store(&y, a);").len(), 0, "a is used");
    assert_eq!(moved("let a = arch.load(&x); arch.store(&y, 1);").len(), 1);
    assert_eq!(moved("go(); gone();").len(), 0, "neither is one of those");
    assert_eq!(moved("arch.store(&x, 1); return;").len(), 0);
    assert_eq!(
        moved("let level = arch.splhi(); let n = arch.load(&x);"),
        ["exchanged: let level = arch.splhi(); let n = arch.load(&x); -> \
          let n = arch.load(&x); let level = arch.splhi();"]
    );
    assert_eq!(moved("let level = arch.splhi(); let n = take(level);").len(), 0);
}

#[test]
fn conditions_are_turned_round() {
    assert_eq!(
        of("if arch.load(&x) == 0 { go(); }"),
        ["negated: arch.load(&x) == 0 -> arch.load(&x) != 0"]
    );
    assert_eq!(of("if !done { go(); }"), ["negated: !done -> done"]);
    assert_eq!(of("while more() { go(); }"), ["negated: more() -> !(more())"]);
    assert_eq!(
        of("if let Some(x) = y && x > 1 && ok { go(); }"),
        ["negated: x > 1 -> x <= 1", "boundary: x > 1 -> x >= 1", "negated: ok -> !(ok)"]
    );
    assert_eq!(of("match x { Some(y) if y.ok => 1, _ => 2 };"), ["negated: y.ok -> !(y.ok)"]);
    assert_eq!(of("let a = x as i32 >= 0;"), ["boundary: x as i32 >= 0 -> (x as i32) > 0"]);
}

#[test]
fn in_the_handshake_every_comparison_is_turned_round() {
    let text = "fn f() -> bool { a.b(|n| n & 1 != 0) }";
    assert_eq!(in_file("src/shootdown/a.rs", text), ["negated: n & 1 != 0 -> n & 1 == 0"]);
    assert!(in_file("src/a.rs", text).is_empty());
}

#[test]
fn tests_are_left_alone_and_what_fixed_lacks_is_marked() {
    assert!(in_file("src/a.rs", "#[cfg(test)] mod tests { fn f() { arch.fence(); } }").is_empty());
    assert_eq!(
        of("if fixes.has(Fixes::A1) { arch.fence(); } else { arch.store(&x, 1); }")[1..],
        [
            "fence removed: arch.fence(); -> (nothing)",
            "store removed: arch.store(&x, 1); -> (nothing) (not in Fixed)"
        ]
    );
}

#[test]
fn mutants_are_numbered_in_the_order_of_the_source_and_say_where_they_are() {
    let text = "impl A for B {\n    fn f(arch: &C) {\n        arch.fence();\n        if a < b {}\n    }\n}\n";
    let source = |file: &str| Source { file: file.to_owned(), text: text.to_owned() };
    let mutants = find(&[source("src/a.rs"), source("src/b.rs")]).unwrap();
    let places: Vec<(usize, String, &str)> =
        mutants.iter().map(|it| (it.id, it.place(), it.function.as_str())).collect();
    assert_eq!(places[0], (1, "src/a.rs:3".to_owned(), "B::f"));
    assert_eq!(
        places[1],
        (2, "src/a.rs:3".to_owned(), "B::f"),
        "the fence exchanged with the branch"
    );
    assert_eq!(places[2].1, "src/a.rs:4");
    assert_eq!(places.last().unwrap().1, "src/b.rs:4");
    let ids: Vec<usize> = mutants.iter().map(|it| it.id).collect();
    assert_eq!(ids, (1..=mutants.len()).collect::<Vec<_>>());
}
