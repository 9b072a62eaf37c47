//! The classic programs. Each is given with all its outcomes, so that "is seen" and "never seen" are
//! both checked.
//!
//! Sources: Intel SDM vol. 3, 9.2.3 (by section), and Owens, Sarkar and Sewell, "A better x86 memory
//! model: x86-TSO", 2009 (by name).

use std::collections::BTreeSet;

use loom_tests::engine::Mode;
use loom_tests::engine::litmus::{Op, Outcome, Program, explored, loomed};

use Op::{Add, Fence, Load, Store, Swap};

const X: usize = 0;
const Y: usize = 1;
const Z: usize = 2;
const U: usize = 3;

/// Outcomes, a digit for each value.
enum Seen {
    /// These.
    Only(&'static str),
    /// All of zeros and ones but these.
    AllBut(&'static str),
}

use Seen::{AllBut, Only};

struct Shape {
    name: &'static str,
    source: &'static str,
    program: Program,
    /// How many values of an outcome are looked at: what is read, and then what words hold at the
    /// end.
    values: usize,
    sc: Seen,
    /// Without, the same.
    tso: Option<Seen>,
}

impl Shape {
    fn expected(&self, tso: bool) -> BTreeSet<Outcome> {
        let digits = |text: &str| -> Outcome {
            text.chars().map(|c| c.to_digit(10).expect("outcomes are digits")).collect()
        };
        let list = |text: &str| text.split(' ').map(digits).collect::<BTreeSet<_>>();
        match self.tso.as_ref().filter(|_| tso).unwrap_or(&self.sc) {
            Only(these) => list(these),
            AllBut(these) => {
                let all = (0..1u32 << self.values)
                    .map(|bits| (0..self.values).map(|n| bits >> n & 1).collect());
                let without = if these.is_empty() { BTreeSet::new() } else { list(these) };
                all.filter(|outcome| !without.contains(outcome)).collect()
            }
        }
    }

    fn expect(&self, how: &str, tso: bool, found: &BTreeSet<Outcome>) {
        let looked: BTreeSet<Outcome> =
            found.iter().map(|outcome| outcome[..self.values].to_vec()).collect();
        assert_eq!(looked, self.expected(tso), "{} ({}), {how}", self.name, self.source);
    }
}

fn shape(
    name: &'static str,
    source: &'static str,
    program: Program,
    values: usize,
    sc: Seen,
    tso: Option<Seen>,
) -> Shape {
    Shape { name, source, program, values, sc, tso }
}

/// Outcomes that are the same with and without store buffers.
fn shapes_without_buffers() -> Vec<Shape> {
    let writer = |n| vec![Store(n, 1)];
    let readers = [vec![Load(X), Load(Y)], vec![Load(Y), Load(X)]];
    let iriw = |writers: [Program; 1]| [writers.concat(), readers.to_vec()].concat();
    let p = |threads: &[&[Op]]| -> Program { threads.iter().map(|ops| ops.to_vec()).collect() };
    vec![
        shape(
            "SB with fences",
            "SDM 9.2.3.9, 9.2.5",
            p(&[&[Store(X, 1), Fence, Load(Y)], &[Store(Y, 1), Fence, Load(X)]]),
            2,
            Only("01 10 11"),
            None,
        ),
        shape(
            "SB with exchanges",
            "SDM 9.2.3.9",
            p(&[&[Swap(X, 1), Load(Y)], &[Swap(Y, 1), Load(X)]]),
            4,
            Only("0001 0100 0101"),
            None,
        ),
        shape(
            "SB with LOCKed adds to other words",
            "SDM 9.2.3.9",
            p(&[&[Store(X, 1), Add(Z, 1), Load(Y)], &[Store(Y, 1), Add(U, 1), Load(X)]]),
            4,
            Only("0001 0100 0101"),
            None,
        ),
        shape(
            "MP",
            "SDM 9.2.3.2",
            p(&[&[Store(X, 1), Store(Y, 1)], &[Load(Y), Load(X)]]),
            2,
            Only("00 01 11"),
            None,
        ),
        shape(
            "MP with an exchange first",
            "SDM 9.2.3.9",
            p(&[&[Swap(X, 1), Store(Y, 1)], &[Load(Y), Load(X)]]),
            3,
            Only("000 001 011"),
            None,
        ),
        shape(
            "LB",
            "SDM 9.2.3.3",
            p(&[&[Load(X), Store(Y, 1)], &[Load(Y), Store(X, 1)]]),
            2,
            Only("00 01 10"),
            None,
        ),
        shape(
            "S",
            "x86-TSO",
            p(&[&[Store(X, 2), Store(Y, 1)], &[Load(Y), Store(X, 1)]]),
            3,
            Only("011 021 111"),
            None,
        ),
        shape(
            "2+2W",
            "x86-TSO",
            p(&[&[Store(X, 1), Store(Y, 2)], &[Store(Y, 1), Store(X, 2)]]),
            2,
            Only("12 21 22"),
            None,
        ),
        shape(
            "a store and a load of the same word",
            "SDM 9.2.3.4",
            p(&[&[Store(X, 1), Load(X)], &[Load(Y)]]),
            1,
            Only("1"),
            None,
        ),
        shape(
            "CoRR",
            "x86-TSO",
            p(&[&[Store(X, 1)], &[Load(X), Load(X)]]),
            2,
            Only("00 01 11"),
            None,
        ),
        shape(
            "n5",
            "x86-TSO",
            p(&[&[Store(X, 1), Load(X)], &[Store(X, 2), Load(X)]]),
            3,
            Only("122 121 222 111"),
            None,
        ),
        shape(
            "n4b",
            "x86-TSO",
            p(&[&[Load(X), Store(X, 1)], &[Load(X), Store(X, 2)]]),
            3,
            Only("012 201 001 002"),
            None,
        ),
        shape(
            "WRC",
            "SDM 9.2.3.6",
            p(&[&[Store(X, 1)], &[Load(X), Store(Y, 1)], &[Load(Y), Load(X)]]),
            3,
            AllBut("110"),
            None,
        ),
        shape("IRIW", "SDM 9.2.3.7", iriw([vec![writer(X), writer(Y)]]), 4, AllBut("1010"), None),
        shape(
            "IRIW with exchanges",
            "SDM 9.2.3.8",
            iriw([vec![vec![Swap(X, 1)], vec![Swap(Y, 1)]]]),
            6,
            Only(
                "000000 000001 000010 000011 000100 000101 000110 000111 001000 001001 001011 \
                 001100 001101 001110 001111",
            ),
            None,
        ),
        shape(
            "three LOCKed adds lose no increment",
            "SDM 9.1.2",
            p(&[&[Add(X, 1)], &[Add(X, 1)], &[Add(X, 1)]]),
            4,
            Only("0123 0213 1023 1203 2013 2103"),
            None,
        ),
    ]
}

/// Outcomes that take a store buffer.
fn shapes_with_buffers() -> Vec<Shape> {
    let p = |threads: &[&[Op]]| -> Program { threads.iter().map(|ops| ops.to_vec()).collect() };
    vec![
        shape(
            "SB",
            "SDM 9.2.3.4",
            p(&[&[Store(X, 1), Load(Y)], &[Store(Y, 1), Load(X)]]),
            2,
            Only("01 10 11"),
            Some(AllBut("")),
        ),
        shape(
            "SB with one fence missing",
            "SDM 9.2.3.4",
            p(&[&[Store(X, 1), Fence, Load(Y)], &[Store(Y, 1), Load(X)]]),
            2,
            Only("01 10 11"),
            Some(AllBut("")),
        ),
        shape(
            "SB of three",
            "x86-TSO, podwr001",
            p(&[&[Store(X, 1), Load(Y)], &[Store(Y, 1), Load(Z)], &[Store(Z, 1), Load(X)]]),
            3,
            AllBut("000"),
            Some(AllBut("")),
        ),
        shape(
            "SB with each CPU's own store read first",
            "SDM 9.2.3.5",
            p(&[&[Store(X, 1), Load(X), Load(Y)], &[Store(Y, 1), Load(Y), Load(X)]]),
            4,
            Only("1011 1110 1111"),
            Some(Only("1010 1011 1110 1111")),
        ),
        shape(
            "R",
            "x86-TSO",
            p(&[&[Store(X, 1), Store(Y, 1)], &[Store(Y, 2), Load(X)]]),
            3,
            Only("111 112 011"),
            Some(Only("111 112 011 012")),
        ),
        shape(
            "n6",
            "x86-TSO",
            p(&[&[Store(X, 1), Load(X), Load(Y)], &[Store(Y, 2), Store(X, 2)]]),
            4,
            Only("1212 2222 1022 1222"),
            Some(Only("1212 2222 1022 1222 1012")),
        ),
        shape(
            "RWC",
            "x86-TSO",
            p(&[&[Store(X, 1)], &[Load(X), Load(Y)], &[Store(Y, 1), Load(X)]]),
            3,
            AllBut("100"),
            Some(AllBut("")),
        ),
    ]
}

fn shapes() -> Vec<Shape> {
    [shapes_without_buffers(), shapes_with_buffers()].into_iter().flatten().collect()
}

#[test]
fn the_explorer_shows_what_the_manuals_say() {
    for shape in shapes() {
        for tso in [false, true] {
            for reduce in [true, false] {
                let how = format!("the explorer, tso {tso}, reduce {reduce}");
                shape.expect(&how, tso, &explored(tso, reduce, &shape.program));
            }
        }
    }
}

/// Read-modify-writes alone: every interleaving, and nothing else.
#[test]
fn loom_shows_every_interleaving_in_rmw_mode() {
    for shape in shapes() {
        shape.expect("loom, rmw", false, &loomed(Mode::Rmw, &shape.program));
    }
}
