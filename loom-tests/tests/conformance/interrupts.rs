//! Where interrupts come \[M8\]: SDM vol. 3, 6.8.1, and Plan 9's splhi and splx.
//!
//! CPU 0 has cached what page 0 led to, A, and has been asked to flush. Its next interrupt does, and
//! from then on page 0 is what its entry leads to now, B. If it has answered before that changes,
//! nothing drops A any more.

use mmu386::arch::Arch;

use crate::bench::{A, At, B, Bench, Body, C, expect, seen, seen_by_loom};

/// CPU 0 loads CR3 before it starts, so that its translation goes stale in the body only.
fn asked(at: &At<'_>) {
    at.set_page(0, A);
    at.cpu.store(&at.cpu.system().flushgen, 1);
}

/// Makes the translation stale.
fn stale(at: &At<'_>) {
    at.set_page(0, B);
}

fn always(bodies: &'static [Body], wanted: &[&str]) {
    for tso in [false, true] {
        expect(tso, true, asked, bodies, wanted);
    }
}

#[test]
fn none_comes_between_splhi_and_splx() {
    const HIGH: &[Body] = &[|at| {
        let level = at.cpu.splhi();
        stale(at);
        at.fence();
        let first = at.uses(0);
        at.fence();
        let second = at.uses(0);
        at.cpu.load(&at.cpu.mach(0).flushed);
        let third = at.uses(0);
        at.cpu.splx(level);
        format!("{first} {second} {third}")
    }];
    always(HIGH, &["AB AB AB"]);
}

#[test]
fn one_comes_before_and_after_each_access_otherwise() {
    const LOW: &[Body] = &[|at| {
        // All at once, so that the stores are no places for interrupts.
        let level = at.cpu.splhi();
        stale(at);
        at.fence();
        at.cpu.splx(level);
        let first = at.uses(0);
        at.fence();
        let second = at.uses(0);
        // A word that the handler writes: before others, an interrupt is the same as after.
        at.cpu.load(&at.cpu.mach(0).flushed);
        let third = at.uses(0);
        // The last moment is just before they go off.
        at.cpu.splhi();
        format!("{first} {second} {third} {}", at.uses(0))
    }];
    always(LOW, &["AB AB AB AB", "AB AB AB B", "AB AB B B", "AB B B B"]);
}

/// loom leaves out every stray tick that would find nothing. What is left comes to all that the
/// explorer shows.
#[test]
fn loom_leaves_out_no_tick_that_would_find_something() {
    const ASKED: &[Body] = &[
        |at| {
            let level = at.cpu.splhi();
            stale(at);
            at.fence();
            at.cpu.splx(level);
            let first = at.uses(0);
            at.fence();
            let second = at.uses(0);
            at.cpu.splhi();
            format!("{first} {second} {}", at.uses(0))
        },
        |at| {
            at.cpu.fetch_add(&at.cpu.system().flushgen, 1);
            String::new()
        },
    ];
    let begin: fn(&At<'_>) = |at| at.set_page(0, A);
    let wanted = ["AB AB AB", "AB AB B", "AB B B"];
    expect(false, true, begin, ASKED, &wanted);
    assert_eq!(seen_by_loom(begin, ASKED), wanted.map(String::from).into());
}

/// A word that only its CPU stores to costs that CPU no step to load, and others see each store of it.
#[test]
fn loom_sees_all_of_words_with_one_writer() {
    const EACH_ITS_OWN: &[Body] = &[
        |at| {
            at.set_page(0, A);
            let others = at.page(1);
            at.set_page(0, B);
            format!("{}{others}{} ", at.page(0), at.page(1))
        },
        |at| {
            let before = at.page(0);
            at.set_page(1, C);
            format!("{before}{}{}", at.page(0), at.page(1))
        },
    ];
    let nothing: fn(&At<'_>) = |_| {};
    let by_explorer = seen(false, true, nothing, EACH_ITS_OWN);
    assert!(by_explorer.len() > 5, "{by_explorer:?}");
    assert_eq!(seen_by_loom(nothing, EACH_ITS_OWN), by_explorer);
}

/// What CPU 1 does: it sets page 1, and says in page 5 if it has not seen the flag by then.
fn sets_page_and_looks(at: &At<'_>) -> String {
    at.set_page(1, C);
    at.fence();
    if at.flag() == 0 {
        at.set_page(5, C);
    }
    String::new()
}

/// Whether this CPU finds the flag, then page 1 set, then whether CPU 1 has missed the flag.
fn looks(at: &At<'_>) -> String {
    format!("{} {} {}", at.flag(), at.page(1), at.page(5))
}

/// CPU 0 sets the flag and a device interrupts it: one of the two before the other `looks`. A CPU that finds the flag has
/// stored it to memory, so if page 1 is not set by then, CPU 1 finds it as well: all but `1 - C`. Without the interrupt or
/// IRET in between, that would be seen, too.
fn drained(device: Body, bodies: &'static [Body]) {
    let bench = Bench { interrupts: true, device: Some(device), ..Bench::PLAIN };
    let all = ["0 - -", "0 - C", "0 C -", "0 C C", "1 - -", "1 C -", "1 C C"];
    bench.always(|_| {}, bodies, &all);
}

/// M2; "Store Buffer" in the chapter on caches.
#[test]
fn an_interrupt_waits_until_the_store_buffer_is_empty() {
    const STORES: &[Body] = &[
        |at| {
            at.set_flag();
            at.fence();
            String::new()
        },
        sets_page_and_looks,
    ];
    drained(looks, STORES);
}

/// M2; 9.3.
#[test]
fn the_return_from_an_interrupt_waits_until_the_store_buffer_is_empty() {
    const LOOKS: &[Body] = &[looks, sets_page_and_looks];
    let stores: Body = |at| {
        at.set_flag();
        String::new()
    };
    drained(stores, LOOKS);
}

/// What the two before rest on: nothing else between the store and the looks keeps it from waiting.
#[test]
fn without_an_interrupt_the_store_may_wait() {
    const NONE: &[Body] = &[
        |at| {
            at.set_flag();
            looks(at)
        },
        sets_page_and_looks,
    ];
    expect(false, false, |_| {}, NONE, &["1 - -", "1 C -", "1 C C"]);
    expect(true, false, |_| {}, NONE, &["1 - -", "1 - C", "1 C -", "1 C C"]);
}
