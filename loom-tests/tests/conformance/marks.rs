//! What walkers write into entries, as the code may find it. Rule M14 of MODEL.md; Intel SDM, vol. 3, 4.8.

use std::collections::BTreeSet;

use loom_tests::machine::Marks;
use mmu386::entry::PTEWRITE;

use crate::bench::{A, At, B, Body, seen_with};

/// Page 0 leads to A.
fn one_page(at: &At<'_>) {
    at.set_page(0, A);
}

/// The outcomes of a program, with and without store buffers.
fn always(marks: Marks, set_up: fn(&At<'_>), bodies: &'static [Body], wanted: &[&str]) {
    let wanted: BTreeSet<String> = wanted.iter().map(ToString::to_string).collect();
    for tso in [false, true] {
        assert_eq!(seen_with(marks, tso, false, set_up, bodies), wanted, "tso: {tso}");
    }
}

const TWICE: &[Body] = &[|at| format!("{} {}", at.marks(0), at.marks(0))];

#[test]
fn a_mark_comes_at_any_time_and_stays() {
    let wanted = ["- -", "- a", "- ad", "a a", "a ad", "ad ad"];
    always(Marks::AnyTime, one_page, TWICE, &wanted);
    always(Marks::Never, one_page, TWICE, &["- -"]);
    always(Marks::AtOnce, one_page, TWICE, &["ad ad"]);
}

#[test]
fn what_cannot_be_written_does_not_get_dirty() {
    let wanted = ["- -", "- a", "a a"];
    always(Marks::AnyTime, |at| at.set_page(0, A & !PTEWRITE), TWICE, &wanted);
}

#[test]
fn what_is_not_valid_is_not_marked() {
    always(Marks::AnyTime, |at| at.set_page(0, A & !1), TWICE, &["- -"]);
}

#[test]
fn what_nobody_can_walk_to_is_not_marked() {
    const UNREACHED: &[Body] = &[|at| {
        at.set_directory(0);
        at.load_cr3();
        at.set_page(0, A);
        at.fence();
        at.marks(0).into()
    }];
    always(Marks::AnyTime, |_| {}, UNREACHED, &["-"]);
}

fn tells_if_dirty(at: &At<'_>) -> String {
    if at.marks(0) == "ad" {
        at.set_flag();
    }
    String::new()
}

#[test]
fn a_mark_that_one_cpu_has_found_the_other_finds() {
    const AFTER: &[Body] = &[tells_if_dirty, |at| format!("{} {}", at.flag(), at.marks(0))];
    always(Marks::AnyTime, one_page, AFTER, &["0 -", "0 a", "0 ad", "1 ad"]);
}

#[test]
fn what_one_cpu_has_not_found_the_other_may_find_later() {
    const BEFORE: &[Body] = &[tells_if_dirty, |at| format!("{} {}", at.marks(0), at.flag())];
    let wanted = ["- 0", "- 1", "a 0", "a 1", "ad 0", "ad 1"];
    always(Marks::AnyTime, one_page, BEFORE, &wanted);
}

#[test]
fn a_store_takes_marks_away() {
    const STORED: &[Body] = &[|at| {
        let before = at.marks(0);
        at.set_page(0, 0);
        format!("{before} {}", at.marks(0))
    }];
    always(Marks::AnyTime, one_page, STORED, &["- -", "a -", "ad -"]);
}

/// A LOCKed exchange is a look, and what it stores is marked as any store is.
#[test]
fn an_exchange_meets_marks_and_is_marked() {
    const EXCHANGED: &[Body] = &[|at| {
        let before = at.exchange(0, B);
        format!("{before} {}", at.marks(0))
    }];
    let wanted = ["- -", "- a", "- ad", "a -", "a a", "a ad", "ad -", "ad a", "ad ad"];
    always(Marks::AnyTime, one_page, EXCHANGED, &wanted);
    always(Marks::AtOnce, one_page, EXCHANGED, &["ad ad"]);
    always(Marks::Never, one_page, EXCHANGED, &["- -"]);
}

/// The SDM (4.8) has the dirty bit set by the time that the store is done. The machine's marks are tied to no access:
/// a program that is right here is right there.
#[test]
fn a_store_by_way_of_an_entry_need_not_mark_it() {
    const WRITTEN: &[Body] = &[|at| {
        at.set_page(2, at.to_table());
        at.store_through(2, 6, A);
        at.fence();
        at.marks(2).into()
    }];
    always(Marks::AnyTime, one_page, WRITTEN, &["-", "a", "ad"]);
    always(Marks::AtOnce, one_page, WRITTEN, &["ad"]);
}
