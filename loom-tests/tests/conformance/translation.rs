//! What a CPU may make of an address while entries change. Each test names the rule of MODEL.md and
//! the section of the Intel SDM, vol. 3. An outcome lists, per look, the frames that an access could
//! use.

use mmu386::entry::{PTEGLOBAL, PTESIZE};

use crate::bench::{A, At, B, Bench, Body, C, expect};

/// Page 0 leads to A.
fn one_page(at: &At<'_>) {
    at.set_page(0, A);
}

/// The same outcomes with and without store buffers.
fn always(set_up: fn(&At<'_>), bodies: &'static [Body], wanted: &[&str]) {
    for tso in [false, true] {
        expect(tso, false, set_up, bodies, wanted);
    }
}

/// M5; 4.10.4.1.
#[test]
fn changed_and_flushed_is_changed() {
    const INVLPG: &[Body] = &[|at| {
        at.set_page(0, B);
        at.invlpg(0);
        at.uses(0)
    }];
    const CR3: &[Body] = &[|at| {
        at.set_page(0, B);
        at.load_cr3();
        at.uses(0)
    }];
    always(one_page, INVLPG, &["B"]);
    always(one_page, CR3, &["B"]);
}

/// M3; 4.10.2.3.
#[test]
fn changed_and_not_flushed_is_both() {
    const FENCED: &[Body] = &[|at| {
        at.set_page(0, B);
        at.fence();
        at.uses(0)
    }];
    always(one_page, FENCED, &["AB"]);
}

/// M2, M4: a CPU's own walks see its own stores at once, as its loads do (9.2.3.4).
#[test]
fn a_cpu_walks_to_its_own_store_before_that_reaches_memory() {
    const CHANGED: &[Body] = &[|at| {
        at.set_page(0, B);
        at.uses(0)
    }];
    const CAME: &[Body] = &[|at| {
        at.set_page(2, C);
        at.uses(2)
    }];
    // The translation of an access is such a walk: page 2 leads to the table that it is an entry of.
    const ACCESS: &[Body] = &[|at| {
        at.set_page(2, at.to_table());
        (at.load_through(2, 2) == at.to_table()).to_string()
    }];
    always(one_page, CHANGED, &["AB"]);
    always(one_page, CAME, &["C"]);
    always(one_page, ACCESS, &["true"]);
}

/// M2, M4: in whatever order it stores the two levels.
#[test]
fn a_cpu_walks_to_its_own_stores_at_both_levels() {
    let bench = Bench { shared_directory: true, ..Bench::PLAIN };
    let none: fn(&At<'_>) = |at| at.set_directory(0);
    const DIRECTORY_FIRST: &[Body] = &[|at| {
        at.set_directory(at.to_table());
        let before = at.uses(2);
        at.set_page(2, C);
        format!("{before} {}", at.uses(2))
    }];
    const TABLE_FIRST: &[Body] = &[|at| {
        at.set_page(2, C);
        let before = at.uses(2);
        at.set_directory(at.to_table());
        format!("{before} {}", at.uses(2))
    }];
    const LARGE: &[Body] = &[|at| {
        at.set_directory(A | PTESIZE);
        format!("{} {}", at.uses(0), at.uses(1))
    }];
    bench.always(none, DIRECTORY_FIRST, &["- C"]);
    bench.always(none, TABLE_FIRST, &["- C"]);
    bench.always(none, LARGE, &["A A"]);
}

/// M2, M4: the walks of other CPUs see memory alone. CPU 1 says in page 5 that it cannot use what CPU 0 has stored. With
/// store buffers that can be so although CPU 0 uses it, and looks at the flag before that is set.
#[test]
fn no_other_cpu_walks_to_a_store_before_it_reaches_memory() {
    const BOTH: &[Body] = &[
        |at| {
            at.set_page(2, C);
            let own = at.uses(2);
            let flag = at.flag();
            at.fence();
            format!("{own} {flag} {}", at.page(5))
        },
        |at| {
            at.set_flag();
            at.fence();
            if at.uses(2) == "-" {
                at.set_page(5, B);
            }
            String::new()
        },
    ];
    expect(false, false, one_page, BOTH, &["C 0 -", "C 1 -", "C 1 B"]);
    expect(true, false, one_page, BOTH, &["C 0 -", "C 0 B", "C 1 -", "C 1 B"]);
}

/// M3, M5; 4.10.5: a flush is the CPU's own.
#[test]
fn flushed_on_the_wrong_cpu_is_both() {
    const WRONG: &[Body] = &[
        |at| {
            at.set_page(0, B);
            at.invlpg(0);
            at.set_flag();
            String::new()
        },
        |at| format!("{} {}", at.flag(), at.uses(0)),
    ];
    always(one_page, WRONG, &["0 A", "0 AB", "1 AB"]);
}

/// M5; 4.10.5.
#[test]
fn flushed_on_the_right_cpu_is_changed() {
    const RIGHT: &[Body] = &[
        |at| {
            at.set_page(0, B);
            at.fence();
            at.set_flag();
            String::new()
        },
        |at| {
            let flag = at.flag();
            at.invlpg(0);
            format!("{flag} {}", at.uses(0))
        },
    ];
    always(one_page, RIGHT, &["0 A", "0 AB", "0 B", "1 B"]);
}

/// M5; 4.10.4.1.
#[test]
fn invlpg_of_another_page_drops_nothing_of_this_one() {
    const OTHER: &[Body] = &[|at| {
        at.set_page(0, B);
        at.invlpg(1);
        at.uses(0)
    }];
    always(one_page, OTHER, &["AB"]);
}

/// M5; 4.10.2.4, 4.10.4.1.
#[test]
fn a_global_entry_outlives_a_cr3_load_and_no_invlpg() {
    const GLOBAL: &[Body] = &[|at| {
        at.set_page(0, B | PTEGLOBAL);
        at.load_cr3();
        let kept = at.uses(0);
        at.invlpg(0);
        format!("{kept} {}", at.uses(0))
    }];
    always(|at| at.set_page(0, A | PTEGLOBAL), GLOBAL, &["AB B"]);
}

fn two_names(at: &At<'_>) {
    at.set_page(0, A);
    at.set_page(1, A);
}

/// M3, M5; 4.10.2.2: translations are per page number, not per frame.
#[test]
fn each_name_of_a_frame_is_flushed_by_itself() {
    const ONE: &[Body] = &[|at| {
        at.set_page(0, B);
        at.invlpg(0);
        format!("{} {}", at.uses(0), at.uses(1))
    }];
    const BOTH: &[Body] = &[|at| {
        at.set_page(0, B);
        at.set_page(1, B);
        at.invlpg(0);
        format!("{} {}", at.uses(0), at.uses(1))
    }];
    always(two_names, ONE, &["B A"]);
    always(two_names, BOTH, &["B AB"]);
}

fn large(at: &At<'_>) {
    at.set_directory(A | PTESIZE);
}

/// M3, M5; 4.10.2.3, 4.10.4.1.
#[test]
fn a_large_page_is_cached_page_by_page() {
    const NOT_FLUSHED: &[Body] = &[|at| {
        at.set_directory(B | PTESIZE);
        at.fence();
        format!("{} {}", at.uses(0), at.uses(1))
    }];
    const CR3: &[Body] = &[|at| {
        at.set_directory(B | PTESIZE);
        at.load_cr3();
        format!("{} {}", at.uses(0), at.uses(1))
    }];
    // The SDM has INVLPG drop all that is cached of a large page. The machine drops what is asked for
    // and no more: a program that is right here is right there.
    const INVLPG: &[Body] = &[|at| {
        at.set_directory(B | PTESIZE);
        at.invlpg(0);
        format!("{} {}", at.uses(0), at.uses(1))
    }];
    always(large, NOT_FLUSHED, &["AB AB"]);
    always(large, CR3, &["B B"]);
    always(large, INVLPG, &["B AB"]);
}

/// M5. The SDM (4.10.4.1) has a page fault drop what is cached of its page, and the upper levels that lead there. The machine
/// drops nothing: a program that is right here is right there.
#[test]
fn a_page_fault_drops_nothing() {
    const PAGE: &[Body] = &[|at| {
        at.set_page(0, B);
        at.fault(0);
        at.uses(0)
    }];
    const UPPER: &[Body] = &[|at| {
        at.set_directory(0);
        at.fault(3);
        at.set_page(3, C);
        at.fence();
        at.uses(3)
    }];
    always(one_page, PAGE, &["AB"]);
    always(one_page, UPPER, &["C"]);
}

/// M3, M4; 4.10.2.3: a walk may come at any moment, and what it found stays.
#[test]
fn walks_come_before_and_after_a_change() {
    const TWICE: &[Body] = &[
        |at| {
            at.set_page(0, B);
            String::new()
        },
        |at| format!("{} {}", at.uses(0), at.uses(0)),
    ];
    const SEEN: &[Body] = &[
        |at| {
            at.set_page(0, B);
            String::new()
        },
        |at| format!("{} {}", at.page(0), at.uses(0)),
    ];
    always(one_page, TWICE, &["A A", "A AB", "AB AB"]);
    always(one_page, SEEN, &["A A", "A AB", "B AB"]);
}

/// M5; 4.10.2.3, 4.10.4.3: what is not present is not cached, so making it present needs no flush.
#[test]
fn a_page_that_is_not_present_is_not_cached() {
    const COMES: &[Body] = &[
        |at| {
            at.set_page(2, C);
            String::new()
        },
        |at| format!("{} {}", at.uses(2), at.uses(2)),
    ];
    const GOES: &[Body] = &[|at| {
        at.set_page(0, 0);
        at.fence();
        let kept = at.uses(0);
        at.invlpg(0);
        format!("{kept} {}", at.uses(0))
    }];
    always(one_page, COMES, &["- -", "- C", "C C"]);
    always(one_page, GOES, &["A -"]);
}

/// M4, M5; 4.10.3: a CPU may walk on from a directory entry that has gone, until INVLPG of any page,
/// or a load of CR3.
#[test]
fn an_upper_level_outlives_its_entry_until_a_flush() {
    const KEPT: &[Body] = &[|at| {
        at.set_directory(0);
        at.set_page(3, C);
        at.fence();
        format!("{} {}", at.uses(0), at.uses(3))
    }];
    const INVLPG: &[Body] = &[|at| {
        at.set_directory(0);
        at.invlpg(5);
        at.set_page(3, C);
        at.fence();
        format!("{} {}", at.uses(0), at.uses(3))
    }];
    const CR3: &[Body] = &[|at| {
        at.set_directory(0);
        at.load_cr3();
        at.set_page(3, C);
        at.fence();
        format!("{} {}", at.uses(0), at.uses(3))
    }];
    always(one_page, KEPT, &["A C"]);
    always(one_page, INVLPG, &["A -"]);
    always(one_page, CR3, &["- -"]);
}

/// M4; 4.10.3: what another CPU stores there is walked to, as well.
#[test]
fn an_upper_level_leads_to_what_others_store_later() {
    const OTHERS: &[Body] = &[
        |at| {
            if at.flag() == 1 {
                at.set_page(3, C);
            }
            String::new()
        },
        |at| {
            at.set_directory(0);
            at.set_flag();
            let before = at.uses(3);
            format!("{before} {}", at.uses(3))
        },
    ];
    always(one_page, OTHERS, &["- -", "- C", "C C"]);
}
